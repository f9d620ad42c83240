"""What finance looks at: commitments, exceptions; and who stands in for whom."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.generic import FormView, TemplateView, View

from apps.core.domain.access import Scope
from apps.core.domain.errors import Refusal
from apps.core.domain.months import local_day
from apps.core.web.exports import list_response
from apps.core.web.lists import Column, DataList, Empty, ListState
from apps.core.web.page import Page
from apps.core.web.parts import Kpi
from apps.core.web.views import PageMixin
from apps.experiments import selectors, services
from apps.experiments.web.forms import AwayForm, show_refusal
from apps.experiments.web.shared import READ, approval_tabs, page_of, spender
from apps.tenants import selectors as tenants

_AWAY = {"GET": Scope.APPROVALS_DECIDE, "POST": Scope.APPROVALS_DECIDE}


class Commitments(PageMixin, TemplateView):
    """Shows money that is approved and not yet spent."""

    template_name = "experiments/commitments.html"
    scopes = READ

    def page(self) -> Page:
        return Page(
            title="Commitments",
            subtitle="Approved for experiments and not yet spent: plan with it.",
            tabs=approval_tabs("commitments", self.actor),
        )

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        found = selectors.commitments(actor=self.actor)
        shown = self._list(found)
        if shown.state.export:
            return list_response(shown, filename="commitments")
        return self.render_to_response(
            self.get_context_data(list=shown, kpis=_kpis(found), **kwargs)
        )

    def _list(self, found: list[selectors.Commitment]) -> DataList:
        state = ListState.of(self.request)
        currency = tenants.current().currency
        sums = ("amount", "spent", "held", "open")
        rows = [_commitment(one) for one in found]
        return DataList(
            key="commitments",
            caption="Commitments",
            columns=(
                Column(key="title", label="Experiment", link="url"),
                Column(key="code", label="Tag", kind="code", wide=True),
                Column(key="team", label="Team", kind="owner"),
                *(
                    Column(key=key, label=label, kind="money", currency=currency)
                    for key, label in zip(
                        sums, ("Approved", "Spent", "Held", "Committed"), strict=True
                    )
                ),
                spender(state),
                Column(key="ends_on", label="Until", kind="day"),
            ),
            rows=rows,
            state=state,
            totals={key: sum((row[key] for row in rows), Decimal(0)) for key in sums},
            exports=("csv", "xlsx"),
            empty=Empty(
                title="Nothing is committed",
                text="Approved experiments appear here until they end.",
                icon="wallet",
            ),
        )


class Exceptions(PageMixin, TemplateView):
    """Shows what is overspent, late, stuck, unused or revoked."""

    template_name = "experiments/exceptions.html"
    scopes = READ

    def page(self) -> Page:
        return Page(
            title="Exceptions",
            subtitle="Experiments that went another way than they were approved.",
            tabs=approval_tabs("exceptions", self.actor),
        )

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        shown = self._list()
        if shown.state.export:
            return list_response(shown, filename="experiment-exceptions")
        return self.render_to_response(self.get_context_data(list=shown, **kwargs))

    def _list(self) -> DataList:
        found = selectors.irregularities(actor=self.actor, now=timezone.now())
        return DataList(
            key="exceptions",
            caption="Exceptions",
            columns=(
                Column(key="title", label="Experiment", link="url"),
                Column(key="kind", label="What", kind="badge"),
                Column(key="text", label="Why"),
                Column(key="team", label="Team", kind="owner"),
                Column(
                    key="amount", label="Amount", kind="money", currency=tenants.current().currency
                ),
            ),
            rows=[
                {
                    "title": f"{one.request.code} {one.request.title}",
                    "kind": one.kind,
                    "text": one.text,
                    "team": one.request.team,
                    "amount": one.amount,
                    "url": page_of(one.id),
                }
                for one in found
            ],
            state=ListState.of(self.request),
            exports=("csv", "xlsx"),
            empty=Empty(
                title="No exceptions",
                text="Nothing is overspent, late, stuck or about to lapse unused.",
                icon="circle-check",
            ),
        )


class Away(PageMixin, FormView):  # type: ignore[type-arg]
    """Shows who stands in for whom, and lets an approver name somebody."""

    template_name = "experiments/away.html"
    form_class = AwayForm
    scopes = _AWAY

    def page(self) -> Page:
        return Page(
            title="Stand-ins",
            subtitle="While you are away somebody decides in your place; the record names both.",
            tabs=approval_tabs("away", self.actor),
        )

    def get_form_kwargs(self) -> dict[str, Any]:
        on = local_day(timezone.now(), tenants.current().timezone)
        people = [
            (one.email, f"{one.name} ({one.email})" if one.name else one.email)
            for one in selectors.deciders(on=on)
            if one.id != self.actor.user_id
        ]
        return {**super().get_form_kwargs(), "people": people}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        everybody = self.actor.may(Scope.ADMIN)
        person = None if everybody else self.actor.user_id
        found = selectors.delegations(person=person)
        return super().get_context_data(
            delegations=[(one, one.absent == self.actor.user_id or everybody) for one in found],
            **kwargs,
        )

    def form_valid(self, form: Any) -> HttpResponse:
        draft = services.DelegationDraft(absent=self.actor.label, **form.cleaned_data)
        try:
            services.delegate(draft=draft, actor=self.actor, now=timezone.now())
        except Refusal as refusal:
            show_refusal(form, refusal)
            return self.form_invalid(form)
        messages.success(self.request, f"{draft.delegate} decides in your place on these days.")
        return HttpResponseRedirect(reverse("experiments:away"))


class EndAway(PageMixin, View):
    """Ends a stand-in."""

    scopes = {"POST": Scope.APPROVALS_DECIDE}

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            services.end_delegation(id=kwargs["delegation"], actor=self.actor, now=timezone.now())
            messages.success(request, "It is ended.")
        except Refusal as refusal:
            messages.error(request, refusal.message)
        return HttpResponseRedirect(reverse("experiments:away"))


def _kpis(found: list[selectors.Commitment]) -> list[Kpi]:
    currency = tenants.current().currency
    zero = Decimal(0)
    return [
        Kpi(
            label="Committed",
            value=sum((one.open for one in found), zero),
            currency=currency,
            help="Approved and not yet spent.",
        ),
        Kpi(
            label="Spent of it so far",
            value=sum((one.standing.spent for one in found), zero),
            currency=currency,
        ),
        Kpi(label="Experiments with money", value=len(found), kind="quantity"),
        Kpi(
            label="Overspent",
            value=sum((one.over for one in found), zero),
            currency=currency,
            help="Above what was approved; only soft limits let it come to that.",
        ),
    ]


def _commitment(one: selectors.Commitment) -> dict[str, Any]:
    request = one.request
    return {
        "title": request.title,
        "code": request.code,
        "team": request.team,
        "owner": request.owner,
        "who": request.owner.partition("@")[0],
        "amount": one.standing.amount,
        "spent": one.standing.spent,
        "held": one.standing.held,
        "open": one.open,
        "ends_on": one.standing.ends_on,
        "url": page_of(request.id),
    }
