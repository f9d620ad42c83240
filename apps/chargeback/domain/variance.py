"""Why a statement differs from last month's: price, volume, mix, and what came or went.

Both months are given as the printed lines of their statements (see `lines.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from apps.chargeback.domain.lines import in_cents
from apps.chargeback.domain.rounding import in_minor_units
from apps.chargeback.domain.rows import Section
from apps.core.domain.money import EXACT

Line = Mapping[str, Any]

BRIDGE: Final = (
    "volume",
    "mix",
    "price",
    "fx",
    "new",
    "retired",
    "shared",
    "markup",
    "corrections",
    "rounding",
)
"""Steps from last month's total to this month's, in the order in which they are shown."""

_STEP_OF: Final = {
    Section.SHARED: "shared",
    Section.MARKUP: "markup",
    Section.CORRECTION: "corrections",
    Section.ADJUSTMENT: "corrections",
    Section.ROUNDING: "rounding",
}


@dataclass(frozen=True, slots=True)
class Measured:
    """What was used of one meter of one product in a month: quantity in its unit, exact cost.

    `priced` is the cost in the currency of the price, before the month's exchange rate.
    """

    unit: str
    quantity: Decimal = Decimal(0)
    exact: Decimal = Decimal(0)
    priced: Fraction = Fraction(0)

    @property
    def rate(self) -> Fraction:
        """Return the exchange rate that the cost was converted at; 1 without any cost."""
        return Fraction(self.exact) / self.priced if self.priced else Fraction(1)


def bridge(*, now: Iterable[Line], then: Iterable[Line], currency: str) -> dict[str, Decimal]:
    """Split the change of the total into the steps of `BRIDGE`, in the minor unit.

    The steps sum to this total minus last month's. For a meter used in both months the change is
    price ((p1 - p0) q1 at this month's exchange rate), exchange rate (p0 q1 at the difference of
    the rates) and quantity ((q1 - q0) p0 at last month's rate); over the token meters together,
    the quantity part is volume at last month's mix, the rest is mix.
    """
    after, before = list(now), list(then)
    exact: dict[str, Fraction] = dict.fromkeys(BRIDGE, Fraction(0))
    for lines, sign in ((after, 1), (before, -1)):
        for line in lines:
            if line["section"] != Section.DIRECT:
                exact[_STEP_OF[Section(line["section"])]] += sign * Fraction(line["exact"])
    for step, amount in _direct_steps(_measured(after), _measured(before)).items():
        exact[step] += amount
    return in_minor_units(exact, currency)


def movements(
    *, now: Iterable[Line], then: Iterable[Line] | None, currency: str
) -> list[dict[str, Any]]:
    """Compare what each product and each pool cost with last month, largest change first.

    Amounts are sums of printed lines. Without an earlier month, `before` and `change` are None
    and the largest amount comes first.
    """
    after = _by_heading(now)
    before = _by_heading(then or ())
    moves = []
    for section, heading in sorted(after.keys() | before.keys()):
        current = after.get((section, heading), Decimal(0))
        earlier = before.get((section, heading), Decimal(0))
        moves.append(
            {
                "section": section,
                "heading": heading,
                "now": in_cents(current, currency),
                "before": None if then is None else in_cents(earlier, currency),
                "change": None if then is None else in_cents(current - earlier, currency),
            }
        )
    return sorted(moves, key=lambda move: -abs(Decimal(move["change"] or move["now"])))


def _by_heading(lines: Iterable[Line]) -> dict[tuple[str, str], Decimal]:
    sums: dict[tuple[str, str], Decimal] = {}
    for line in lines:
        if line["section"] != Section.ROUNDING:
            name = (str(line["section"]), str(line["heading"]))
            sums[name] = sums.get(name, Decimal(0)) + Decimal(line["amount"])
    return sums


def _measured(lines: Iterable[Line]) -> dict[str, Measured]:
    """Return what the direct lines measured, by provider, product and meter."""
    found: dict[str, Measured] = {}
    for line in lines:
        if line["section"] != Section.DIRECT:
            continue
        key = f"{line['provider']}|{line['product']}|{line['meter']}"
        known = found.get(key, Measured(line["unit"]))
        found[key] = Measured(
            line["unit"],
            EXACT.add(known.quantity, Decimal(line["quantity"] or "0")),
            EXACT.add(known.exact, Decimal(line["exact"])),
            known.priced + Fraction(line["exact"]) / _rate(line),
        )
    return found


def _rate(line: Line) -> Fraction:
    """Return the exchange rate of a line; costs without a price are in the own currency."""
    return Fraction(line["price"]["fx_rate"]) if line["price"] else Fraction(1)


def _direct_steps(now: Mapping[str, Measured], then: Mapping[str, Measured]) -> dict[str, Fraction]:
    """Split the change of direct cost into volume, mix, price, exchange rate, new and retired."""
    steps = dict.fromkeys(("volume", "mix", "price", "fx", "new", "retired"), Fraction(0))
    for key in now.keys() - then.keys():
        steps["new"] += Fraction(now[key].exact)
    for key in then.keys() - now.keys():
        steps["retired"] -= Fraction(then[key].exact)
    both = [(now[key], then[key]) for key in now.keys() & then.keys()]
    for after, before in both:
        repriced = _at_old_price(after, before)
        exchanged = _exchanged(after, before)
        steps["fx"] += exchanged
        steps["price"] += Fraction(after.exact) - repriced - exchanged
        steps["volume"] += repriced - Fraction(before.exact)
    steps["mix"] = _mix([pair for pair in both if pair[0].unit == "token"])
    steps["volume"] -= steps["mix"]
    return steps


def _at_old_price(after: Measured, before: Measured) -> Fraction:
    """Return what this month's quantity would have cost at last month's average price."""
    if not before.quantity:
        return Fraction(before.exact)
    return Fraction(before.exact) * Fraction(after.quantity) / Fraction(before.quantity)


def _exchanged(after: Measured, before: Measured) -> Fraction:
    """Return what this month's quantity at last month's price costs more by the rate alone."""
    if not before.quantity or not before.priced or not after.priced:
        return Fraction(0)
    priced = before.priced * Fraction(after.quantity) / Fraction(before.quantity)
    return priced * (after.rate - before.rate)


def _mix(tokens: list[tuple[Measured, Measured]]) -> Fraction:
    """Return what the shift between token meters cost beyond the growth of all tokens."""
    earlier = sum((Fraction(before.quantity) for _, before in tokens), Fraction(0))
    if not earlier:
        return Fraction(0)
    growth = sum((Fraction(after.quantity) for after, _ in tokens), Fraction(0)) / earlier
    paid = sum((Fraction(before.exact) for _, before in tokens), Fraction(0))
    repriced = sum((_at_old_price(after, before) for after, before in tokens), Fraction(0))
    return repriced - paid * growth
