"""The page of what has no price: kept, counted, never zero, and in no cost until it has one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.views.generic import TemplateView

from apps.catalog.domain.meters import meter_facts, plural
from apps.core import presentation
from apps.core.domain.access import Scope
from apps.core.domain.months import Month
from apps.core.presentation import UnitPrice
from apps.core.web.exports import list_response
from apps.core.web.lists import Column, DataList, Empty, ListState
from apps.core.web.page import Action, Crumb, Page, Tab
from apps.core.web.parts import Kpi
from apps.core.web.views import PageMixin
from apps.costs import selectors as costs
from apps.ingest.web import links
from apps.ingest.web.asked import today
from apps.periods import selectors as periods
from apps.rating.domain.missing import IN_WORDS, Basis, WorstCase
from apps.tenants import selectors as tenants
from apps.usage import selectors as usage

_READ: Final[dict[str, Scope | None]] = {"GET": Scope.USAGE_READ}
_MONTHS: Final = 6
_COLUMNS: Final = (
    Column(key="model", label="Model", link="events_url"),
    Column(key="provider", label="Provider"),
    Column(key="meter", label="Meter"),
    Column(key="quantity", label="Quantity", kind="quantity"),
    Column(key="unit", label="Unit", wide=True),
    Column(
        key="events",
        label="Events",
        kind="quantity",
        wide=True,
        help="Requests to this model, service tier and context.",
    ),
    Column(key="first_day", label="First used", kind="day", wide=True),
    Column(key="last_day", label="Last used", kind="day", wide=True),
    Column(key="reason", label="Why", wide=True),
    Column(
        key="worst",
        label="At worst",
        kind="money",
        currency_key="currency",
        help="An estimate at the dearest price of its peers. It is shown, and never booked.",
    ),
    Column(key="how", label="How estimated", wide=True),
)


_EXPORTED: Final = frozenset({"unit", "first_day", "how"})
"""Columns of files only: the page that solves a model shows them too."""


@dataclass(frozen=True, slots=True)
class UnpricedRow:
    """A model and meter without a price; the days are not known to those limited to teams."""

    model: str
    events_url: str
    provider: str
    meter: str
    quantity: Decimal
    unit: str
    events: Decimal
    first_day: date | None
    last_day: date | None
    reason: str
    worst: Decimal | None
    currency: str
    how: str
    solve: str
    solve_url: str


def worst_text(worst: WorstCase | None) -> str:
    """Say which price of which peers an estimate rests on."""
    if worst is None:
        return "no price of this meter is known"
    of = {
        Basis.MATCHING: "that match",
        Basis.PROVIDER: f"of {worst.price.provider}",
        Basis.ANY: "of all providers",
    }[worst.basis]
    facts = meter_facts(worst.price.meter)
    unit = UnitPrice(
        worst.price.amount, worst.price.currency, worst.price.unit_size, plural(facts.unit)
    )
    price = presentation.unit_price(unit).replace(presentation.NBSP, " ")
    name = f"{worst.price.provider} {worst.price.model}".strip()
    return f"dearest of {worst.peers:,} prices {of}: {name}, {price}"


class UnpricedPage(PageMixin, TemplateView):
    """Lists the models and meters of a month that have no price."""

    template_name = "ingest/unpriced.html"
    scopes = _READ

    def page(self) -> Page:
        return Page(
            title="Unpriced usage",
            subtitle="Stored in full, and in no cost until it has a price. Once a model is mapped "
            "to a known one, or has a price of its own, every open month is rated again.",
            crumbs=[Crumb("Usage", links.log_url())],
            actions=self._actions(),
        )

    def _actions(self) -> list[Action]:
        found = []
        if self.actor.may(Scope.COSTS_READ):
            found.append(Action(label="Mappings", url=links.meanings_url(), icon="link"))
        if self.actor.may(Scope.PRICES_WRITE):
            found.append(Action(label="Closed months", url=links.corrections_url(), icon="history"))
        return found

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if ListState.of(request).export:
            return list_response(self._list(), filename=f"unpriced-{self.month}")
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(list=self._list(), kpis=self._kpis(), **kwargs)

    @cached_property
    def month(self) -> Month:
        """Return the month of the query string, the present one when it names none."""
        asked = ListState.of(self.request).get("month")
        if asked:
            return Month.parse(asked)
        return min(Month.of(today()), periods.calendar().periods[-1].month)

    def _list(self) -> DataList:
        return DataList(
            key="unpriced",
            caption=f"Usage without a price in {presentation.month(self.month)}",
            columns=self._columns,
            rows=self._rows(),
            state=ListState.of(self.request),
            search="Search a model or provider",
            views=self._months(),
            exports=("csv", "xlsx"),
            empty=Empty(
                title="Everything has its price",
                text=f"No usage of {presentation.month(self.month)} waits for one.",
                icon="circle-check",
            ),
        )

    @property
    def _columns(self) -> tuple[Column, ...]:
        if ListState.of(self.request).export:
            return _COLUMNS
        shown = tuple(column for column in _COLUMNS if column.key not in _EXPORTED)
        if not self.actor.may(Scope.PRICES_WRITE):
            return shown
        return (*shown, Column(key="solve", label="Solve", link="solve_url"))

    def _months(self) -> list[Tab]:
        """Return the last months up to the present one, and the one shown, the newest first."""
        present = Month.of(today())
        known = {each.month for each in periods.calendar().periods}
        months = {present - back for back in range(_MONTHS)} | {self.month}
        state = ListState.of(self.request)
        return [
            Tab(
                label=presentation.month(month),
                url=state.url(month=str(month)),
                active=month == self.month,
            )
            for month in sorted(months & known, reverse=True)
        ]

    @cached_property
    def _queue(self) -> list[usage.QueueRow]:
        return usage.unpriced_queue(
            month=self.month, actor=self.actor, declared=costs.declared_feeds()
        )

    def _rows(self) -> list[UnpricedRow]:
        words = ListState.of(self.request).get("q").lower()
        rows = [_row(row) for row in self._queue]
        return [row for row in rows if words in f"{row.provider} {row.model}".lower()]

    def _kpis(self) -> list[Kpi]:
        if not self._queue:
            return []
        known = [row for row in self._queue if row.worst is not None]
        blind = len(self._queue) - len(known)
        currency = tenants.current().currency
        models = {(row.sku.provider, row.sku.model) for row in self._queue}
        return [
            Kpi(label="Models without a price", value=Decimal(len(models)), kind="quantity"),
            Kpi(
                label="At worst together",
                value=usage.worst_of(known) if known else None,
                currency=currency,
                note=f"without {blind} meters that have no peer with a price"
                if blind
                else "an estimate, in no cost",
            ),
        ]


def _row(row: usage.QueueRow) -> UnpricedRow:
    facts = meter_facts(row.meter)
    provider, model = row.sku.provider, row.sku.model
    mark = row.sku._replace(provider="", model="").label.strip(" ,")
    return UnpricedRow(
        model=f"{model}, {mark}" if mark else model,
        events_url=links.log_url(
            unpriced="yes", provider=provider, model=model, period=str(row.month)
        ),
        provider=provider,
        meter=facts.label,
        quantity=row.quantity,
        unit=plural(facts.unit),
        events=row.events,
        first_day=row.first_day,
        last_day=row.last_day,
        reason=IN_WORDS[row.reason],
        worst=None if row.worst is None else row.worst.amount,
        currency=tenants.current().currency,
        how=worst_text(row.worst),
        solve="Solve",
        solve_url=links.solve_url(provider=provider, model=model),
    )
