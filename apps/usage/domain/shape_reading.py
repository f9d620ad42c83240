"""What every reader of a usage object gives, and what they share."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from apps.core.domain.money import EXACT
from apps.usage.domain.drafts import Exact, ReportedCost, UsageCounts
from apps.usage.domain.sent_usage import Sent, ShapeBroken, broken, meter_of

LIFETIME: Final = re.compile(
    r"(?:ephemeral|(?:input_)?cache_write)_([0-9]{1,3}[smhd])(?:_input)?_tokens"
)


@dataclass(slots=True)
class Reading:
    """What a usage object says.

    `meters` are what is no token class of ours: uses of tools, units, and token counts that no
    reader knows, under names of their own; `unknown` names the paths of those. `cost` is what the
    provider says it charged. `service_tier`, `batch` and `region` are set where the object tells
    them.
    """

    counts: UsageCounts
    meters: dict[str, Exact] = field(default_factory=dict)
    cost: ReportedCost | None = None
    unknown: tuple[str, ...] = ()
    service_tier: str = ""
    batch: bool = False
    region: str = ""

    def add(self, meter: str, quantity: int | Decimal) -> None:
        """Count further units under a meter; nothing where there are none."""
        if quantity:
            self.meters[meter] = Exact.of(f"{self.meters.get(meter, 0) + quantity:f}")


def check_total(sent: Sent, path: str, parts: Sequence[int | None]) -> None:
    """Hold the counts against the total that the provider states, if it states one.

    :raises ShapeBroken: when they do not sum to it.
    """
    total = sent.stated(path)
    if total is not None and total != sum(part or 0 for part in parts):
        raise not_the_sum(path, total, parts)


def not_the_sum(path: str, total: int, parts: Sequence[int | None]) -> ShapeBroken:
    """Return the refusal of counts that the stated total contradicts."""
    listed = " + ".join(str(part or 0) for part in parts)
    return broken(
        path,
        f"{path} is {total}, and the counts are {listed}: what stands inside the other cannot be "
        "told. Send the counts as usage.",
        code="not_disjoint",
    )


def tools(sent: Sent, read: Reading) -> None:
    """Count uses of a provider's own tools; fetching a page is free."""
    sent.passes_over("server_tool_use.web_fetch_requests")
    read.add("web_searches", sent.count(*_SEARCHES))
    read.add("search_sources", sent.count("num_sources_used"))
    for name in sent.names_in(_XAI_TOOLS):
        if f"{_XAI_TOOLS}.{name}" not in _SEARCHES:
            read.add(meter_of(name), sent.count(f"{_XAI_TOOLS}.{name}"))
    if heard := sent.amount("prompt_audio_seconds"):
        read.add("input_audio_hours", hours(heard))


def costs(sent: Sent, read: Reading) -> None:
    """Keep what the provider says it charged, in USD."""
    amount = sent.amount("cost") if not sent.names_in("cost") else sent.amount("cost.total_cost")
    ticks = sent.amount("cost_in_usd_ticks")
    if amount is None and ticks is not None:
        amount = Exact.of(f"{EXACT.divide(ticks, _TICKS):f}")
    if amount is not None:
        read.cost = ReportedCost(amount=amount, currency="USD")


def hours(seconds: Decimal) -> Decimal:
    """Return seconds as hours with 6 decimals, the unit that prices of heard time have."""
    return EXACT.divide(seconds, Decimal(3600)).quantize(_MILLIONTH)


_XAI_TOOLS: Final = "server_side_tool_usage_details"
_SEARCHES: Final = (
    "server_tool_use.web_search_requests",
    "num_search_queries",
    "prompt_tokens_details.web_search_requests",
    f"{_XAI_TOOLS}.web_search_calls",
)
_MILLIONTH: Final = Decimal("0.000001")
_TICKS: Final = Decimal(10_000_000_000)
