"""The page of what has no price: kept, counted, never zero, and in no cost until it has one."""

from __future__ import annotations

from collections.abc import Iterator
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
from apps.core.web.exports import list_response
from apps.core.web.lists import Column, DataList, Empty, ListState
from apps.core.web.page import Crumb, Page, Tab
from apps.core.web.views import PageMixin
from apps.ingest.web import links
from apps.ingest.web.asked import today
from apps.periods import selectors as periods
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
        help="Requests to this model, service tier and context.",
    ),
    Column(key="first_day", label="First used", kind="day", wide=True),
    Column(key="last_day", label="Last used", kind="day", wide=True),
)


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
    price: str
    price_url: str


class UnpricedPage(PageMixin, TemplateView):
    """Lists the models and meters of a month that have no price."""

    template_name = "ingest/list.html"
    scopes = _READ

    def page(self) -> Page:
        return Page(
            title="Unpriced usage",
            subtitle="Stored in full, and in no cost until it has a price. A contract price that "
            "begins before the first day takes effect at once, in every month that is open.",
            crumbs=[Crumb("Usage", links.log_url())],
        )

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if ListState.of(request).export:
            return list_response(self._list(), filename=f"unpriced-{self.month}")
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(list=self._list(), **kwargs)

    @cached_property
    def month(self) -> Month:
        """Return the month of the query string, the present one when it names none."""
        asked = ListState.of(self.request).get("month")
        return Month.parse(asked) if asked else Month.of(today())

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
        if not self.actor.may(Scope.PRICES_WRITE) or ListState.of(self.request).export:
            return _COLUMNS
        return (*_COLUMNS, Column(key="price", label="Price", link="price_url"))

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

    def _rows(self) -> list[UnpricedRow]:
        words = ListState.of(self.request).get("q").lower()
        return [row for row in self._all() if words in f"{row.provider} {row.model}".lower()]

    def _all(self) -> Iterator[UnpricedRow]:
        limited = self.actor.teams is not None or bool(self.actor.bound_tags)
        return self._of_teams() if limited else self._of_all()

    def _of_all(self) -> Iterator[UnpricedRow]:
        for one in usage.unpriced(month=self.month):
            days = (one.first_day, one.last_day)
            names = (one.sku.provider, one.sku.model, one.meter)
            marks = one.sku.label.split(" ", 1)[1:]
            yield self._row(names, one.quantity, one.events, days, mark="".join(marks))

    def _of_teams(self) -> Iterator[UnpricedRow]:
        """Yield what of the person's teams, by days of use, has no price."""
        found = usage.summary(
            start=self.month.first_day,
            end=(self.month + 1).first_day,
            group_by=(),
            filters={},
            granularity="total",
            actor=self.actor,
        )
        for one in found.unpriced:
            names = (one.provider, one.model, one.meter)
            yield self._row(names, one.quantity, Decimal(one.events), (None, None), mark="")

    def _row(
        self,
        names: tuple[str, str, str],
        quantity: Decimal,
        events: Decimal,
        days: tuple[date | None, date | None],
        *,
        mark: str,
    ) -> UnpricedRow:
        provider, model, meter = names
        return UnpricedRow(
            model=f"{model}, {mark}" if mark else model,
            events_url=links.log_url(
                unpriced="yes", provider=provider, model=model, period=str(self.month)
            ),
            provider=provider,
            meter=meter_facts(meter).label,
            quantity=quantity,
            unit=plural(meter_facts(meter).unit),
            events=events,
            first_day=days[0],
            last_day=days[1],
            price="Add a price",
            price_url=links.price_url(provider=provider, model=model, meter=meter),
        )
