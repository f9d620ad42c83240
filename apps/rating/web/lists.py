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
from apps.core.domain.money import EXACT
from apps.core.presentation import UnitPrice
from apps.core.web.charts import Chart, Frame, Series, trend
from apps.core.web.lists import Column
from apps.rating.domain.prices import BEGINNING, FOREVER
from apps.rating.domain.prices import PriceRow as BookRow
from apps.rating.selectors import PriceBook, PriceFacts, SkuKey, Use, explain
from apps.rating.web.tabs import exact_percent

_ALL: Final = {
    column.key: column
    for column in (
        Column(key="model", label="Model", link="url"),
        Column(key="provider", label="Provider"),
        Column(key="meter", label="Meter"),
        Column(key="price", label="Price", kind="unit_price"),
        Column(key="kind", label="Kind", kind="badge"),
        Column(key="conditions", label="Conditions"),
        Column(key="state", label="State", kind="badge"),
        Column(key="validity", label="Validity", wide=True),
        Column(key="source", label="Source", wide=True),
    )
}
COLUMNS: Final = [column for key, column in _ALL.items() if key != "state"]
MODEL_COLUMNS: Final = [
    column for key, column in _ALL.items() if key not in {"model", "provider", "source"}
]
_SERIES: Final = 7
_INSTANT: Final = timedelta(microseconds=1)

_Axis = tuple[int, str, str]
"""Unit size, currency and unit of what a chart compares."""


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
        source=price.note or presentation.price_source(price.source),
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


def history_chart(prices: Sequence[PriceFacts], *, book: PriceBook, now: datetime) -> Chart | None:
    """Draw how the ordinary prices per unit changed, list beside yours; None when they never did.

    Prices of the most frequent unit and currency only, so that one axis has one unit. What is
    yours is what the book takes, discounts and committed levels too.
    """
    ordinary = [price for price in prices if price.conditions == ORDINARY]
    if not ordinary:
        return None
    axis = _most_frequent(ordinary)
    shown = [price for price in ordinary if _axis(price) == axis]
    sku = SkuKey(shown[0].provider, _model_of(shown))
    moments = _moments(book, sku)
    if not moments:
        return None
    unit_size, currency, unit = axis
    frame = Frame(
        key="price-history",
        title=_finding(moments),
        unit=f"{currency} per {unit_in_words(unit_size=unit_size, unit=unit)}",
        note="Ordinary requests; each price holds from its day on. Yours is a contract price, or "
        "the list price less a discount.",
    )
    points = [moments[0] - _INSTANT, *moments, *([now] if now > moments[-1] else [])]
    categories = ["before", *(presentation.day(at) for at in moments)]
    if now > moments[-1]:
        categories.append("today")
    series = [
        line
        for meter in dict.fromkeys(price.meter for price in shown)
        for line in _series(meter, shown, points, (book, sku, axis))
    ]
    return trend(frame, categories=categories, series=series[:_SERIES], kind="steps")


def _series(
    meter: str,
    prices: Sequence[PriceFacts],
    points: Sequence[datetime],
    yours: tuple[PriceBook, SkuKey, _Axis],
) -> list[Series]:
    """Return the list price of a meter, and what is paid where that is another."""
    label = meter_facts(meter).label.removesuffix(" tokens")
    listed = [price for price in prices if price.kind == "list"]
    found = [Series(f"{label}, list", [_at(listed, meter, at) for at in points])]
    book, sku, axis = yours
    own = [_yours(book, sku, meter, at, axis) for at in points]
    if any(amount is not None for amount in own):
        found.append(Series(f"{label}, yours", own))
    return [line for line in found if any(value is not None for value in line.values)]


def _yours(book: PriceBook, sku: SkuKey, meter: str, at: datetime, axis: _Axis) -> Decimal | None:
    """Return what is paid for the axis' unit where it is not the list price."""
    quote = book.quote(sku=sku, meter=meter, at=at)
    unit_size, currency, _ = axis
    if quote is None or quote.row.kind == "list" or quote.currency != currency:
        return None
    return EXACT.divide(EXACT.multiply(quote.amount, Decimal(unit_size)), Decimal(quote.unit_size))


def _moments(book: PriceBook, sku: SkuKey) -> list[datetime]:
    """Return when ordinary prices of a model begin and end, in order."""
    rows = [row for row in book.rows(sku=sku) if row.conditions == ORDINARY]
    edges = {edge for row in rows for edge in (row.valid_from, row.valid_to)}
    return sorted(edges - {BEGINNING, FOREVER})


def _model_of(prices: Sequence[PriceFacts]) -> str:
    names = [price.model for price in prices if price.kind == "list"]
    return names[0] if names else prices[0].model


@dataclass(frozen=True, slots=True)
class Charged:
    """What a meter of a model costs now, by the book; `beneath` is the list price it goes over."""

    meter: str
    price: UnitPrice | None
    kind: str
    source: str
    url: str
    beneath: UnitPrice | None
    why: str


def charged(book: PriceBook, *, provider: str, model: str, now: datetime) -> list[Charged]:
    """Return what an ordinary request pays for each meter that a model has prices for."""
    sku = SkuKey(provider, model)
    meters = dict.fromkeys(row.meter for row in book.rows(sku=sku) if not row.conditions.other)
    found = (_charged(book, provider, model, meter, now) for meter in sorted(meters))
    return [each for each in found if each.price is not None or each.why]


def _charged(book: PriceBook, provider: str, model: str, meter: str, now: datetime) -> Charged:
    use = Use(provider=provider, model=model, meter=meter, at=now)
    found = explain(use=use, book=book)
    listed = next((row for row in found.beneath if row.kind == "list"), None)
    price = found.price
    return Charged(
        meter=meter_facts(meter).label,
        price=None if price is None else _unit_price(price),
        kind="" if price is None else price.kind,
        source="" if price is None else _said(price),
        url="" if price is None else _url_of_source(price),
        beneath=None if listed is None else _unit_price(listed),
        why=(found.why_unpriced or "") if found.rivals else "",
    )


def _said(row: BookRow) -> str:
    """Say where a price comes from, without the numbers that only programs read."""
    kind = _term(row)[0]
    if row.applied is not None:
        share = exact_percent(row.applied.percent)
        by = "a commitment" if kind == "commitment" else "a discount"
        return f"{share} off list, by {by}"
    names = {"contract": "contract", "commitment": "a commitment's level"}
    return (
        "derived from a cost model"
        if row.source.startswith("derived")
        else names.get(kind, row.source)
    )


def _url_of_source(row: BookRow) -> str:
    """Return the page of the term behind a price; empty for a list price."""
    kind, number = _term(row)
    pages = {"contract": "rating:contract_price", "discount": "rating:discount"}
    if kind == "commitment":
        return f"{reverse('rating:commitments')}{number}/"
    return reverse(pages[kind], args=[number]) if kind in pages else ""


def _term(row: BookRow) -> tuple[str, str]:
    """Return kind and public id of the term that the book names as a price's source."""
    name = row.source if row.applied is None else row.applied.name
    words = name.removeprefix("derived, ").split()
    return (words[0], words[1]) if len(words) > 1 else (name, "")


def _unit_price(row: BookRow) -> UnitPrice:
    unit = plural(meter_facts(row.meter).unit)
    return UnitPrice(row.amount, row.currency, row.unit_size, unit)


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
    """Return a meter's price at a moment."""
    found = (price.amount for price in prices if price.meter == meter and price.holds(at))
    return next(found, None)


def _axis(price: PriceFacts) -> _Axis:
    return (price.unit_size, price.currency, price.unit)


def _most_frequent(prices: Sequence[PriceFacts]) -> _Axis:
    axes = [_axis(price) for price in prices]
    return max(dict.fromkeys(axes), key=axes.count)
