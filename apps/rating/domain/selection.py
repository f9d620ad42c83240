"""Picks the one price that holds for a SKU, a meter and a moment, or none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from apps.catalog.domain.conditions import ONLY_IN, parse_window
from apps.catalog.domain.meters import DEFAULT_LIFETIME, meter_facts
from apps.rating.domain.prices import BEGINNING, FOREVER, PriceRow, SkuKey

_ANY_SUFFIX: Final = "*"


class Stretch(NamedTuple):
    """A half-open stretch of time over which an answer does not change."""

    start: datetime
    end: datetime

    def holds(self, at: datetime) -> bool:
        """Tell whether a moment lies in the stretch."""
        return self.start <= at < self.end


def applicable(rows: Iterable[PriceRow], sku: SkuKey, meter: str) -> tuple[PriceRow, ...]:
    """Return the rows that could price the meter at some time, whatever the moment.

    A row with a tier, batch, region or context condition needs exactly that of the SKU; a row
    without a region holds for all regions, but for use that was bound to one (`geo:us`), which
    needs a price listed for that. Two kinds of rows stand in for a missing one: the default cache
    lifetime for five minutes, and the ordinary tool price in a tier, or a region that use was
    bound to, that is known for the model.
    """
    candidates = tuple(row for row in rows if _tier_fits(row, sku) and _place_fits(row, sku))
    own = _of_meter(candidates, meter)
    stand_in = DEFAULT_LIFETIME.get(meter)
    if stand_in is not None:
        own += _of_meter(candidates, stand_in)
    if not own and candidates and meter_facts(meter).tool:
        ordinary = sku._replace(service_tier="", batch=False, region=_unbound(sku.region))
        return applicable(rows, ordinary, meter) if ordinary != sku else own
    return own


def thresholds(rows: Iterable[PriceRow], sku: SkuKey, at: datetime) -> tuple[int, ...]:
    """Return the context thresholds, in tokens and ascending, that split the SKU at a moment."""
    found = {
        row.conditions.context_gt
        for row in rows
        if row.conditions.context_gt and _tier_fits(row, sku) and _region_fits(row, sku)
        if row.valid_from <= at < row.valid_to
    }
    return tuple(sorted(found))


def stretch_around(rows: Sequence[PriceRow], at: datetime) -> Stretch:
    """Return the longest stretch around a moment in which no row begins, ends, opens or closes."""
    edges = {BEGINNING, FOREVER}
    for row in rows:
        edges.update((row.valid_from, row.valid_to))
        if row.conditions.window:
            edges.update(parse_window(row.conditions.window).edges_around(at))
    return Stretch(
        max((edge for edge in edges if edge <= at), default=BEGINNING),
        min((edge for edge in edges if edge > at), default=FOREVER),
    )


class Breakpoints(NamedTuple):
    """Where prices may change: instants, and context sizes in tokens; both ascending."""

    instants: tuple[datetime, ...]
    contexts: tuple[int, ...]


def breakpoints_of(rows: Sequence[PriceRow], span: Stretch) -> Breakpoints:
    """Return all edges of validity, the edges of daily windows within the span, and thresholds.

    A context is *over* a threshold, so that the first context of a tier is one token more: the
    sizes returned are those first contexts.
    """
    instants = {edge for row in rows for edge in (row.valid_from, row.valid_to)}
    for window in {row.conditions.window for row in rows if row.conditions.window}:
        instants.update(parse_window(window).edges_between(span.start, span.end))
    contexts = {row.conditions.context_gt + 1 for row in rows if row.conditions.context_gt}
    return Breakpoints(
        tuple(sorted(instants - {BEGINNING, FOREVER})),
        tuple(sorted(contexts)),
    )


def choose(rows: Iterable[PriceRow], meter: str, at: datetime) -> PriceRow | None:
    """Return the most specific row in force; None when there is none, or several are equal.

    Contract goes over list; then the meter's own price over its stand-in, a named model over a
    pattern and the longer pattern over the shorter, a region over none, the higher context
    tier, a daily window over none; then a discounted price over its list price, and the more
    specific discount over the other. A discount that cannot be kept exactly prices nothing.
    """
    best = best_of(rows, meter, at)
    if len(best) != 1 or (best[0].applied is not None and not best[0].applied.exact):
        return None
    return best[0]


def best_of(rows: Iterable[PriceRow], meter: str, at: datetime) -> list[PriceRow]:
    """Return the most specific rows in force: one that holds, none, or several that tie."""
    ranked = [(_specificity(row, meter), row) for row in rows if _in_force(row, at)]
    best = max((rank for rank, _ in ranked), default=None)
    return [row for rank, row in ranked if rank == best]


def covers(pattern: str, model: str) -> bool:
    """Tell whether a contract price's model, a code or a prefix with "*", names the model."""
    wanted, name = pattern.lower(), model.lower()
    if wanted.endswith(_ANY_SUFFIX):
        return name.startswith(wanted[:-1])
    return name == wanted


def _tier_fits(row: PriceRow, sku: SkuKey) -> bool:
    wanted = row.conditions
    return (
        not wanted.other and wanted.service_tier == sku.service_tier and wanted.batch == sku.batch
    )


def _region_fits(row: PriceRow, sku: SkuKey) -> bool:
    if not sku.region.startswith(ONLY_IN):
        return row.conditions.region in ("", sku.region)
    is_listed_there = row.applied is None or row.applied.regional
    return row.conditions.region == _unbound(sku.region) and is_listed_there


def _unbound(region: str) -> str:
    return region.removeprefix(ONLY_IN)


def _place_fits(row: PriceRow, sku: SkuKey) -> bool:
    return _region_fits(row, sku) and row.conditions.context_gt <= int(sku.context_tier or 0)


def _of_meter(rows: Iterable[PriceRow], meter: str) -> tuple[PriceRow, ...]:
    return tuple(row for row in rows if row.meter == meter)


def _in_force(row: PriceRow, at: datetime) -> bool:
    if not row.valid_from <= at < row.valid_to:
        return False
    window = row.conditions.window
    return not window or parse_window(window).holds(at)


_Rank = tuple[bool, bool, bool, int, bool, int, bool, tuple[int, ...]]


def _specificity(row: PriceRow, meter: str) -> _Rank:
    pattern, applied = row.model, row.applied
    return (
        row.kind == "contract",
        row.meter == meter,
        not pattern.endswith(_ANY_SUFFIX),
        len(pattern) if row.kind == "contract" else 0,
        bool(row.conditions.region) if applied is None else applied.regional,
        row.conditions.context_gt,
        bool(row.conditions.window),
        () if applied is None else applied.rank,
    )
