"""What one request of a team and model took of late, as percentiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Protocol, TypeVar

from apps.core.domain.money import EXACT
from apps.experiments.domain.estimate import Caution
from apps.experiments.domain.proposals import ModelPlan

LEAST: Final = 20
"""Fewer requests say nothing of a distribution."""
_FAR: Final = 10


T = TypeVar("T", bound=Decimal | int)


class Size(Protocol):
    """One request, as usage tells it; `cost` in the tenant's currency, None when unpriced."""

    @property
    def input_tokens(self) -> int: ...
    @property
    def output_tokens(self) -> int: ...
    @property
    def cached_tokens(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Nearest-rank percentiles of one figure."""

    p10: Decimal
    p50: Decimal
    p90: Decimal
    p99: Decimal


@dataclass(frozen=True, slots=True)
class Distribution:
    """What a request took: tokens, and cost in the tenant's currency where it has a price."""

    model: str
    requests: int
    input_tokens: Percentiles
    output_tokens: Percentiles
    cached_share: Decimal
    cost: Percentiles | None

    @property
    def is_telling(self) -> bool:
        """Tell whether there are enough requests to compare with."""
        return self.requests >= LEAST


def percentiles(values: Sequence[T]) -> Percentiles | None:
    """Return the percentiles of values in any order, None of none."""
    if not values:
        return None
    ordered = sorted(values)
    return Percentiles(
        *(Decimal(ordered[_rank(share, len(ordered))]) for share in (10, 50, 90, 99))
    )


def distribution(
    model: str, sizes: Sequence[Size], costs: Sequence[Decimal]
) -> Distribution | None:
    """Return the distribution of requests, None of none."""
    sent = percentiles([size.input_tokens for size in sizes])
    made = percentiles([size.output_tokens for size in sizes])
    if sent is None or made is None:
        return None
    total = sum(size.input_tokens for size in sizes)
    cached = sum(size.cached_tokens for size in sizes)
    share = EXACT.divide(Decimal(cached), Decimal(total)) if total else Decimal(0)
    rounded = share.quantize(Decimal("0.0001"), context=EXACT)
    return Distribution(model, len(sizes), sent, made, rounded, percentiles(list(costs)))


def history_caution(plan: ModelPlan, past: Distribution | None) -> Caution | None:
    """Say when one planned run is far from what the team's requests took, None when it is not."""
    if past is None or not past.is_telling:
        return None
    planned = Decimal(plan.input_tokens.likely + plan.output_tokens.likely)
    usual = past.input_tokens.p50 + past.output_tokens.p50
    if not planned or not usual:
        return None
    ratio = EXACT.divide(max(planned, usual), min(planned, usual))
    if ratio < _FAR:
        return None
    way = "more" if planned > usual else "less"
    return Caution(
        "unlike_history",
        "warn",
        f"A run of {planned:,} tokens is {int(ratio)} times {way} than the {usual:,} that a "
        f"request of the team to {plan.name} usually takes.",
    )


def _rank(share: int, count: int) -> int:
    """Return the place of the nearest-rank percentile: the smallest with `share` % at or below."""
    return max(-(-share * count // 100) - 1, 0)
