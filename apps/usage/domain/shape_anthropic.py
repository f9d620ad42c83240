"""Reads usage of Anthropic's Messages, the iterations of a request that the totals leave out too.

Source: the response types of anthropic-sdk-python 2.13 (`BetaUsage.iterations`).
"""

from __future__ import annotations

from typing import Final

from apps.usage.domain.drafts import UsageCounts
from apps.usage.domain.sent_usage import Sent, broken, meter_of
from apps.usage.domain.shape_reading import LIFETIME, Reading, tools


def anthropic(sent: Sent, provider: str) -> Reading:
    """Read Messages usage: cache reads and writes stand beside `input_tokens`.

    Tokens that compacting the conversation took are not in the totals, and are added to them. What
    another model took within the request, an advisor, is kept under meters of its own.
    """
    counts = _counts(sent)
    read = Reading(counts)
    for part in sent.parts("iterations"):
        kind = part.get("type")
        if kind == "compaction":
            read.counts = _sum(read.counts, _counts(Sent(part)))
        elif kind not in _IN_TOTALS:
            _keep_apart(Sent(part), str(kind), read)
    tools(sent, read)
    _conditions(sent, read)
    return read


def _counts(sent: Sent) -> UsageCounts:
    """Read the counts of a request or of one iteration of it.

    Writes are split by lifetime where the response says so; the total is then not added again.
    """
    split = {
        found[1]: count
        for name in sent.names_in("cache_creation")
        if (found := LIFETIME.fullmatch(name)) and (count := sent.count(f"cache_creation.{name}"))
    }
    written = sent.count("cache_creation_input_tokens")
    if split and written and sum(split.values()) != written:
        raise broken(
            "cache_creation_input_tokens",
            f"cache_creation_input_tokens {written} are not the sum of their lifetimes, "
            f"{sum(split.values())}; they are the same tokens.",
            code="not_disjoint",
        )
    return UsageCounts(
        input_tokens=sent.count("input_tokens"),
        cached_input_tokens=sent.count("cache_read_input_tokens"),
        cache_write_tokens=split or written,
        output_tokens=sent.count("output_tokens"),
        reasoning_tokens=sent.count("output_tokens_details.thinking_tokens"),
        input_excludes_cache=True,
    )


def _sum(one: UsageCounts, other: UsageCounts) -> UsageCounts:
    return UsageCounts(
        input_tokens=(one.input_tokens or 0) + (other.input_tokens or 0),
        cached_input_tokens=(one.cached_input_tokens or 0) + (other.cached_input_tokens or 0),
        cache_write_tokens=_writes(one, other),
        output_tokens=(one.output_tokens or 0) + (other.output_tokens or 0),
        reasoning_tokens=(one.reasoning_tokens or 0) + (other.reasoning_tokens or 0),
        input_excludes_cache=True,
    )


def _writes(one: UsageCounts, other: UsageCounts) -> int | dict[str, int]:
    """Return the writes of both: a count where neither tells lifetimes, else by lifetime."""
    first, second = one.cache_write_tokens or 0, other.cache_write_tokens or 0
    if isinstance(first, int) and isinstance(second, int):
        return first + second
    total: dict[str, int] = {}
    for writes in (first, second):
        told = {_USUAL_LIFETIME: writes} if isinstance(writes, int) else writes
        for lifetime, count in told.items():
            total[lifetime] = total.get(lifetime, 0) + count
    return {lifetime: count for lifetime, count in total.items() if count}


def _keep_apart(sent: Sent, kind: str, read: Reading) -> None:
    """Keep an iteration that is not of this model under its own name, which has no price."""
    for path, count in sent.unknown().items():
        if "." not in path:
            read.add(meter_of(f"{kind}.{path}"), count)
            read.unknown = tuple(dict.fromkeys((*read.unknown, f"iterations.{kind}.{path}")))


def _conditions(sent: Sent, read: Reading) -> None:
    """Note the tier that the response was served in; `batch` is a flag of ours."""
    tier = sent.at("service_tier")
    if tier == "batch":
        read.batch = True
    elif isinstance(tier, str) and tier != "standard":
        read.service_tier = tier[:200]


_IN_TOTALS: Final = ("message", "fallback_message", None)
_USUAL_LIFETIME: Final = "5m"
