"""What usage cost beside what it would cost at other prices; sums are exact."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from apps.core.domain.money import EXACT

ZERO: Final = Decimal(0)
_HUNDREDTH: Final = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class Line:
    """One meter of one use: what it cost and would cost, in the answer's currency.

    `was` and `would_be` sum what has a price; `was_lacks` and `would_lack` tell that some of the
    usage expects a price and has none. `instead` is the model that is asked about.
    """

    dimensions: Mapping[str, str]
    meter: str
    instead: tuple[str, str]
    quantity: Decimal
    was: Decimal
    would_be: Decimal
    was_lacks: bool
    would_lack: bool

    @property
    def comparable(self) -> bool:
        """Tell whether all of the line has a price both ways."""
        return not self.was_lacks and not self.would_lack


@dataclass(frozen=True, slots=True)
class Comparison:
    """Costs before and after; `percent` is the difference in percent of what it was.

    `was` and `would_be` are None where nothing, or not everything, has a price; the difference
    then too. `comparable_*` sum what has a price both ways.
    """

    was: Decimal | None
    would_be: Decimal | None
    comparable_was: Decimal
    comparable_would_be: Decimal

    @property
    def difference(self) -> Decimal | None:
        """Return what it would cost more; None when one side is not fully priced."""
        if self.was is None or self.would_be is None:
            return None
        return EXACT.subtract(self.would_be, self.was)

    @property
    def comparable_difference(self) -> Decimal:
        """Return the difference over what has a price both ways."""
        return EXACT.subtract(self.comparable_would_be, self.comparable_was)

    @property
    def percent(self) -> Decimal | None:
        """Return the difference in percent, to four decimals; None without one, or of nothing."""
        return _percent(self.difference, self.was)

    @property
    def comparable_percent(self) -> Decimal | None:
        """Return the comparable difference in percent, to four decimals."""
        return _percent(self.comparable_difference, self.comparable_was)


@dataclass(frozen=True, slots=True)
class Row:
    """One group of lines: its dimensions, its quantity when it is of one meter, its costs."""

    dimensions: Mapping[str, str]
    quantity: Decimal | None
    costs: Comparison


@dataclass(frozen=True, slots=True)
class Unpriced:
    """Usage that would have no price: it is in no sum of what it would cost."""

    provider: str
    model: str
    meter: str
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Answer:
    """What a month cost and would have cost, by group; `kept` is what the question left alone.

    `kept` is usage of other months that is booked in this one, and stays as it is booked.
    """

    currency: str
    rows: tuple[Row, ...]
    total: Comparison
    unpriced: tuple[Unpriced, ...]
    kept: Decimal


@dataclass(slots=True)
class _Sum:
    lines: int = 0
    quantity: Decimal = ZERO
    meters: set[str] = field(default_factory=set)
    was: Decimal = ZERO
    would_be: Decimal = ZERO
    both: tuple[Decimal, Decimal] = (ZERO, ZERO)
    lacks: tuple[bool, bool] = (False, False)

    def add(self, line: Line) -> None:
        """Add a line."""
        self.lines += 1
        self.meters.add(line.meter)
        self.quantity += line.quantity
        self.was = EXACT.add(self.was, line.was)
        self.would_be = EXACT.add(self.would_be, line.would_be)
        self.lacks = (self.lacks[0] or line.was_lacks, self.lacks[1] or line.would_lack)
        if line.comparable:
            before, after = self.both
            self.both = EXACT.add(before, line.was), EXACT.add(after, line.would_be)

    def compared(self) -> Comparison:
        """Return the sums; a side that lacks a price is none."""
        return Comparison(
            None if self.lacks[0] else self.was,
            None if self.lacks[1] else self.would_be,
            *self.both,
        )


def answer(
    lines: Iterable[Line], *, group_by: Sequence[str], currency: str, kept: Decimal
) -> Answer:
    """Sum lines by the dimensions asked for, the largest difference first."""
    groups: dict[tuple[str, ...], _Sum] = {}
    total = _Sum()
    unpriced: dict[tuple[str, str, str], Decimal] = {}
    for line in lines:
        values = {**line.dimensions, "meter": line.meter}
        groups.setdefault(tuple(values[name] for name in group_by), _Sum()).add(line)
        total.add(line)
        if line.would_lack:
            key = (*line.instead, line.meter)
            unpriced[key] = unpriced.get(key, ZERO) + line.quantity
    rows = [
        Row(
            dict(zip(group_by, key, strict=True)),
            found.quantity if len(found.meters) == 1 else None,
            found.compared(),
        )
        for key, found in groups.items()
    ]
    return Answer(
        currency=currency,
        rows=tuple(sorted(rows, key=_order)),
        total=total.compared(),
        unpriced=tuple(Unpriced(*key, quantity) for key, quantity in sorted(unpriced.items())),
        kept=kept,
    )


def _order(row: Row) -> tuple[Decimal, tuple[str, ...]]:
    return -abs(row.costs.comparable_difference), tuple(row.dimensions.values())


def _percent(difference: Decimal | None, was: Decimal | None) -> Decimal | None:
    if difference is None or not was:
        return None
    ratio = EXACT.divide(difference, abs(was)).scaleb(2, EXACT)
    return ratio.quantize(_HUNDREDTH, context=EXACT)
