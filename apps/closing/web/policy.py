"""The page on which a tenant says when its months are closed and what the checks ask."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.generic import FormView

from apps.audit import selectors as audit
from apps.closing import selectors, services
from apps.closing.domain.policy import (
    MOST_REMINDER_DAYS,
    MOST_WORKING_DAY,
    Limits,
    Policy,
    Schedule,
)
from apps.core import presentation
from apps.core.domain.access import Scope
from apps.core.domain.canonical import plain_decimal
from apps.core.domain.errors import Refusal
from apps.core.domain.months import Month, local_day
from apps.core.web.page import Crumb, Page
from apps.core.web.parts import Entry
from apps.core.web.views import PageMixin
from apps.tenants import selectors as tenants

_SCOPES: Final[dict[str, Scope | None]] = {"GET": Scope.CLOSE_RUN, "POST": Scope.CLOSE_RUN}
_CHECKS: Final = [
    ("coverage", "Too little of the cost has an owner"),
    ("bills", "A bill differs much from our metering"),
    ("accruals", "A bill is not there yet"),
    ("variance", "The month differs much from the one before"),
    ("disputes", "A statement is disputed"),
    ("imports", "A file of usage is still being imported"),
    ("backfills", "A backfill of the month is open"),
    ("over", "The month is not over yet"),
]


def _percent(label: str, help_text: str, most: int = 1000) -> forms.DecimalField:
    return forms.DecimalField(
        label=label, help_text=help_text, min_value=0, max_value=most, decimal_places=2
    )


class PolicyForm(forms.Form):
    """A schedule and limits."""

    is_on = forms.BooleanField(
        label="Closes begin by themselves",
        required=False,
        help_text="A close is prepared and then waits for a person to approve it.",
    )
    working_day = forms.IntegerField(
        label="On working day",
        min_value=1,
        max_value=MOST_WORKING_DAY,
        help_text="Of the month after, Monday to Friday.",
    )
    at = forms.TimeField(
        label="At",
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        help_text="On your organization's clock.",
    )
    reminder_days = forms.IntegerField(
        label="Remind finance",
        min_value=0,
        max_value=MOST_REMINDER_DAYS,
        help_text="Working days before it begins; 0 for no reminder.",
    )
    due_working_day = forms.IntegerField(
        label="Due by working day",
        min_value=1,
        max_value=MOST_WORKING_DAY,
        help_text="From then on finance is reminded every working day.",
    )
    unpriced_percent = _percent(
        "Usage without a price, percent of the cost", "More than this may cost: the close stops."
    )
    coverage_percent = _percent(
        "Cost with an owner, percent", "Less than this asks for attention.", 100
    )
    bill_percent = _percent(
        "Bill against metering, percent", "A bigger difference asks for attention."
    )
    change_percent = _percent("Change of the month, percent", "A bigger change asks for attention.")
    blocking = forms.MultipleChoiceField(
        label="What stops a close instead of asking for attention",
        choices=_CHECKS,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )

    def to_policy(self) -> Policy:
        """Return the policy that was entered."""
        entered = self.cleaned_data
        schedule = ("is_on", "working_day", "at", "reminder_days", "due_working_day")
        percents = ("unpriced_percent", "coverage_percent", "bill_percent", "change_percent")
        return Policy(
            Schedule(**{name: entered[name] for name in schedule}),
            Limits(
                **{name: entered[name] for name in percents},
                blocking=frozenset(entered["blocking"]),
            ),
        )


class PolicyPage(PageMixin, FormView):  # type: ignore[type-arg]
    """Sets the schedule of closes and the limits of their checks."""

    template_name = "closing/policy.html"
    form_class = PolicyForm
    scopes = _SCOPES

    def page(self) -> Page:
        return Page(
            title="Schedule and checks",
            subtitle="When a month is closed, whom that reminds, and from where on a check asks "
            "for attention or stops the close.",
            crumbs=[Crumb("Months", reverse("closing:periods")), Crumb("Schedule and checks")],
        )

    def get_initial(self) -> dict[str, Any]:
        found = selectors.policy()
        names = ("is_on", "working_day", "at", "reminder_days", "due_working_day")
        percents = ("unpriced_percent", "coverage_percent", "bill_percent", "change_percent")
        return {
            **{name: getattr(found.schedule, name) for name in names},
            **{name: plain_decimal(getattr(found.limits, name)) for name in percents},
            "blocking": sorted(found.limits.blocking),
        }

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        today = local_day(timezone.now(), tenants.current().timezone)
        month = Month.of(today)
        return super().get_context_data(
            plan=selectors.plan_of(month),
            plan_month=presentation.month(month),
            entries=[
                Entry(
                    at=entry.at,
                    actor=entry.actor,
                    text=f"set the schedule: {entry.detail.get('schedule', '')}",
                    detail="",
                    mark=entry.hash[:12],
                )
                for entry in reversed(audit.history(subject="close_policy", subject_id="close"))
            ],
            **kwargs,
        )

    def form_valid(self, form: PolicyForm) -> HttpResponse:
        try:
            kept = services.set_policy(
                wanted=form.to_policy(), actor=self.actor, now=timezone.now()
            )
        except Refusal as refusal:
            for wrong in refusal.errors:
                form.add_error(wrong.field if wrong.field in form.fields else None, wrong.message)
            if not refusal.errors:
                form.add_error(None, refusal.message)
            return self.form_invalid(form)
        said = "Closes begin by themselves." if kept.schedule.is_on else "Saved."
        messages.success(self.request, said)
        return HttpResponseRedirect(reverse("closing:policy"))
