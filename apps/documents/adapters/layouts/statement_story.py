"""The sentences of a statement: how it changed, why, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from apps.documents.adapters.layouts.words import Words

Payload = Mapping[str, Any]

_TOLD: Final = 4
_NAMES: Final = 4
_WORTH_TELLING: Final = Decimal("0.02")


def change(payload: Payload, words: Words) -> str:
    """Say in a line how the total moved against last month."""
    previous = payload["change"]["previous"]
    if previous is None:
        return words("no_previous")
    month = words.month(previous["month"])
    amount = Decimal(payload["change"]["amount"])
    if amount == 0:
        return words("change_same", month=month)
    if payload["change"]["ratio"] is None:
        return words("change_new", amount=words.magnitude(amount), month=month)
    ratio = abs(Decimal(payload["change"]["ratio"]))
    key = "change_up" if amount > 0 else "change_down"
    return words(key, amount=words.magnitude(amount), percent=words.percent(ratio), month=month)


def why(payload: Payload, words: Words) -> dict[str, Any]:
    """Name the few movements that explain the change, largest first."""
    moves = payload["change"]["movements"]
    if payload["change"]["previous"] is None:
        lead = words("why_first") if moves else ""
        told = [words("why_item", **_names(move, words)) for move in moves[:_TOLD]]
        return {"lead": lead, "told": told or [words("no_cost")]}
    told = [_told(move, words) for move in moves[:_TOLD] if Decimal(move["change"])]
    told += _price_effect(payload, words) + _experiments(payload, words)
    return {"lead": "", "told": told or [words("why_flat")]}


def _price_effect(payload: Payload, words: Words) -> list[str]:
    steps = {step["step"]: Decimal(step["amount"]) for step in payload["change"]["bridge"]}
    return [
        words(f"why_{name}", amount=words.money(steps[name]))
        for name in ("price", "fx")
        if steps[name]
    ]


def _experiments(payload: Payload, words: Words) -> list[str]:
    spent = sum((Decimal(row["exact"]) for row in payload["experiments"]), Decimal(0))
    total = Decimal(payload["total"])
    if total <= 0 or spent / total < _WORTH_TELLING:
        return []
    return [
        words("why_experiments", amount=words.money(spent), percent=words.percent(spent / total))
    ]


def _told(move: Payload, words: Words) -> str:
    before, now = Decimal(move["before"]), Decimal(move["now"])
    facts = _names(move, words) | {"amount": words.magnitude(move["change"])}
    if before == 0:
        return words("why_came", **facts)
    if now == 0:
        return words("why_went", **facts)
    return words("why_rose" if now > before else "why_fell", **facts)


def _names(move: Payload, words: Words) -> dict[str, str]:
    return {"name": heading(move, words), "now": words.money(move["now"])}


def heading(move: Payload, words: Words) -> str:
    """Name what a movement or a line is about: the model, the pool, the correction."""
    key = {"shared": "pool", "correction": "correction_of", "markup": "markup_of"}.get(
        move["section"]
    )
    return words(key, name=move["heading"]) if key else str(move["heading"])


def actions(payload: Payload, words: Words, deadline: str | None) -> list[str]:
    """Turn the payload's actions into sentences."""
    return [_action(action, words, deadline) for action in payload["actions"]]


def _action(action: Payload, words: Words, deadline: str | None) -> str:
    facts = {key: value for key, value in action.items() if key != "code"}
    match action["code"]:
        case "review":
            key = "do_review" if deadline else "do_review_days"
            return words(key, date=deadline, **facts)
        case "approve_experiments":
            return words(
                "do_approve_experiments",
                names=listed(facts["names"], words),
                amount=words.money(facts["amount"]),
            )
        case "exceeded_budgets":
            return words("do_exceeded_budgets", names=listed(facts["names"], words))
        case "expect_rates":
            return words("do_expect_rates", month=words.month(facts["month"]))
        case code:
            return words(f"do_{code}", **facts)


def listed(names: list[str], words: Words) -> str:
    """Name a few and count the rest."""
    shown = ", ".join(names[:_NAMES])
    more = len(names) - _NAMES
    return f"{shown} + {more}" if more > 0 else shown
