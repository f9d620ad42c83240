"""The pages above a single statement: months, the statements of a month, the terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from decimal import Decimal
from functools import cached_property
from typing import Any, ClassVar

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.generic import FormView, TemplateView

from apps.chargeback import selectors, services
from apps.chargeback.selectors import StatementFacts
from apps.chargeback.web.forms import TermsForm
from apps.chargeback.web.links import HOME, READ, month_of, month_tabs
from apps.chargeback.web.lists import months_list, statements_list
from apps.core import presentation
from apps.core.domain.access import Scope
from apps.core.domain.months import Month
from apps.core.web.exports import list_response
from apps.core.web.lists import DataList, ListState
from apps.core.web.page import Action, Crumb, Fact, Page
from apps.core.web.parts import Kpi
from apps.core.web.views import PageMixin
from apps.costs.domain.sight import sees_everything


class ListPage(PageMixin, TemplateView):
    """A page that is a list; `?format=` downloads exactly what is shown."""

    filename = "statements"
    scopes: ClassVar[Mapping[str, Scope | None]] = READ

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if self.state.export:
            return list_response(self.shown(), filename=self.filename)
        return super().get(request, *args, **kwargs)

    @property
    def state(self) -> ListState:
        """Return the list's state from the query string."""
        return ListState.of(self.request)

    def shown(self) -> DataList:
        """Return the list."""
        raise NotImplementedError

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(list=self.shown(), **kwargs)


class Months(ListPage):
    """Lists the months that have statements."""

    template_name = "chargeback/months.html"

    def page(self) -> Page:
        return Page(
            title=HOME,
            subtitle="What each cost center is charged for a month, line by line. Together the "
            "statements of a month carry its whole cost.",
            actions=self._actions(),
        )

    def _actions(self) -> list[Action]:
        found = []
        if self.actor.may(Scope.BILLING_READ):
            url = reverse("chargeback:acceptances")
            found.append(Action(label="Acceptance", url=url, icon="user-check"))
        if self.actor.may(Scope.BILLING_WRITE):
            found.append(Action(label="Terms", url=reverse("chargeback:terms"), icon="settings"))
        return found

    def shown(self) -> DataList:
        return months_list(selectors.months(actor=self.actor), self.state)


class MonthStatements(ListPage):
    """Lists the statements of one month."""

    template_name = "chargeback/month.html"

    @cached_property
    def found(self) -> list[StatementFacts]:
        """Return the month's statements, as far as the actor sees them."""
        found = selectors.statements(month=self.month, actor=self.actor)
        if not found:
            raise selectors.StatementMissing(
                f"There are no statements of {self.month} that you may see."
            )
        return found

    @property
    def month(self) -> Month:
        """Return the month of the address."""
        return month_of(self.kwargs["month"])

    @property
    def filename(self) -> str:  # type: ignore[override]
        """Name the download after the month."""
        return f"statements-{self.month}"

    def page(self) -> Page:
        issued = all(one.state == "sealed" for one in self.found)
        title = presentation.month(self.month)
        return Page(
            title=f"Statements of {title}",
            crumbs=[Crumb(HOME, "/statements/")],
            status="issued" if issued else "draft",
            facts=[
                Fact("Statements", presentation.number(len(self.found))),
                Fact("Allocation run", str(self.found[0].run)[:8], help=str(self.found[0].run)),
            ],
            tabs=month_tabs(self.month, "month") if sees_everything(self.actor) else [],
        )

    def shown(self) -> DataList:
        return statements_list(self.found, self.state)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(kpis=_month_kpis(self.found), **kwargs)


def _month_kpis(found: list[StatementFacts]) -> list[Kpi]:
    currency = found[0].currency
    against = presentation.month(found[0].month - 1)
    compared = [one.previous for one in found if one.previous is not None]
    previous = sum(compared, Decimal(0)) if compared else None
    sums = {
        name: sum((one.sections[name] for one in found), Decimal(0))
        for name in ("direct", "shared")
    }
    unowned = sum((one.total for one in found if one.cost_center == "UNALLOCATED"), Decimal(0))
    total = sum((one.total for one in found), Decimal(0))
    return [
        Kpi(label="Charged", value=total, currency=currency, previous=previous, against=against),
        Kpi(label="Direct usage", value=sums["direct"], currency=currency),
        Kpi(label="Shared cost", value=sums["shared"], currency=currency),
        Kpi(
            label="Unallocated",
            value=unowned,
            currency=currency,
            help="Cost that nobody owns; it has a statement of its own.",
        ),
    ]


class TermsPage(PageMixin, FormView):  # type: ignore[type-arg]
    """Sets whom readers ask, for how long, and which account is credited."""

    template_name = "chargeback/terms.html"
    form_class = TermsForm
    scopes: ClassVar[Mapping[str, Scope | None]] = {
        "GET": Scope.BILLING_WRITE,
        "POST": Scope.BILLING_WRITE,
    }

    def page(self) -> Page:
        return Page(
            title="Terms of statements",
            subtitle="They are printed on statements drafted from now on; issued statements keep "
            "theirs.",
            crumbs=[Crumb(HOME, reverse("chargeback:months"))],
        )

    def get_initial(self) -> dict[str, Any]:
        return asdict(selectors.terms(self.actor))

    def form_valid(self, form: TermsForm) -> HttpResponse:
        services.set_terms(terms=form.to_terms(), actor=self.actor, now=timezone.now())
        messages.success(self.request, "The terms hold for statements drafted from now on.")
        return HttpResponseRedirect(reverse("chargeback:months"))
