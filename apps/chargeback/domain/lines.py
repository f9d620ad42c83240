"""The printed lines of a statement: one mapping a row, the same in API, CSV, XLSX, PDF and page.

Amounts are strings: `amount` in the currency's minor unit, `exact` and `billed` with 12 decimals.
Quantities are plain decimals. Absent values are None, never zero.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

from apps.chargeback.domain.facts import ChargeLine, Kind, PriceFacts
from apps.chargeback.domain.rows import Row, reason_of
from apps.core.domain.canonical import plain_decimal
from apps.core.domain.money import EXACT, minor_quantum, published


def printed_lines(rows: Iterable[Row], currency: str) -> list[dict[str, Any]]:
    """Return the rows as frozen lines, numbered from 1."""
    return [
        {"position": position, **_line(row, currency)} for position, row in enumerate(rows, start=1)
    ]


def in_cents(amount: Decimal, currency: str) -> str:
    """Render an amount that is already a multiple of the minor unit: 5 -> 5.00; no minus zero."""
    return f"{EXACT.add(amount.quantize(minor_quantum(currency), context=EXACT), 0):f}"


def _line(row: Row, currency: str) -> dict[str, Any]:
    sample = row.sample
    return {
        "key": row.key,
        "section": row.section.value,
        "heading": _heading(row),
        "amount": in_cents(row.amount, currency),
        "exact": published(row.exact),
        "billed": published(row.billed),
        "sources": row.sources,
        **(_measure(row, sample) if sample else _NO_MEASURE),
        **(_split(row, sample) if sample and _is_split(sample) else _NO_SPLIT),
    }


def _heading(row: Row) -> str:
    line = row.sample
    if line is None:
        return row.section.value
    if line.kind in (Kind.DIRECT, Kind.UNALLOCATED):
        return line.product_name
    return line.rule


def _is_split(line: ChargeLine) -> bool:
    return line.kind not in (Kind.DIRECT, Kind.UNALLOCATED)


_NO_MEASURE: dict[str, Any] = dict.fromkeys(
    ("provider", "product", "meter", "unit", "quantity", "price", "original_month", "kind")
)
_NO_SPLIT: dict[str, Any] = dict.fromkeys(
    ("rule", "method", "receiver", "driver", "driver_value", "driver_total", "pool_total")
)


def _measure(row: Row, line: ChargeLine) -> dict[str, Any]:
    measured = row.quantity is not None
    return {
        "kind": line.kind.value,
        "provider": line.provider if measured else None,
        "product": line.product_name if measured else None,
        "meter": line.meter if measured else None,
        "unit": line.unit if measured else None,
        "quantity": _plain(row.quantity),
        "price": _price(line.price) if measured and line.price else None,
        "original_month": str(line.original_month) if line.original_month else None,
        **({"reason": reason} if (reason := reason_of(line)) else {}),
    }


def _split(row: Row, line: ChargeLine) -> dict[str, Any]:
    return {
        "rule": line.rule,
        "method": line.method,
        "receiver": line.receiver,
        "driver": line.driver or None,
        "driver_value": _plain(line.driver_value),
        "driver_total": _plain(line.driver_total),
        "pool_total": published(row.pool_total) if row.pool_total is not None else None,
    }


def _price(price: PriceFacts) -> dict[str, Any]:
    return {
        "amount": plain_decimal(price.amount),
        "unit_size": price.unit_size,
        "currency": price.currency,
        "source": price.source,
        "valid_from": _moment(price.valid_from),
        "valid_to": _moment(price.valid_to),
        "fx_rate": plain_decimal(price.fx_rate),
    }


def _moment(value: datetime | None) -> str | None:
    return value.isoformat() if value else None


def _plain(value: Decimal | None) -> str | None:
    return None if value is None else plain_decimal(value)
