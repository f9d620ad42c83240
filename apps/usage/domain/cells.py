"""Sums events into rollup cells: quantities first, one multiplication a cell (rating is linear)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import NamedTuple, Protocol

from apps.core.domain.money import EXACT
from apps.usage.domain.normalize import REQUESTS, Quantities
from apps.usage.domain.timeline import Rate, Span, unit_rate

Sums = dict[tuple[Span, int], Quantities]
"""Quantities by span and tag set, `requests` among them."""


class Cell(NamedTuple):
    """One rollup row of an accounting month, its fields in the order in which rows are locked."""

    tag_set: int
    day: date
    utc_day: date
    sku: int
    meter: str
    price: int
    quantity: int | Decimal
    cost: Decimal | None
    currency: str


def add(sums: Sums, span: Span, tag_set: int, quantities: Quantities, sign: int = 1) -> None:
    """Add one event to the sums."""
    key = (span, tag_set)
    cell = sums.get(key)
    if cell is None:
        cell = sums[key] = {REQUESTS: 0}
    cell[REQUESTS] += sign
    for meter, quantity in quantities.items():
        cell[meter] = cell.get(meter, 0) + (quantity if sign > 0 else -quantity)


class Countable(Protocol):
    """An event as far as sums need it."""

    span: Span
    tag_set: int
    quantities: Quantities


def sum_up(sums: Sums, events: Iterable[tuple[int, Countable]]) -> None:
    """Add new events, which come with their keys, to the sums; a hot loop."""
    for _, event in events:
        key = (event.span, event.tag_set)
        cell = sums.get(key)
        if cell is None:
            sums[key] = {**event.quantities, REQUESTS: 1}
            continue
        cell[REQUESTS] += 1
        for meter, quantity in event.quantities.items():
            if meter in cell:
                cell[meter] += quantity
            else:
                cell[meter] = quantity


def cells_of(sums: Mapping[tuple[Span, int], Quantities]) -> list[Cell]:
    """Return the cells of the sums, each once and in the order of locks.

    Every span must know the rates of its meters. Cells that come to zero are kept out.
    """
    families = {span: span.family for span, _ in sums}
    if len(set(families.values())) == len(families):
        return _cells_of_lone_spans(sums, families)
    return _cells_of_shared_families(sums)


def _cells_of_lone_spans(
    sums: Mapping[tuple[Span, int], Quantities], families: Mapping[Span, tuple[date, date, int]]
) -> list[Cell]:
    ordered = sorted(
        (tag_set, families[span], span, quantities) for (span, tag_set), quantities in sums.items()
    )
    cells: list[Cell] = []
    priced: dict[tuple[Span, str], tuple[Rate, Decimal | None]] = {}
    for tag_set, (day, utc_day, sku), span, quantities in ordered:
        for meter in sorted(quantities):
            quantity = quantities[meter]
            if not quantity:
                continue
            found = priced.get((span, meter))
            if found is None:
                rate = span.rates[meter]
                found = priced[span, meter] = (rate, unit_rate(rate))
            rate, single = found
            cells.append(
                Cell(
                    tag_set,
                    day,
                    utc_day,
                    sku,
                    meter,
                    rate.price,
                    quantity,
                    _cost(rate, single, quantity),
                    rate.currency,
                )
            )
    return cells


def _cells_of_shared_families(sums: Mapping[tuple[Span, int], Quantities]) -> list[Cell]:
    totals: defaultdict[tuple[int, date, date, int, str, int], int | Decimal] = defaultdict(int)
    rates: dict[int, Rate] = {}
    for (span, tag_set), quantities in sums.items():
        for meter, quantity in quantities.items():
            rate = span.rates[meter]
            rates[rate.price] = rate
            totals[tag_set, span.day, span.utc_day, span.sku, meter, rate.price] += quantity
    return [
        Cell(*key, quantity, _cost(rates[key[-1]], None, quantity), rates[key[-1]].currency)
        for key, quantity in sorted(totals.items())
        if quantity
    ]


def _cost(rate: Rate, single: Decimal | None, quantity: int | Decimal) -> Decimal | None:
    if rate.price == 0:
        return None
    if single is not None and isinstance(quantity, int):
        return EXACT.multiply(Decimal(quantity), single)
    return rate.cost(quantity)


def merge(cells: Iterable[Cell]) -> list[Cell]:
    """Return the cells summed by key, in the order of locks; those that come to zero left out."""
    summed: dict[tuple[int, date, date, int, str, int], Cell] = {}
    for cell in cells:
        known = summed.get(cell[:6])
        summed[cell[:6]] = cell if known is None else _sum(known, cell)
    return [summed[key] for key in sorted(summed) if summed[key].quantity]


def _sum(one: Cell, other: Cell) -> Cell:
    cost = None
    if one.cost is not None and other.cost is not None:
        cost = EXACT.add(one.cost, other.cost)
    return one._replace(quantity=one.quantity + other.quantity, cost=cost)
