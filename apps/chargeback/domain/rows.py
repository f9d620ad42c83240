"""Groups the lines of a run into the rows that a statement prints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Final

from apps.chargeback.domain.facts import ChargeLine, Kind, PriceFacts
from apps.chargeback.domain.rounding import ROUNDING_KEY, exact_sum, over_rows
from apps.core.domain.canonical import plain_decimal
from apps.core.domain.money import EXACT

ACCRUED: Final = "accrued"
_CORRECTS: Final = {
    "metered": "late_usage",
    ACCRUED: "late_usage",
    "billed": "late_bill",
    "true_up": "true_up",
    "reversed": "taken_back",
}


class Section(StrEnum):
    """Where a row stands in the statement."""

    DIRECT = "direct"
    SHARED = "shared"
    MARKUP = "markup"
    CORRECTION = "correction"
    ADJUSTMENT = "adjustment"
    ROUNDING = "rounding"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One printed row: exact amounts at 1e-12, `amount` in the minor unit.

    `pool_total` is what all cost centers together carry of the same pool.
    """

    key: str
    section: Section
    exact: Decimal
    billed: Decimal
    amount: Decimal = Decimal(0)
    sample: ChargeLine | None = None
    quantity: Decimal | None = None
    pool_total: Decimal | None = None
    sources: int = 0


def rows_of(
    *, lines: Iterable[ChargeLine], pools: Mapping[str, Decimal], total: Decimal, currency: str
) -> list[Row]:
    """Group lines into rows whose amounts sum to `total`, rounding row included.

    Direct rows are grouped by product, meter and price; shared ones by pool, receiver and
    driver. Rows come ordered by section and key, so equal input gives equal output.
    """
    groups: dict[str, list[ChargeLine]] = {}
    for line in lines:
        groups.setdefault(key_of(line), []).append(line)
    rows = [_row(key, group, pools) for key, group in groups.items()]
    amounts = over_rows({row.key: row.exact for row in rows}, total, currency)
    if ROUNDING_KEY in amounts:
        rows.append(_rounding(rows, total))
    order = list(Section)
    finished = (replace(row, amount=amounts[row.key]) for row in rows)
    return sorted(finished, key=lambda row: (order.index(row.section), row.key))


def section_of(line: ChargeLine) -> Section:
    """Return the section of a line; use of an earlier month is a correction, whatever its kind."""
    if line.original_month is not None:
        return Section.CORRECTION
    return {
        Kind.DIRECT: Section.DIRECT,
        Kind.UNALLOCATED: Section.DIRECT,
        Kind.SHARED: Section.SHARED,
        Kind.MARKUP: Section.MARKUP,
        Kind.ADJUSTMENT: Section.ADJUSTMENT,
    }[line.kind]


def reason_of(line: ChargeLine) -> str:
    """Return why a line corrects an earlier month, or that it stands for a bill to come."""
    if line.original_month is not None:
        return _CORRECTS.get(line.basis, "")
    is_direct = line.kind in (Kind.DIRECT, Kind.UNALLOCATED)
    return ACCRUED if is_direct and line.basis == ACCRUED else ""


def key_of(line: ChargeLine) -> str:
    """Return the key of the row to which a line belongs; stable between runs."""
    section, reason = section_of(line), reason_of(line)
    key = "|".join((section.value, *_KEY_PARTS[section](line)))
    return f"{key}|{reason}" if reason else key


def pool_of(line: ChargeLine) -> str:
    """Return the key of a shared line's pool: its rule, apart for every corrected month."""
    return f"{line.rule}|{line.original_month or ''}"


def _direct_key(line: ChargeLine) -> tuple[str, ...]:
    return (line.provider, line.product_name, line.meter, line.unit, *_price_key(line.price))


def _shared_key(line: ChargeLine) -> tuple[str, ...]:
    driver = (_plain(line.driver_value), _plain(line.driver_total))
    return (line.rule, line.receiver, line.driver, *driver)


def _markup_key(line: ChargeLine) -> tuple[str, ...]:
    return (line.rule, line.receiver)


def _correction_key(line: ChargeLine) -> tuple[str, ...]:
    by_kind = _shared_key if line.kind is Kind.SHARED else _direct_key
    return (str(line.original_month), line.kind.value, *by_kind(line))


_KEY_PARTS: Mapping[Section, Callable[[ChargeLine], tuple[str, ...]]] = {
    Section.DIRECT: _direct_key,
    Section.SHARED: _shared_key,
    Section.MARKUP: _markup_key,
    Section.ADJUSTMENT: _markup_key,
    Section.CORRECTION: _correction_key,
}


def _price_key(price: PriceFacts | None) -> tuple[str, ...]:
    if price is None:
        return ("",)
    since = price.valid_from.isoformat() if price.valid_from else ""
    return (plain_decimal(price.amount), str(price.unit_size), price.currency, price.source, since)


def _plain(value: Decimal | None) -> str:
    return "" if value is None else plain_decimal(value)


def _row(key: str, group: list[ChargeLine], pools: Mapping[str, Decimal]) -> Row:
    first = min(group, key=lambda line: line.source)
    section = section_of(first)
    measured = section in (Section.DIRECT, Section.CORRECTION) and first.kind is not Kind.SHARED
    return Row(
        key=key,
        section=section,
        exact=exact_sum(line.effective for line in group),
        billed=exact_sum(line.billed for line in group),
        sample=first,
        quantity=exact_sum(line.quantity for line in group) if measured else None,
        pool_total=pools.get(pool_of(first)) if first.kind is Kind.SHARED else None,
        sources=len({line.source for line in group}),
    )


def _rounding(rows: list[Row], total: Decimal) -> Row:
    return Row(
        key=ROUNDING_KEY,
        section=Section.ROUNDING,
        exact=EXACT.subtract(total, exact_sum(row.exact for row in rows)),
        billed=Decimal(0),
    )
