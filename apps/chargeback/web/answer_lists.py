"""Finance's pages over all answers: acceptances, disputes, who answers, what silence means."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.generic import FormView
from django.views.generic.base import View

from apps.chargeback import selectors, services
from apps.chargeback.domain.acceptance import Acceptance, AcceptanceState, DisputeFacts
from apps.chargeback.web import links
from apps.chargeback.web.answer_forms import PolicyForm, ResponderForm, show_refusal
from apps.chargeback.web.months import ListPage
from apps.core import presentation
from apps.core.domain.access import Scope
from apps.core.domain.errors import Refusal
from apps.core.domain.months import Month
from apps.core.web.lists import Column, DataList, Empty, Filter, ListState, Paging
from apps.core.web.page import Action, Crumb, Page, Tab
from apps.core.web.views import PageMixin
from apps.directory import selectors as directory

_READ: Final[Mapping[str, Scope | None]] = {"GET": Scope.BILLING_READ}
_WRITE: Final[Mapping[str, Scope | None]] = {
    "GET": Scope.BILLING_WRITE,
    "POST": Scope.BILLING_WRITE,
}


class _AnswersPage(ListPage):
    """What both lists share: head, views, the filter by month."""

    template_name = "chargeback/months.html"
    scopes: ClassVar[Mapping[str, Scope | None]] = _READ

    def page(self) -> Page:
        settings = Action(label="Who answers", url=reverse("chargeback:answering"), icon="settings")
        return Page(
            title="Acceptance of statements",
            subtitle="Who has accepted what is charged, who objects, and until when.",
            crumbs=[Crumb(links.HOME, "/statements/")],
            actions=[settings] if self.actor.may(Scope.BILLING_WRITE) else [],
        )

    @property
    def month(self) -> Month | None:
        """Return the month of the filter; None is all of them."""
        text = self.state.get("month")
        return links.month_of(text) if text else None

    def views(self) -> list[Tab]:
        """Return the two lists as tabs."""
        return [
            Tab(label=label, url=reverse(f"chargeback:{name}"), active=name == self.filename)
            for name, label in (("acceptances", "Statements"), ("disputes", "Disputes"))
        ]

    def months(self) -> Filter:
        """Return the filter by month."""
        known = selectors.months(actor=self.actor)
        return Filter(
            key="month",
            label="Month",
            options=[(str(one.month), presentation.month(one.month)) for one in known],
        )


class Acceptances(_AnswersPage):
    """Lists the newest issued statements with where they stand."""

    filename = "acceptances"

    def shown(self) -> DataList:
        state = self.state.get("state")
        known = {one.value for one in AcceptanceState}
        found = selectors.acceptances(
            month=self.month,
            state=AcceptanceState(state) if state in known else None,
            actor=self.actor,
            now=timezone.now(),
        )
        return acceptances_list(found, self.state, months=self.months(), views=self.views())


_PAGE: Final = 100


def acceptances_list(
    found: list[Acceptance], state: ListState, *, months: Filter, views: list[Tab]
) -> DataList:
    """Return the statements with where they stand with their readers."""
    states = Filter(
        key="state",
        label="State",
        options=[
            (one.value, one.value.capitalize())
            for one in AcceptanceState
            if one not in (AcceptanceState.DRAFT, AcceptanceState.REPLACED)
        ],
    )
    cursor = state.get("cursor")
    start = int(cursor[:9]) if cursor.isascii() and cursor.isdigit() else 0
    shown = found if state.export else found[start : start + _PAGE]
    return DataList(
        key="acceptances",
        caption="Statements and where they stand",
        state=state,
        views=views,
        filters=(months, states),
        rows=[_acceptance_row(one) for one in shown],
        paging=Paging(
            text=f"{presentation.number(len(found))} statements",
            next_cursor=str(start + _PAGE) if start + _PAGE < len(found) else "",
            previous_cursor=str(max(start - _PAGE, 0)) if start else "",
        ),
        columns=(
            Column(key="number", label="Statement", link="url"),
            Column(key="month", label="Month"),
            Column(key="name", label="Cost center"),
            Column(key="owner", label="Owner", wide=True),
            Column(key="state", label="State", kind="badge"),
            Column(key="due_at", label="Days end", kind="when", wide=True),
            Column(key="disputes", label="Open disputes", kind="quantity", wide=True),
            Column(key="total", label="Total", kind="money", currency_key="currency"),
        ),
        exports=("csv", "xlsx"),
        empty=Empty(
            title="No issued statement fits",
            text="Statements wait for their owners once a month is closed.",
            icon="user-check",
        ),
    )


def _acceptance_row(one: Acceptance) -> dict[str, Any]:
    return {
        "number": one.number,
        "url": links.statement_url(one.month, one.cost_center, "acceptance"),
        "month": presentation.month(one.month),
        "name": one.name,
        "owner": one.owner_name or None,
        "state": one.state.value,
        "due_at": one.due_at,
        "disputes": len(one.open_disputes),
        "total": one.total,
        "currency": one.currency,
    }


class Disputes(_AnswersPage):
    """Lists disputes, the open ones unless asked otherwise."""

    filename = "disputes"

    def shown(self) -> DataList:
        state = self.state.get("state")
        found = selectors.disputes(month=self.month, state=state, actor=self.actor)
        return disputes_list(found, self.state, months=self.months(), views=self.views())


def disputes_list(
    found: list[DisputeFacts], state: ListState, *, months: Filter, views: list[Tab]
) -> DataList:
    """Return disputes, newest first."""
    names = ("open", "rejected", "corrected", "withdrawn")
    states = Filter(key="state", label="State", options=[(one, one.capitalize()) for one in names])
    return DataList(
        key="disputes",
        caption="Disputes",
        state=state,
        views=views,
        filters=(months, states),
        rows=[_dispute_row(one) for one in found],
        columns=(
            Column(key="number", label="Statement", link="url"),
            Column(key="name", label="Cost center"),
            Column(key="about", label="About", wide=True),
            Column(key="comment", label="What is wrong"),
            Column(key="by", label="Raised by", wide=True),
            Column(key="at", label="Raised", kind="when", wide=True),
            Column(key="state", label="State", kind="badge"),
            Column(key="amount", label="Should be", kind="money", currency_key="currency"),
        ),
        exports=("csv", "xlsx"),
        empty=Empty(title="No dispute fits", text="Nobody objects.", icon="circle-check"),
    )


def _dispute_row(one: DisputeFacts) -> dict[str, Any]:
    said = one.response
    return {
        "number": one.number,
        "url": links.statement_url(one.month, one.cost_center, "acceptance"),
        "name": one.name,
        "about": f"line {said.position}, {said.line}" if said.position else "whole statement",
        "comment": said.comment if len(said.comment) < 120 else f"{said.comment[:119]}…",
        "by": said.by,
        "at": said.at,
        "state": "replaced" if one.is_replaced and said.is_open else said.state,
        "amount": said.amount,
        "currency": one.currency,
    }


class Answering(PageMixin, FormView):  # type: ignore[type-arg]
    """Says what silence means, and names people who answer beside the owners."""

    template_name = "chargeback/answering.html"
    form_class = PolicyForm
    scopes: ClassVar[Mapping[str, Scope | None]] = _WRITE

    def page(self) -> Page:
        return Page(
            title="Who answers statements",
            subtitle="The owner of a cost center does, and whoever you name beside the owner.",
            crumbs=[
                Crumb(links.HOME, "/statements/"),
                Crumb("Acceptance", reverse("chargeback:acceptances")),
            ],
        )

    def get_initial(self) -> dict[str, Any]:
        found = selectors.policy()
        return {"lapse": found.lapse.value, "reminder_days": found.reminder_days}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        named = [
            {"cost_center": code, "name": self.centers.get(code, code), "email": email}
            for code, emails in sorted(selectors.responders().items())
            for email in emails
        ]
        return super().get_context_data(
            **{
                "named": named,
                "responder_form": ResponderForm(centers=list(self.centers.items())),
                **kwargs,
            }
        )

    @cached_property
    def centers(self) -> dict[str, str]:
        """Return the cost centers by code, with their names."""
        return {one.code: f"{one.code}, {one.name}" for one in directory.cost_centers()}

    def form_valid(self, form: PolicyForm) -> HttpResponse:
        services.set_policy(policy=form.to_policy(), actor=self.actor, now=timezone.now())
        messages.success(self.request, "Recorded.")
        return HttpResponseRedirect(reverse("chargeback:answering"))


class NameResponder(Answering):
    """Names a person who answers for a cost center."""

    http_method_names = ["post", "options"]
    scopes: ClassVar[Mapping[str, Scope | None]] = {"POST": Scope.BILLING_WRITE}

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        form = ResponderForm(request.POST, centers=list(self.centers.items()))
        if form.is_valid():
            try:
                services.name_responder(
                    **form.cleaned_data, is_named=True, actor=self.actor, now=timezone.now()
                )
            except Refusal as refusal:
                show_refusal(form, refusal)
            else:
                messages.success(request, f"{form.cleaned_data['email']} may answer from now on.")
                return HttpResponseRedirect(reverse("chargeback:answering"))
        policy = PolicyForm(initial=self.get_initial())
        return self.render_to_response(self.get_context_data(form=policy, responder_form=form))


class RemoveResponder(PageMixin, View):
    """Takes back that somebody answers for a cost center."""

    http_method_names = ["post", "options"]
    scopes: ClassVar[Mapping[str, Scope | None]] = {"POST": Scope.BILLING_WRITE}

    def post(self, request: HttpRequest) -> HttpResponse:
        try:
            services.name_responder(
                cost_center=request.POST.get("cost_center", "").replace("\x00", ""),
                email=request.POST.get("email", "").replace("\x00", ""),
                is_named=False,
                actor=self.actor,
                now=timezone.now(),
            )
        except Refusal as refusal:
            messages.error(request, refusal.message)
        return HttpResponseRedirect(reverse("chargeback:answering"))
