"""Roll-ups: the statements of a period seen by parent, by product and by customer.

A roll-up charges nothing. It is put together from issued statements: each of them gives the parts
of its total that belong here, so that the parts of a statement sum to the statement, and the
roll-ups by product and by customer to the period, in cents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Final

from apps.chargeback.domain import views
from apps.chargeback.domain.budgets import BudgetFact
from apps.chargeback.domain.facts import ChargeLine, Earlier, Recipient, Usage
from apps.chargeback.domain.lines import in_cents
from apps.chargeback.domain.rounding import exact_sum
from apps.chargeback.domain.statement import Charged, Frame, content
from apps.core.domain.errors import Conflict, Missing
from apps.core.domain.money import EXACT, PUBLISHED_QUANTUM, minor_quantum

SCHEMA: Final = "rollup/1"


class RollupKind(StrEnum):
    """By what the statements of a period are put together."""

    PARENT = "parent"
    PRODUCT = "product"
    CUSTOMER = "customer"


class RollupMissing(Missing):
    """There is no such roll-up."""

    default_code = "rollup_not_found"


class NotIssuedYet(Conflict):
    """Roll-ups are made of issued statements."""

    default_code = "statements_not_issued"


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """An issued statement of the run: what it charges, and whom it names as its customers."""

    cost_center: str
    name: str
    number: str
    parent: str
    total: Decimal
    billed: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one statement gives to a roll-up, in the minor unit."""

    statement: Issued
    amount: Decimal
    billed: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollup:
    """One roll-up before it is written: its parts, and the lines behind them.

    The code is empty for what no product or customer carries.
    """

    kind: RollupKind
    code: str
    parts: tuple[Part, ...]
    lines: tuple[ChargeLine, ...]

    @property
    def charged(self) -> Charged:
        """Return what the parts sum to."""
        return Charged(
            exact_sum(part.amount for part in self.parts),
            exact_sum(part.billed for part in self.parts),
        )


def subtrees(statements: Iterable[Issued], parents: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the cost centers with a statement below each parent, itself included, by code.

    `parents` names the parent of every cost center, also of those without a statement. Only who
    stands above somebody is a parent; a circle, which the directory refuses, ends where it closes.
    """
    found: dict[str, set[str]] = {}
    for one in statements:
        found.setdefault(one.cost_center, set()).add(one.cost_center)
        for above in _above(one.cost_center, parents):
            found.setdefault(above, set()).add(one.cost_center)
    above_somebody = set(parents.values()) - {""}
    return {code: sorted(found[code]) for code in sorted(found.keys() & above_somebody)}


def _above(code: str, parents: Mapping[str, str]) -> list[str]:
    chain: list[str] = []
    step = parents.get(code, "")
    while step and step != code and step not in chain:
        chain.append(step)
        step = parents.get(step, "")
    return chain


def by_parent(
    statements: Sequence[Issued],
    lines: Mapping[str, Sequence[ChargeLine]],
    parents: Mapping[str, str],
) -> list[Rollup]:
    """Return a roll-up for every parent: the whole statements of all that stand below it."""
    known = {one.cost_center: one for one in statements}
    return [
        Rollup(
            kind=RollupKind.PARENT,
            code=parent,
            parts=tuple(
                Part(statement=known[code], amount=known[code].total, billed=known[code].billed)
                for code in members
            ),
            lines=tuple(line for code in members for line in lines.get(code, ())),
        )
        for parent, members in subtrees(statements, parents).items()
    ]


Shares = Mapping[str, Mapping[str, Fraction]]
"""The share of each code in a source line, by the line's source."""

SharesOf = Callable[[ChargeLine], Mapping[str, Fraction]]


def by_product(
    statements: Sequence[Issued], lines: Mapping[str, Sequence[ChargeLine]], currency: str
) -> list[Rollup]:
    """Return a roll-up for every product, and one for what belongs to none."""
    return _over(
        RollupKind.PRODUCT,
        statements,
        lines,
        lambda line: {line.tags["product"]: Fraction(1)} if line.tags.get("product") else {},
        currency,
    )


def by_customer(
    statements: Sequence[Issued],
    lines: Mapping[str, Sequence[ChargeLine]],
    shares: Shares,
    currency: str,
) -> list[Rollup]:
    """Return the cost to serve of every customer, and of nobody in particular.

    The parts are those that the statements themselves show as their cost to serve.
    """
    return _over(
        RollupKind.CUSTOMER,
        statements,
        lines,
        lambda line: {code: share for code, share in shares.get(line.source, {}).items() if code},
        currency,
    )


def _over(
    kind: RollupKind,
    statements: Sequence[Issued],
    lines: Mapping[str, Sequence[ChargeLine]],
    shares_of: SharesOf,
    currency: str,
) -> list[Rollup]:
    parts: dict[str, list[Part]] = {}
    found: dict[str, list[ChargeLine]] = {}
    for one in statements:
        own = lines.get(one.cost_center, ())
        for part_of, part in _parts(one, own, shares_of, currency):
            parts.setdefault(part_of, []).append(part)
        for line in own:
            for code, scaled in _shared_out(line, shares_of(line)):
                found.setdefault(code, []).append(scaled)
    if set(parts) <= {""}:
        return []  # nothing was told apart: there is nothing to roll up
    return [
        Rollup(
            kind=kind,
            code=code,
            parts=tuple(parts.get(code, ())),
            lines=tuple(found.get(code, ())),
        )
        for code in sorted(parts.keys() | found.keys())
    ]


def _parts(
    one: Issued, lines: Sequence[ChargeLine], shares_of: SharesOf, currency: str
) -> list[tuple[str, Part]]:
    amounts = _split(lines, shares_of, one.total, currency)
    as_billed = [replace(line, effective=line.billed) for line in lines]
    billed = _split(as_billed, shares_of, one.billed, currency)
    none = Decimal(0)
    return [
        (code, Part(statement=one, amount=amounts.get(code, none), billed=billed.get(code, none)))
        for code in sorted(amounts.keys() | billed.keys())
        if code or amounts.get("") or billed.get("")
    ]


def _split(
    lines: Sequence[ChargeLine], shares_of: SharesOf, total: Decimal, currency: str
) -> dict[str, Decimal]:
    parts = views.parts_of(lines, shares_of)
    rest = views.rest_of(lines, parts)
    return views.split(parts=parts, rest=rest, total=total, currency=currency)


def _shared_out(line: ChargeLine, shares: Mapping[str, Fraction]) -> list[tuple[str, ChargeLine]]:
    """Return a line's part for each code that shares it; the empty code carries the rest."""
    rest = 1 - sum(shares.values(), Fraction(0))
    parts = [(code, _scaled(line, share)) for code, share in shares.items() if share]
    return [*parts, ("", _scaled(line, rest))] if rest else parts


def _scaled(line: ChargeLine, share: Fraction) -> ChargeLine:
    if share == 1:
        return line
    return replace(
        line,
        effective=_times(line.effective, share),
        billed=_times(line.billed, share),
        quantity=_times(line.quantity, share),
    )


def _times(amount: Decimal, share: Fraction) -> Decimal:
    """Return a share at 1e-12; what that leaves over is the roll-up's line of rounding."""
    return PUBLISHED_QUANTUM * round(Fraction(amount) * share / Fraction(PUBLISHED_QUANTUM))


def build_rollup(
    *,
    frame: Frame,
    rollup: Rollup,
    name: str,
    usage: Usage,
    earlier: Earlier,
    budgets: Sequence[BudgetFact] = (),
    told: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return the payload of a roll-up.

    `told` are parts of the payload as the statements themselves show them, put together: they
    stand instead of what would be reckoned anew.
    """
    currency = frame.figures.currency
    shared = content(
        frame=frame,
        recipient=Recipient(code=rollup.code, name=name),
        lines=rollup.lines,
        usage=usage,
        earlier=earlier,
        charged=rollup.charged,
        budgets=budgets,
    )
    return shared | {
        "schema": SCHEMA,
        "rollup": {"kind": rollup.kind.value, "parts": _shown(rollup, currency)},
        "postings": [],
        "actions": [{"code": "rollup"}],
        **told,
    }


def _shown(rollup: Rollup, currency: str) -> list[dict[str, Any]]:
    """Return the parts, the largest first; they sum to the total."""
    total = rollup.charged.total
    ranked = sorted(rollup.parts, key=lambda part: (-part.amount, part.statement.cost_center))
    return [
        {
            "cost_center": part.statement.cost_center,
            "name": part.statement.name,
            "number": part.statement.number,
            "statement_total": in_cents(part.statement.total, currency),
            "amount": in_cents(part.amount, currency),
            "billed": in_cents(part.billed, currency),
            "share": _share(part.amount, total),
        }
        for part in ranked
    ]


def _share(part: Decimal, whole: Decimal) -> str | None:
    if not whole:
        return None
    return f"{EXACT.divide(part, whole).quantize(Decimal('1e-6')):f}"


def summed_customers(
    payloads: Iterable[Mapping[str, Any]], *, total: Decimal, currency: str
) -> list[dict[str, Any]]:
    """Add up the cost to serve of statements; what none of them tells apart is nobody's.

    The amounts sum to `total` when the statements do.
    """
    sums: dict[str, Decimal] = {}
    for payload in payloads:
        rows = payload["customers"] or [{"customer": "", "amount": payload["total"]}]
        for row in rows:
            code, amount = row["customer"], Decimal(row["amount"])
            sums[code] = EXACT.add(sums.get(code, Decimal(0)), amount)
    if set(sums) <= {""}:
        return []
    ranked = sorted((code for code in sums if code), key=lambda code: (-sums[code], code))
    quantum = minor_quantum(currency)
    return [
        {
            "customer": code,
            "amount": in_cents(sums.get(code, Decimal(0)).quantize(quantum), currency),
            "share": _share(sums.get(code, Decimal(0)), total),
        }
        for code in [*ranked, ""]
    ]
