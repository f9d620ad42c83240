"""Prices, quantities and SKUs of FOCUS rows: unit price times quantity is the cost."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final, Protocol

from apps.core.domain.canonical import plain_decimal
from apps.core.domain.money import EXACT

Row = dict[str, Any]
_PRICE: Final = Decimal("1e-18")
_UNNAMED: Final = "Units"
"""The unit of use whose bill names none."""

_OUTPUT: Final = frozenset({"output_tokens", "reasoning_tokens"})


class Priced(Protocol):
    """What prices need to know of a month."""

    @property
    def currency(self) -> str: ...

    @property
    def draft_keys(self) -> bool: ...


def prices_of(line: Any, quantity: Decimal | None, category: str, scene: Priced) -> Row:
    """Return the columns of quantities, prices and SKU of a line that bears `quantity` units.

    What has no unit price is priced as money; what is neither used nor bought has no price.
    """
    usage = category in ("Usage", "Purchase")
    unit = _unit(line.unit)
    row: Row = {
        "ConsumedQuantity": quantity if category == "Usage" else None,
        "ConsumedUnit": (unit or _UNNAMED)
        if category == "Usage" and quantity is not None
        else None,
        "PricingCurrency": scene.currency,
        "SkuId": None,
        "SkuMeter": None,
        "SkuPriceId": None,
        "SkuPriceDetails": None,
    }
    if line.unit_price is None or not line.unit_size or quantity is None or not unit:
        return row | _as_money(line, scene) | ({} if usage else NOT_PRICED)
    rate = line.fx_rate if line.fx_rate is not None else Decimal(1)
    price = EXACT.multiply(line.unit_price, rate).quantize(_PRICE, context=EXACT)
    quantity = EXACT.divide(quantity, Decimal(line.unit_size))
    cost = EXACT.multiply(price, quantity)
    original = line.original_currency or scene.currency
    sku = _sku(line)
    return row | {
        "ContractedCost": cost,
        "ContractedUnitPrice": price,
        "ListCost": cost,
        "ListUnitPrice": price,
        "PricingCurrency": original,
        "PricingCurrencyContractedUnitPrice": line.unit_price,
        "PricingCurrencyEffectiveCost": EXACT.multiply(line.unit_price, quantity),
        "PricingCurrencyListUnitPrice": line.unit_price,
        "PricingQuantity": quantity,
        "PricingUnit": unit if line.unit_size == 1 else f"{line.unit_size} {unit}",
        "SkuId": sku,
        "SkuMeter": _meter(line),
        "SkuPriceId": f"{sku}#{line.meter}@{line.price_id or plain_decimal(line.unit_price)}",
        "SkuPriceDetails": json_of(_details(line, draft=scene.draft_keys)),
    }


def _sku(line: Any) -> str:
    return str(line.sku or f"{line.provider or 'own'}/{line.model or line.service or line.kind}")


def _meter(line: Any) -> str:
    return str(line.meter).replace("_", " ").title()


def _as_money(line: Any, scene: Priced) -> Row:
    """Return prices of what has none: an amount of money, at one."""
    one = Decimal(1)
    sku = _sku(line)
    return {
        "SkuId": sku,
        "SkuMeter": _meter(line) or "Cost",
        "SkuPriceId": f"{sku}#{scene.currency}",
        "ContractedCost": line.effective,
        "ContractedUnitPrice": one,
        "ListCost": line.effective,
        "ListUnitPrice": one,
        "PricingCurrencyContractedUnitPrice": one,
        "PricingCurrencyEffectiveCost": line.effective,
        "PricingCurrencyListUnitPrice": one,
        "PricingQuantity": line.effective,
        "PricingUnit": scene.currency,
    }


NOT_PRICED: Final[Row] = dict.fromkeys(
    (
        "ContractedUnitPrice",
        "ListUnitPrice",
        "PricingCategory",
        "PricingCurrencyContractedUnitPrice",
        "PricingCurrencyListUnitPrice",
        "PricingQuantity",
        "PricingUnit",
        "SkuId",
        "SkuMeter",
        "SkuPriceId",
    )
)


def _details(line: Any, *, draft: bool) -> dict[str, str]:
    """Return SkuPriceDetails; the keys of the 1.5 draft only when asked for."""
    meter = str(line.meter)
    details = {"x_Meter": meter}
    if line.model:
        details["x_Model"] = line.model
    if not draft or not line.model:
        return details
    details["ModelDeveloper"] = line.provider
    details["ModelId"] = line.model
    if meter in _OUTPUT:
        details["TokenDirection"] = "Output"
    elif meter.endswith("_tokens"):
        details["TokenDirection"] = "Input"
        details["TokenCacheAction"] = _cache_action(meter)
    return details


def _cache_action(meter: str) -> str:
    if meter.startswith("cache_write"):
        return "Write"
    return "Read" if meter.startswith("cached") else "Uncached"


def _unit(unit: str) -> str:
    """Return a unit as the specification writes units: Tokens, Requests, Hours, GB."""
    if not unit:
        return ""
    word = unit if unit.isupper() else unit.replace("_", " ").title()
    return word if word.endswith("s") or unit.isupper() else f"{word}s"


def json_of(value: Mapping[str, Any] | Iterable[Any] | Decimal | str | None) -> str:
    """Write JSON with decimals as numbers, never by way of a float."""
    if isinstance(value, Decimal):
        return plain_decimal(value)
    if isinstance(value, Mapping):
        items = (f"{json.dumps(str(key))}:{json_of(one)}" for key, one in value.items())
        return "{" + ",".join(items) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(json_of(one) for one in value) + "]"
    return json.dumps(value)
