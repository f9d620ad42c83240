"""The words of the statement pages."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from apps.core import presentation
from apps.core.presentation import UnitPrice

_STATES: Final = {"draft": "draft", "sealed": "issued", "void": "replaced"}

_SECTIONS: Final = {
    "direct": "Direct usage",
    "shared": "Shared cost",
    "markup": "Markup",
    "correction": "Correction",
    "adjustment": "Adjustment",
    "rounding": "Rounding",
}

_STEPS: Final = {
    "volume": "Volume",
    "mix": "Model mix",
    "price": "Unit price",
    "fx": "Exchange rate",
    "new": "New models",
    "retired": "No longer used",
    "shared": "Shared cost",
    "markup": "Markup",
    "corrections": "Corrections and adjustments",
    "rounding": "Rounding",
}


def status_of(state: str) -> str:
    """Return the word of a document's state."""
    return _STATES[state]


def heading_of(section: str) -> str:
    """Return the words of a section."""
    return _SECTIONS[section]


def step_of(step: str) -> str:
    """Return the words of a step from last month to this."""
    return _STEPS[step]


def meter_of(code: str) -> str:
    """Return a meter in words: cached_input_tokens is cached input."""
    return code.removesuffix("_tokens").replace("_", " ")


def what_of(line: Mapping[str, Any]) -> str:
    """Return what a printed line is about: a model, a pool, the rounding."""
    return "rounding to cents" if line["section"] == "rounding" else str(line["heading"])


_REASONS: Final = {
    "accrued": "accrued, the bill is not there yet",
    "late_usage": "late or corrected usage",
    "late_bill": "bill that came after the close",
    "true_up": "difference to the bill",
    "taken_back": "takes back an accrual or an earlier bill",
}


def detail_of(line: Mapping[str, Any]) -> str:
    """Return the kind of a line with its meter, month of use or receiver."""
    parts = [
        heading_of(line["section"]),
        meter_of(line["meter"]) if line["meter"] else "",
        f"used in {presentation.month(line['original_month'])}" if line["original_month"] else "",
        f"borne by {line['receiver']}" if line["receiver"] else "",
        _REASONS.get(line.get("reason", ""), ""),
    ]
    return ", ".join(part for part in parts if part)


def price_of(line: Mapping[str, Any]) -> str | None:
    """Return what a line was computed with: its unit price, or its share of a pool."""
    price = line["price"]
    if price is not None:
        unit = f"{line['unit']}s" if line["unit"] else "units"
        shown = UnitPrice(Decimal(price["amount"]), price["currency"], price["unit_size"], unit)
        return presentation.unit_price(shown)
    value, whole = line["driver_value"], line["driver_total"]
    if value and whole and Decimal(whole) and line["pool_total"] is not None:
        share = presentation.percent(Decimal(value) / Decimal(whole), digits=2)
        return f"{share} of {presentation.number(line['pool_total'], most=4)}"
    return None
