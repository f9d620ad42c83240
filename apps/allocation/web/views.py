"""The pages of allocation rules and runs."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.generic import FormView, TemplateView, View

from apps.allocation import selectors, services
from apps.allocation.domain.facts import RuleFacts
from apps.allocation.domain.payload import read_rule
from apps.allocation.domain.rules import Axis
from apps.allocation.web import words
from apps.allocation.web.forms import RuleForm, initial_of, show_refusal
from apps.audit import selectors as audit
from apps.core.domain.access import Scope
from apps.core.domain.errors import Refusal
from apps.core.domain.months import Month, local_day
from apps.core.web.exports import list_response
from apps.core.web.lists import Column, DataList, Empty, Filter, ListState
from apps.core.web.page import Action, Crumb, Fact, Page
from apps.core.web.parts import Entry
from apps.core.web.views import PageMixin
from apps.periods import selectors as periods
from apps.tenants import selectors as tenants

_READ: Final[dict[str, Scope | None]] = {"GET": Scope.BILLING_READ}
_WRITE: Final[dict[str, Scope | None]] = {
    "GET": Scope.ALLOCATION_WRITE,
    "POST": Scope.ALLOCATION_WRITE,
}

_RULE_COLUMNS: Final = (
    Column(key="name", label="Rule", link="url"),
    Column(key="axis", label="Over"),
    Column(key="level", label="Level", kind="quantity"),
    Column(key="picks", label="Picks up"),
    Column(key="split", label="Split"),
    Column(key="since", label="From", kind="month", wide=True),
    Column(key="status", label="Status", kind="badge"),
)


def _crumbs(*last: Crumb) -> list[Crumb]:
    return [
        Crumb("Months", "/month/"),
        Crumb("Allocation rules", reverse("allocation:rules")),
        *last,
    ]


class Rules(PageMixin, TemplateView):
    """Lists the newest version of every rule in the order of a run."""

    template_name = "allocation/rules.html"
    scopes = _READ

    def page(self) -> Page:
        may = self.actor.may(Scope.ALLOCATION_WRITE)
        return Page(
            title="Allocation rules",
            subtitle="Owned cost stays with its owner. Rules say how shared cost is split; what no "
            "rule and no owner takes stays visible as unallocated.",
            crumbs=[Crumb("Months", "/month/"), Crumb("Allocation rules")],
            actions=[Action(label="Drivers", url=reverse("allocation:drivers"), icon="scale")],
            primary=Action(label="Add a rule", url=reverse("allocation:new"), icon="plus")
            if may
            else None,
        )

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        shown = self._list()
        if shown.state.export:
            return list_response(shown, filename="allocation-rules")
        return self.render_to_response(self.get_context_data(list=shown, **kwargs))

    def _list(self) -> DataList:
        state = ListState.of(self.request)
        found = [
            facts
            for facts in selectors.latest_rules()
            if state.get("axis") in ("", facts.rule.axis.value)
        ]
        return DataList(
            key="rules",
            caption="Allocation rules",
            columns=_RULE_COLUMNS,
            rows=[_rule_row(facts) for facts in found],
            state=state,
            filters=(
                Filter(
                    key="axis", label="Over", options=[("team", "Teams"), ("customer", "Customers")]
                ),
            ),
            exports=("csv", "xlsx"),
            empty=Empty(
                title="No rules yet",
                text="Without rules every owner bears its own cost and the rest is unallocated.",
                icon="arrows-split",
            ),
        )


def _rule_row(facts: RuleFacts) -> dict[str, Any]:
    rule = facts.rule
    return {
        "id": rule.code,
        "name": rule.name or rule.code,
        "url": reverse("allocation:rule", args=[rule.code]),
        "axis": "teams" if rule.axis is Axis.TEAM else "customers",
        "level": rule.level,
        "picks": words.scope_in_words(rule),
        "split": words.split_in_words(rule),
        "since": Month.of(rule.valid_from) if rule.valid_from else None,
        "status": "ended" if facts.is_ended else "active",
    }


class RulePage(PageMixin, TemplateView):
    """Shows one rule with its versions and what happened to it."""

    template_name = "allocation/rule.html"
    scopes = _READ

    def page(self) -> Page:
        newest = selectors.versions(code=self.kwargs["code"])[0]
        rule = newest.rule
        may = self.actor.may(Scope.ALLOCATION_WRITE)
        edit = Action(
            label="Change it", icon="edit", url=reverse("allocation:edit", args=[rule.code])
        )
        end = Action(label="End it", dialog="end", danger=True)
        return Page(
            title=rule.name or rule.code,
            crumbs=_crumbs(Crumb(rule.name or rule.code)),
            status="ended" if newest.is_ended else "active",
            primary=edit if may else None,
            actions=[end] if may and not newest.is_ended else [],
            facts=[
                Fact("Code", rule.code),
                Fact("Version", str(rule.version)),
                Fact("Picks up", words.scope_in_words(rule)),
                Fact("Split", words.split_in_words(rule)),
                Fact("Level", str(rule.level)),
            ],
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        code = self.kwargs["code"]
        history = audit.history(subject="allocation_rule", subject_id=code)
        return super().get_context_data(
            described=[
                (facts, words.scope_in_words(facts.rule), words.split_in_words(facts.rule))
                for facts in selectors.versions(code=code)
            ],
            entries=[
                Entry(
                    at=entry.at,
                    actor=entry.actor,
                    text="ended the rule" if entry.action.endswith("ended") else "saved the rule",
                    detail=f"version {entry.detail.get('version', '')}",
                    mark=entry.hash[:12],
                )
                for entry in reversed(history)
            ],
            next_month=_present_month(),
            **kwargs,
        )


class NewRule(PageMixin, FormView):  # type: ignore[type-arg]
    """Adds a rule, with who would pay more or less beside the form."""

    template_name = "allocation/rule_form.html"
    form_class = RuleForm
    scopes = _WRITE
    said = "The rule is saved as version {version}."

    def page(self) -> Page:
        return Page(title="Add a rule", crumbs=_crumbs(Crumb("Add a rule")))

    def get_initial(self) -> dict[str, Any]:
        return {"first_month": str(_present_month()), "receivers": "*", "method": "even"}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            cancel_url=reverse("allocation:rules"),
            preview_month=_present_month(),
            what_if_months=_allocated_months(),
            **kwargs,
        )

    def form_valid(self, form: RuleForm) -> HttpResponse:
        if "what_if" in self.request.POST:
            return self._supposed(form)
        try:
            saved = services.save_rule(
                rule=read_rule(form.to_body(), first_month=_present_month()),
                actor=self.actor,
                now=timezone.now(),
                expected_version=form.cleaned_data["expected_version"] or 0,
            )
        except Refusal as refusal:
            show_refusal(form, refusal)
            return self.form_invalid(form)
        messages.success(self.request, self.said.format(version=saved.rule.version))
        return HttpResponseRedirect(reverse("allocation:rule", args=[saved.rule.code]))

    def _supposed(self, form: RuleForm) -> HttpResponse:
        """Keep a what-if run by the rule as it stands in the form, and show what it changes."""
        month = Month.parse(self.request.POST.get("what_if", "")[:16])
        try:
            rule = read_rule(form.to_body(), first_month=month)
            draft = services.WhatIf(
                month=month, name=f"{rule.name or rule.code} otherwise", rules=[rule]
            )
            kept = services.keep_what_if(draft=draft, actor=self.actor, now=timezone.now())
        except Refusal as refusal:
            show_refusal(form, refusal)
            return self.form_invalid(form)
        messages.success(
            self.request,
            "Kept as a what-if run. It is never published; the rule itself is not saved.",
        )
        return HttpResponseRedirect(reverse("allocation:compare", args=[kept.id]))


class EditRule(NewRule):
    """Changes a rule: saves its next version."""

    def page(self) -> Page:
        code = self.kwargs["code"]
        here = Crumb(code, reverse("allocation:rule", args=[code]))
        return Page(title=f"Change {code}", crumbs=_crumbs(here, Crumb("Change")))

    def get_initial(self) -> dict[str, Any]:
        newest = selectors.versions(code=self.kwargs["code"])[0]
        return {**initial_of(newest.rule), "first_month": str(_present_month())}


class PreviewRule(PageMixin, View):
    """Answers with who would pay more or less, while the form is being filled in."""

    scopes: ClassVar[dict[str, Scope | None]] = {"POST": Scope.ALLOCATION_WRITE}

    def post(self, request: HttpRequest) -> HttpResponse:
        form = RuleForm(request.POST)
        shown: dict[str, Any] = {"currency": tenants.current().currency}
        if form.is_valid():
            try:
                rule = read_rule(form.to_body(), first_month=_present_month())
                month = max(
                    _present_month(), Month.of(rule.valid_from or _present_month().first_day)
                )
                shown["preview"] = services.preview(month=month, rules=[rule], actor=self.actor)
                shown["moved"] = [one for one in shown["preview"].changes if one.difference]
                shown["month"] = month
            except Refusal as refusal:
                shown["refusal"] = refusal
        return render(request, "allocation/preview.html", shown)


class EndRule(PageMixin, View):
    """Ends a rule."""

    scopes: ClassVar[dict[str, Scope | None]] = {"POST": Scope.ALLOCATION_WRITE}

    def post(self, request: HttpRequest, code: str) -> HttpResponse:
        try:
            month = Month.parse(request.POST.get("from_month", "")[:16])
            services.end_rule(code=code, from_month=month, actor=self.actor, now=timezone.now())
        except Refusal as refusal:
            messages.error(request, refusal.message)
        else:
            messages.success(request, f"The rule no longer applies from {month} on.")
        return HttpResponseRedirect(reverse("allocation:rule", args=[code]))


def _allocated_months() -> list[Month]:
    """Return the last months that have a published run, which a supposition compares with."""
    return sorted(selectors.published_sums(), reverse=True)[:3]


def _present_month() -> Month:
    """Return the earliest month that is not closed, from the present one backwards."""
    today = Month.of(local_day(timezone.now(), tenants.current().timezone))
    latest = periods.latest_closed()
    return max(today, latest.month + 1) if latest is not None else today
