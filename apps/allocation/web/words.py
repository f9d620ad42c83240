"""Rules and lines in words."""

from __future__ import annotations

from typing import Any, Final

from apps.allocation.domain.facts import LineFacts
from apps.allocation.domain.payload import scope_json
from apps.allocation.domain.rules import APART, Method, Rule
from apps.core import presentation
from apps.core.domain.canonical import plain_decimal


def scope_in_words(rule: Rule) -> str:
    """Say which cost a rule picks up: service Azure OpenAI, tag env production."""
    if rule.method in APART and rule.scope.is_empty:
        return "all cost" if rule.method is Method.MARKUP else "all commitments"
    scope = scope_json(rule.scope)
    tags = scope.pop("tags", {})
    owners = scope.pop("owners", [])
    parts = [f"cost of {' or '.join(owners)}"] if owners else []
    parts += [f"{name.replace('_', ' ')} {' or '.join(values)}" for name, values in scope.items()]
    parts += [f"tag {key} {' or '.join(values)}" for key, values in tags.items()]
    return ", ".join(parts)


def split_in_words(rule: Rule) -> str:
    """Say how a rule splits: proportional to tokens over everyone."""
    if rule.method is Method.COMMITMENT:
        return _sharing_in_words(rule)
    return _split_in_words(rule)


def _split_in_words(rule: Rule) -> str:
    named = ", ".join(rule.receivers.named())
    over = "everyone" if rule.receivers.everyone else named
    match rule.method:
        case Method.DIRECT:
            return f"all to {over}"
        case Method.EVEN:
            return f"equally over {over}{_bounds_in_words(rule)}"
        case Method.FIXED:
            parts = sorted(rule.receivers.percents.items())
            return ", ".join(f"{code} {plain_decimal(part)} %" for code, part in parts)
        case Method.MARKUP:
            what = "" if rule.percent > 0 else ", a subsidy"
            return f"{plain_decimal(rule.percent)} % on {over}{what}"
        case Method.PROPORTIONAL:
            return f"by {rule.driver} over {over}{_bounds_in_words(rule)}"
        case _:
            bands = len(rule.tiers)
            return f"by {rule.driver} in {bands} tiers over {over}{_bounds_in_words(rule)}"


def _sharing_in_words(rule: Rule) -> str:
    if rule.receivers.percents:
        parts = sorted(rule.receivers.percents.items())
        bought = ", ".join(f"{code} {plain_decimal(part)} %" for code, part in parts)
        return f"savings to who bought: {bought}"
    among = "" if rule.receivers.everyone else f" among {', '.join(rule.receivers.named())}"
    if rule.driver == "purchase":
        return f"savings to who bought{among}, by what they paid"
    return f"savings by use{among}, at contracted prices"


def _bounds_in_words(rule: Rule) -> str:
    least, most = plain_decimal(rule.minimum_share), plain_decimal(rule.maximum_share)
    parts = [f"at least {least} %"] if rule.minimum_share else []
    parts += [f"at most {most} %"] if rule.maximum_share != 100 else []
    return "".join(f", {part}" for part in parts)


def reason_in_words(line: LineFacts) -> str:
    """Say why a receiver bears a line: rule, driver value of driver total."""
    if not line.rule:
        return "Owned directly" if line.kind == "direct" else "Nobody owns it and no rule takes it"
    if line.kind == "markup":
        return f"{line.rule}: markup of {plain_decimal(line.driver_value)} %"
    if line.kind == "commitment":
        return f"{line.rule}: {line.hops[0].measure}"
    measured = (
        f"{presentation.quantity(line.driver_value)} of {presentation.quantity(line.driver_total)}"
    )
    what = line.driver or line.measure
    if not line.driver_total:
        return f"{line.rule}: {line.measure}"
    steps = len({hop.rule for hop in line.hops})
    several = f", in {steps} steps" if steps > 1 else ""
    return f"{line.rule}: {what} {measured}{several}"


_BARE: Final = {
    "markup": "Markup",
    "commitment": "Saving of a commitment",
    "adjustment": "Adjustment",
}


def line_row(line: LineFacts, currency: str) -> dict[str, Any]:
    """Return a line as the list shows it."""
    parts = [line.provider, line.model or line.service, line.meter or line.charge_category]
    return {
        "id": line.source,
        "what": " ".join(part for part in parts if part) or _BARE.get(line.kind, line.kind),
        "kind": line.kind,
        "why": reason_in_words(line),
        "share": line.share,
        "effective": line.effective,
        "billed": line.billed,
        "currency": currency,
    }
