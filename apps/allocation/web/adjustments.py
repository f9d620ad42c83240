"""The pages of adjustments: amounts moved by hand, asked by one person, decided by another."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.generic import FormView, TemplateView, View

from apps.allocation import selectors, services
from apps.allocation.domain.rules import Axis
from apps.allocation.domain.sight import require_everything
from apps.allocation.domain.transfers import AdjustmentDraft
from apps.allocation.selectors import AdjustmentFacts
from apps.audit import selectors as audit
from apps.core import presentation
from apps.core.domain.access import Scope
from apps.core.domain.errors import Refusal
from apps.core.domain.months import Month, local_day
from apps.core.web.exports import list_response
from apps.core.web.lists import Column, DataList, Empty, Filter, ListState
from apps.core.web.page import Action, Crumb, Fact, Page
from apps.core.web.parts import Entry
from apps.core.web.views import PageMixin
from apps.documents.domain.uploads import Upload
from apps.periods import selectors as periods
from apps.tenants import selectors as tenants

_READ: Final[dict[str, Scope | None]] = {"GET": Scope.BILLING_READ}
_WRITE: Final[dict[str, Scope | None]] = {
    "GET": Scope.ALLOCATION_WRITE,
    "POST": Scope.ALLOCATION_WRITE,
}
_DECIDE: Final[dict[str, Scope | None]] = {"POST": Scope.APPROVALS_DECIDE}
_COLUMNS: Final = (
    Column(key="code", label="Number", kind="code", link="url"),
    Column(key="month", label="Month", kind="month"),
    Column(key="sender", label="From"),
    Column(key="receiver", label="To"),
    Column(key="amount", label="Amount", kind="money", currency_key="currency"),
    Column(key="state", label="State", kind="badge"),
    Column(key="requested_by", label="Asked by", wide=True),
    Column(key="decided_by", label="Decided by", wide=True),
)
_STATES: Final = ("requested", "approved", "rejected", "withdrawn")
_PLAIN: Final = {"autocomplete": "off", "spellcheck": "false"}
_SAID: Final = {
    "adjustment.requested": "asked for it",
    "adjustment.approved": "approved it",
    "adjustment.rejected": "rejected it",
    "adjustment.withdrawn": "took it back",
}


class SeveralFiles(forms.ClearableFileInput):
    """A control that takes several files."""

    allow_multiple_selected = True


class FilesField(forms.FileField):
    """Any number of files; what may be kept is decided by the service."""

    def clean(self, data: Any, initial: Any = None) -> tuple[Upload, ...]:
        """Return the files as they came."""
        sent = data if isinstance(data, list | tuple) else [data]
        return tuple(Upload(one.name, one.read()) for one in sent if one)


class AdjustmentForm(forms.Form):
    """An adjustment to ask for."""

    month = forms.ChoiceField(help_text="A closed month never changes; adjust the open one.")
    axis = forms.ChoiceField(
        label="Between", choices=[(Axis.TEAM.value, "Teams"), (Axis.CUSTOMER.value, "Customers")]
    )
    sender = forms.CharField(
        label="From",
        max_length=64,
        widget=forms.TextInput(attrs={**_PLAIN, "list": "receivers"}),
        help_text="Bears less by the amount.",
    )
    receiver = forms.CharField(
        label="To",
        max_length=64,
        widget=forms.TextInput(attrs={**_PLAIN, "list": "receivers"}),
        help_text="Bears more by the amount.",
    )
    amount = forms.DecimalField(
        max_digits=30,
        decimal_places=12,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )
    reason = forms.CharField(
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Both statements print it.",
    )
    reference = forms.CharField(
        max_length=200, required=False, help_text="What it answers: a dispute, a ticket, a mail."
    )
    files = FilesField(  # type: ignore[assignment]
        label="What proves it",
        required=False,
        widget=SeveralFiles(attrs={"accept": ".pdf,.png,.jpg,.jpeg,.csv,.txt,.xlsx"}),
        help_text="Up to three files of at most 5 MiB: pdf, png, jpg, csv, txt, xlsx.",
    )

    def __init__(self, *args: Any, months: list[Month], **options: Any) -> None:
        super().__init__(*args, **options)
        choices = [(str(one), presentation.month(one)) for one in months]
        self.fields["month"].choices = choices  # type: ignore[attr-defined]


class Adjustments(PageMixin, TemplateView):
    """Lists adjustments, the newest first."""

    template_name = "allocation/adjustments.html"
    scopes = _READ

    def page(self) -> Page:
        new = Action(label="Ask for one", url=reverse("allocation:adjustment_new"), icon="plus")
        return Page(
            title="Adjustments",
            subtitle="Amounts moved by hand between two receivers. One person asks, another one "
            "approves; both statements show the amount and the reason.",
            crumbs=[Crumb("Months", "/month/")],
            primary=new if self.actor.may(Scope.ALLOCATION_WRITE) else None,
        )

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        require_everything(self.actor)
        shown = self._list()
        if shown.state.export:
            return list_response(shown, filename="adjustments")
        return self.render_to_response(self.get_context_data(list=shown, **kwargs))

    def _list(self) -> DataList:
        state = ListState.of(self.request)
        wanted = state.get("state")
        rows = [_row(one) for one in selectors.adjustments() if wanted in ("", one.state)]
        return DataList(
            key="adjustments",
            caption="Adjustments",
            columns=_COLUMNS,
            rows=rows,
            state=state,
            filters=(Filter(key="state", label="State", options=[(one, one) for one in _STATES]),),
            exports=("csv", "xlsx"),
            empty=Empty(
                title="No adjustments",
                text="Ask for one when an amount belongs elsewhere and no rule can say so.",
                icon="arrows-split",
            ),
        )


class NewAdjustment(PageMixin, FormView):  # type: ignore[type-arg]
    """Asks for an adjustment."""

    template_name = "allocation/adjustment_form.html"
    form_class = AdjustmentForm
    scopes = _WRITE

    def page(self) -> Page:
        return Page(
            title="Ask for an adjustment",
            subtitle="Nothing is booked until another person approves it.",
            crumbs=_crumbs(),
        )

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "months": _months()}

    def get_initial(self) -> dict[str, Any]:
        names = ("month", "sender", "receiver", "amount", "reason", "reference")
        return {name: self.request.GET.get(name, "")[:1000] for name in names}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        known = selectors.known_receivers(_months()[0])
        names = sorted(known[Axis.TEAM] | known[Axis.CUSTOMER])
        return super().get_context_data(
            receivers=[*names, selectors.UNALLOCATED],
            currency=tenants.current().currency,
            cancel_url=reverse("allocation:adjustments"),
            **kwargs,
        )

    def form_valid(self, form: Any) -> HttpResponse:
        asked = dict(form.cleaned_data)
        month = Month.parse(asked.pop("month"))
        draft = AdjustmentDraft(**{**asked, "axis": Axis(asked["axis"])})
        try:
            made = services.request_adjustment(
                month=month, draft=draft, actor=self.actor, now=timezone.now()
            )
        except Refusal as refusal:
            _show(form, refusal)
            return self.form_invalid(form)
        messages.success(self.request, f"{made.code} waits for another person's approval.")
        return HttpResponseRedirect(reverse("allocation:adjustment", args=[made.id]))


class AdjustmentPage(PageMixin, TemplateView):
    """Shows one adjustment, and lets another person decide it."""

    template_name = "allocation/adjustment.html"
    scopes = _READ

    def page(self) -> Page:
        found = self._found
        amount = presentation.money(found.amount, found.currency)
        return Page(
            title=f"{amount} from {found.sender} to {found.receiver}",
            crumbs=_crumbs(),
            status=found.state,
            primary=Action(label="Approve", dialog="approve") if self._may_decide else None,
            actions=self._actions,
            facts=[
                Fact("Number", found.code),
                Fact("Month", presentation.month(found.month)),
                Fact("Asked by", found.requested_by),
                *([Fact("Decided by", found.decided_by)] if found.decided_by else []),
            ],
        )

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        require_everything(self.actor)
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        found = self._found
        amount = presentation.money(found.amount, found.currency)
        return super().get_context_data(
            found=found,
            may_decide=self._may_decide,
            may_withdraw=self._may_withdraw,
            own=self._is_own and found.state == "requested",
            files=[
                (file, reverse("adjustment_file", args=[found.id, file.id])) for file in found.files
            ],
            consequences=[
                f"{found.sender} bears {amount} less, {found.receiver} {amount} more.",
                f"The next run of {presentation.month(found.month)} books it, and both "
                "statements print the reason.",
            ],
            entries=[
                Entry(
                    at=entry.at,
                    actor=entry.actor,
                    text=_SAID.get(entry.action, entry.action),
                    detail=str(entry.detail.get("comment", "")),
                    mark=entry.hash[:12],
                )
                for entry in reversed(audit.history(subject="adjustment", subject_id=found.code))
            ],
            **kwargs,
        )

    @cached_property
    def _found(self) -> AdjustmentFacts:
        return selectors.adjustment(id=self.kwargs["adjustment"])

    @property
    def _is_own(self) -> bool:
        found = self._found
        return (
            self.actor.user_id == found.requested_by_user or self.actor.label == found.requested_by
        )

    @property
    def _may_decide(self) -> bool:
        waits = self._found.state == "requested"
        return waits and not self._is_own and self.actor.may(Scope.APPROVALS_DECIDE)

    @property
    def _may_withdraw(self) -> bool:
        return self._found.state == "requested" and self.actor.may(Scope.ALLOCATION_WRITE)

    @property
    def _actions(self) -> list[Action]:
        decide = [Action(label="Reject", dialog="reject", danger=True)]
        withdraw = [Action(label="Take it back", dialog="withdraw", danger=True)]
        return [
            *(decide if self._may_decide else []),
            *(withdraw if self._may_withdraw else []),
        ]


class _Decide(PageMixin, View):
    """Decides an adjustment and says what happened."""

    scopes = _DECIDE
    said = ""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            decided = self.decide(request.POST.get("reason", ""))
            messages.success(request, self.said.format(code=decided.code))
        except Refusal as refusal:
            messages.error(request, refusal.message)
        return HttpResponseRedirect(reverse("allocation:adjustment", args=[kwargs["adjustment"]]))

    def decide(self, comment: str) -> AdjustmentFacts:
        """Call the service."""
        raise NotImplementedError


class ApproveAdjustment(_Decide):
    """Approves."""

    said = "{code} is approved; the next run of its month books it."

    def decide(self, comment: str) -> AdjustmentFacts:
        return services.approve_adjustment(
            id=self.kwargs["adjustment"], comment=comment, actor=self.actor, now=timezone.now()
        )


class RejectAdjustment(_Decide):
    """Rejects."""

    said = "{code} is rejected."

    def decide(self, comment: str) -> AdjustmentFacts:
        return services.reject_adjustment(
            id=self.kwargs["adjustment"], comment=comment, actor=self.actor, now=timezone.now()
        )


class WithdrawAdjustment(_Decide):
    """Takes a request back."""

    scopes = {"POST": Scope.ALLOCATION_WRITE}
    said = "{code} is taken back."

    def decide(self, comment: str) -> AdjustmentFacts:
        return services.withdraw_adjustment(
            id=self.kwargs["adjustment"], actor=self.actor, now=timezone.now()
        )


def _crumbs() -> list[Crumb]:
    return [Crumb("Months", "/month/"), Crumb("Adjustments", reverse("allocation:adjustments"))]


def _months() -> list[Month]:
    """Return the months that may be adjusted, the present one first, then earlier ones."""
    today = Month.of(local_day(timezone.now(), tenants.current().timezone))
    found = [
        period.month
        for period in periods.calendar().periods
        if period.state.value != "closed" and period.month <= today
    ]
    return sorted(found, reverse=True) or [today]


def _row(one: AdjustmentFacts) -> dict[str, Any]:
    names = ("code", "month", "sender", "receiver", "amount", "currency", "state")
    return {
        **{name: getattr(one, name) for name in (*names, "requested_by", "decided_by")},
        "url": reverse("allocation:adjustment", args=[one.id]),
    }


def _show(form: forms.Form, refusal: Refusal) -> None:
    for wrong in refusal.errors:
        form.add_error(wrong.field if wrong.field in form.fields else None, wrong.message)
    if not refusal.errors:
        form.add_error(None, refusal.message)
