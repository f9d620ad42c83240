"""Other cuts of a statement's cost: by customer, by experiment, by owner and use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from apps.chargeback.domain.facts import ChargeLine, Kind, Usage
from apps.chargeback.domain.lines import in_cents
from apps.chargeback.domain.rounding import exact_sum, in_minor_units
from apps.core.domain.canonical import plain_decimal
from apps.core.domain.money import EXACT, minor_quantum, published
from apps.core.domain.shares import split_exactly

OWNER_TAGS: Final = ("team", "product", "feature", "customer", "experiment", "environment")

_REST: Final = "~rest"


def cost_to_serve(
    *, lines: Iterable[ChargeLine], usage: Usage, total: Decimal, currency: str
) -> list[dict[str, Any]]:
    """Split a statement's total over the customers that its use served, largest first.

    Every source line is split as the customer axis split it; what no customer carries is the
    entry with an empty code. The amounts sum to `total`. Empty when no customer is involved.
    """
    own = list(lines)
    parts = parts_of(own, lambda line: usage.customers.get(line.source, {}))
    amounts = split(parts=parts, rest=rest_of(own, parts), total=total, currency=currency)
    if set(amounts) <= {""}:
        return []
    rows = [(code, amounts[code]) for code in sorted(amounts) if code]
    rows.sort(key=lambda row: -row[1])
    rows += [("", amounts[""])] if "" in amounts else []
    return [_customer(code, amount, total, currency) for code, amount in rows]


def parts_of(
    lines: Iterable[ChargeLine], shares_of: Callable[[ChargeLine], Mapping[str, Fraction]]
) -> dict[str, Fraction]:
    """Sum the effective cost of lines over the codes that share them; without an empty code."""
    parts: dict[str, Fraction] = {}
    for line in lines:
        for code, share in shares_of(line).items():
            if code:
                parts[code] = parts.get(code, Fraction(0)) + Fraction(line.effective) * share
    return parts


def rest_of(lines: Iterable[ChargeLine], parts: Mapping[str, Fraction]) -> Fraction:
    """Return the effective cost of lines that no code shares."""
    whole = Fraction(exact_sum(line.effective for line in lines))
    return whole - sum(parts.values(), Fraction(0))


def split(
    *, parts: Mapping[str, Fraction], rest: Fraction, total: Decimal, currency: str
) -> dict[str, Decimal]:
    """Give every code its part of a statement's total in the minor unit; the empty code the rest.

    The parts sum to `total`. The rest bears what rounding moved; where there is no rest, or it
    would fall below zero by that, all bear it in proportion. Where credits stand among the parts
    there is no proportion. Without a rest there is no empty code, unless it has to.
    """
    left = Fraction(total) - sum(parts.values(), Fraction(0))
    weights = {**parts, "": rest} if rest else dict(parts)
    proportional = total >= 0 and any(weights.values()) and min(weights.values()) >= 0
    if proportional and (not rest or left < 0):
        return split_exactly(total, weights, minor_quantum(currency))
    amounts = in_minor_units({**parts, _REST: left}, currency)
    bears = amounts.pop(_REST)
    return {**amounts, "": bears} if bears or rest or not parts else amounts


def _customer(code: str, amount: Decimal, total: Decimal, currency: str) -> dict[str, Any]:
    share = plain_decimal((amount / total).quantize(Decimal("1e-6"))) if total else None
    return {"customer": code, "amount": in_cents(amount, currency), "share": share}


def experiments(*, lines: Iterable[ChargeLine], approved: frozenset[str]) -> list[dict[str, Any]]:
    """Sum direct cost by experiment, largest first; `approved` tells which have a budget."""
    groups: dict[str, list[ChargeLine]] = {}
    for line in lines:
        code = line.tags.get("experiment", "")
        if code and line.kind in (Kind.DIRECT, Kind.UNALLOCATED):
            groups.setdefault(code, []).append(line)
    rows = [
        {
            "experiment": code,
            "exact": published(exact_sum(line.effective for line in group)),
            "products": sorted({line.product_name for line in group}),
            "approved": code in approved,
        }
        for code, group in sorted(groups.items())
    ]
    return sorted(rows, key=lambda row: -Decimal(str(row["exact"])))


def use_of(lines: Iterable[ChargeLine]) -> list[dict[str, Any]]:
    """List the exact cost by owner tags, product and meter (or pool): the appendix.

    Sums to the exact sum of the lines. Ordered by owner and name, so equal input gives equal
    output.
    """
    groups: dict[tuple[str, ...], list[ChargeLine]] = {}
    for line in lines:
        owner = tuple(line.tags.get(tag, "") for tag in OWNER_TAGS)
        direct = line.kind in (Kind.DIRECT, Kind.UNALLOCATED)
        what = (line.product_name, line.meter, line.unit) if direct else (line.rule, "", "")
        if not direct:
            owner = (line.receiver, *("" for _ in OWNER_TAGS[1:]))
        month = str(line.original_month or "")
        groups.setdefault((line.kind.value, *owner, *what, month), []).append(line)
    return [_use(key, groups[key]) for key in sorted(groups)]


def _use(key: tuple[str, ...], group: list[ChargeLine]) -> dict[str, Any]:
    kind, *owner, name, meter, unit, month = key
    quantity = plain_decimal(exact_sum(line.quantity for line in group)) if meter else None
    return {
        "kind": kind,
        **dict(zip(OWNER_TAGS, owner, strict=True)),
        "name": name,
        "meter": meter,
        "unit": unit,
        "quantity": quantity,
        "exact": published(exact_sum(line.effective for line in group)),
        "original_month": month or None,
    }


def unit_costs(*, lines: Iterable[ChargeLine], usage: Usage, total: Decimal) -> dict[str, Any]:
    """Return the cost of 1,000 requests and of a million tokens, all cost included.

    None where nothing was counted. Rounded to 6 decimals: these are ratios, never summed.
    """
    tokens = exact_sum(
        line.quantity
        for line in lines
        if line.unit == "token" and line.kind in (Kind.DIRECT, Kind.UNALLOCATED)
    )
    return {
        "requests": _plain(usage.requests),
        "per_1000_requests": _ratio(total, usage.requests, 1000),
        "tokens": plain_decimal(tokens),
        "per_million_tokens": _ratio(total, tokens, 1_000_000),
    }


def _ratio(total: Decimal, count: Decimal | None, per: int) -> str | None:
    if not count:
        return None
    ratio = EXACT.divide(EXACT.multiply(total, Decimal(per)), count)
    return plain_decimal(ratio.quantize(Decimal("1e-6"), context=EXACT))


def _plain(value: Decimal | None) -> str | None:
    return None if value is None else plain_decimal(value)


def section_totals(lines: Iterable[Mapping[str, Any]], currency: str) -> dict[str, str]:
    """Sum the printed lines by section, in the minor unit."""
    sums: dict[str, Decimal] = {}
    for line in lines:
        sums[line["section"]] = sums.get(line["section"], Decimal(0)) + Decimal(line["amount"])
    return {section: in_cents(amount, currency) for section, amount in sums.items()}
