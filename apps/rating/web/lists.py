"""Prices as rows of a list, and the history of a model's prices as a chart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from django.urls import reverse

from apps.catalog.domain.conditions import ORDINARY
from apps.catalog.domain.meters import meter_facts, plural, unit_in_words
from apps.core import presentation
from apps.core.presentation import UnitPrice
from apps.core.web.charts import Chart, Frame, Series, trend
from apps.core.web.lists import Column
from apps.rating.selectors import PriceFacts

_ALL: Final = {
    column.key: column
    for column in (
        Column(key="model", label="Model", link="url"),
        Column(key="provider", label="Provider"),
        Column(key="meter", label="Meter"),
        Column(key="price", label="Price", kind="unit_price"),
        Column(key="kind", label="Kind", kind="badge"),
        Column(key="conditions", label="Conditions", wide=True),
        Column(key="state", label="State", kind="badge"),
        Column(key="validity", label="Validity", wide=True),
        Column(key="source", label="Source", wide=True),
    )
}
COLUMNS: Final = [column for key, column in _ALL.items() if key != "state"]
MODEL_COLUMNS: Final = [
    column for key, column in _ALL.items() if key not in {"model", "provider", "source"}
]
_SERIES: Final = 6
_INSTANT: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class PriceRow:
    """A price as a list shows it."""

    model: str
    url: str
    provider: str
    meter: str
    price: UnitPrice
    kind: str
    conditions: str
    state: str
    validity: str
    source: str


def row_of(price: PriceFacts, *, now: datetime) -> PriceRow:
    """Return the row of a price."""
    return PriceRow(
        model=price.model,
        url=url_of(price),
        provider=price.provider,
        meter=meter_facts(price.meter).label,
        price=unit_price_of(price),
        kind=kind_of(price),
        conditions=conditions_of(price),
        state=_state(price, now),
        validity=_validity(price),
        source=price.note or price.source,
    )


def unit_price_of(price: PriceFacts) -> UnitPrice:
    """Return a price with its unit, as figures are shown."""
    return UnitPrice(price.amount, price.currency, price.unit_size, plural(price.unit))


def kind_of(price: PriceFacts) -> str:
    """Say where a price comes from, and when it is not what usage is charged by."""
    if price.superseded_by is not None:
        return "list, superseded"
    return price.kind if price.adopted else f"{price.kind}, pending"


def conditions_of(price: PriceFacts) -> str:
    """Say under which conditions a price holds."""
    return price.conditions.in_words() or "standard requests"


def url_of(price: PriceFacts) -> str:
    """Return the page of a contract price, or of a list price's model."""
    if price.public_id is not None:
        return reverse("rating:contract_price", args=[price.public_id])
    return reverse("rating:model", args=[price.provider, price.model])


def history_chart(prices: Sequence[PriceFacts], *, now: datetime) -> Chart | None:
    """Draw how the ordinary prices per unit changed; None when they never did.

    Prices of the most frequent unit and currency only, so that one axis has one unit.
    """
    ordinary = [price for price in prices if price.conditions == ORDINARY]
    if not ordinary:
        return None
    axis = _most_frequent(ordinary)
    shown = [price for price in ordinary if _axis(price) == axis]
    moments = sorted(
        {at for price in shown for at in (price.valid_from, price.valid_to) if at is not None}
    )
    if not moments:
        return None
    unit_size, currency, unit = axis
    frame = Frame(
        key="price-history",
        title=_finding(moments),
        unit=f"{currency} per {unit_in_words(unit_size=unit_size, unit=unit)}",
        note="Ordinary requests, from each change on; a contract price goes over the list price.",
    )
    points = [point for at in moments for point in (at - _INSTANT, at)]
    categories = [
        word
        for at in moments
        for word in (f"until {presentation.day(at)}", f"from {presentation.day(at)}")
    ]
    if now > moments[-1]:
        points.append(now)
        categories.append("today")
    meters = list(dict.fromkeys(price.meter for price in shown))[:_SERIES]
    series = [
        Series(meter_facts(meter).label, [_at(shown, meter, at) for at in points])
        for meter in meters
    ]
    return trend(frame, categories=categories, series=series, kind="line")


def _finding(moments: Sequence[datetime]) -> str:
    last = presentation.day(moments[-1])
    if len(moments) == 1:
        return f"Prices changed once, on {last}"
    return f"Prices changed {len(moments)} times, last on {last}"


def _state(price: PriceFacts, now: datetime) -> str:
    if price.holds(now):
        return "current"
    return "future" if price.valid_from is not None and price.valid_from > now else "past"


def _validity(price: PriceFacts) -> str:
    start, end = (
        None if at is None else presentation.moment(at) for at in (price.valid_from, price.valid_to)
    )
    if start and end:
        return f"{start} to {end}"
    return f"from {start}" if start else f"until {end}" if end else "always"


def _at(prices: Iterable[PriceFacts], meter: str, at: datetime) -> Decimal | None:
    """Return a meter's price at a moment; contract over list."""
    for kind in ("contract", "list"):
        for price in prices:
            if (price.kind, price.meter) == (kind, meter) and price.holds(at):
                return price.amount
    return None


def _axis(price: PriceFacts) -> tuple[int, str, str]:
    return (price.unit_size, price.currency, price.unit)


def _most_frequent(prices: Sequence[PriceFacts]) -> tuple[int, str, str]:
    axes = [_axis(price) for price in prices]
    return max(dict.fromkeys(axes), key=axes.count)
