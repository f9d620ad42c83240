"""A month at a glance: sums and shares for the home page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from apps.core.domain.money import EXACT
from apps.costs.domain.grouping import OwnedLine
from apps.costs.domain.lines import ZERO, total


@dataclass(frozen=True, slots=True)
class Share:
    """One team's or model's part of a month, beside the month before.

    `share` is of the month's cost, 0 to 1; an empty code is nobody, or no model.
    """

    code: str
    amount: Decimal
    share: Decimal | None
    before: Decimal


def shares(
    now: Iterable[OwnedLine],
    before: Iterable[OwnedLine],
    read: Callable[[OwnedLine], str],
) -> tuple[Share, ...]:
    """Return the parts of a month by what `read` says of a line, the dearest first."""
    sums, earlier = _sums(now, read), _sums(before, read)
    whole = total(sums.values())
    found = [
        Share(code, amount, ratio(amount, whole), earlier.get(code, ZERO))
        for code, amount in sums.items()
        if amount or earlier.get(code)
    ]
    return tuple(sorted(found, key=lambda share: (-share.amount, share.code)))


def ratio(part: Decimal, whole: Decimal) -> Decimal | None:
    """Return a part of a whole to four decimals; absent when the whole is nothing."""
    if not whole:
        return None
    return EXACT.divide(part, whole).quantize(Decimal("0.0001"), context=EXACT)


def amount_of(owned: Sequence[OwnedLine]) -> Decimal:
    """Return the effective cost of some lines, exact."""
    return total(each.line.effective for each in owned)


def model_or_service(owned: OwnedLine) -> str:
    """Return the model of a line, or the service where it has none."""
    return owned.line.model or owned.line.service


def _sums(owned: Iterable[OwnedLine], read: Callable[[OwnedLine], str]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for each in owned:
        code = read(each)
        sums[code] = EXACT.add(sums.get(code, ZERO), each.line.effective)
    return sums
