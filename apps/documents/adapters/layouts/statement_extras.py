"""What later statements and roll-ups show besides: budgets, and the statements put together.

Payloads from before these parts existed show nothing of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from apps.core import presentation
from apps.documents.adapters.layouts.words import MISSING, Words

Payload = Mapping[str, Any]

_MANY: Final = 12


def rollup_kind(payload: Payload) -> str:
    """Return by what a roll-up puts statements together; nothing for a statement."""
    return str(payload["rollup"]["kind"]) if "rollup" in payload else ""


def extras(payload: Payload, words: Words) -> dict[str, Any]:
    """Return the tables of budgets and of a roll-up's parts; absent ones are None."""
    return {"budgets": _budgets(payload, words), "parts": _parts(payload, words)}


def _budgets(payload: Payload, words: Words) -> dict[str, Any] | None:
    facts = payload.get("budgets") or []
    if not facts:
        return None
    return {"short": len(facts) < _MANY, "rows": [_budget(fact, words) for fact in facts]}


def _budget(fact: Payload, words: Words) -> dict[str, Any]:
    currency = fact["currency"]
    return {
        "name": fact["name"],
        "scope": ", ".join(f"{words.dimension(key)} {code}" for key, code in fact["scope"].items()),
        "amount": _money(fact["amount"], currency),
        "spent": _money(fact["spent"], currency),
        "used": words.percent(fact["used"]),
        "forecast": _money(fact["forecast"], currency),
        "band": _band(fact, currency),
        "over": fact["over"],
        "state": words("budget_over" if fact["over"] else "budget_within"),
    }


def _band(fact: Payload, currency: str) -> str:
    low, high = fact["forecast_low"], fact["forecast_high"]
    if low is None or high is None:
        return ""
    return f"{_money(low, currency)} – {_money(high, currency)}"


def _money(amount: str | None, currency: str) -> str:
    return MISSING if amount is None else presentation.money(amount, currency)


def _parts(payload: Payload, words: Words) -> dict[str, Any] | None:
    if "rollup" not in payload:
        return None
    parts = payload["rollup"]["parts"]
    kind = rollup_kind(payload)
    return {
        "short": len(parts) < _MANY,
        "note": words(f"parts_note_{kind}"),
        "whole": kind == "parent",
        "rows": [_part(part, words) for part in parts],
        "total": words.figure(payload["total"]),
        "count": len(parts),
    }


def _part(part: Payload, words: Words) -> dict[str, Any]:
    credit = Decimal(part["amount"]) < 0
    return {
        "name": part["name"],
        "code": part["cost_center"],
        "number": part["number"] or MISSING,
        "whole": words.figure(part["statement_total"]),
        "share": MISSING if credit else words.percent(part["share"]),
        "amount": words.figure(part["amount"]),
    }
