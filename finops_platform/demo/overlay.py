"""Lays teams, products, customers and models over a trace: deterministic, by position only.

docs/demo.md tells the story. A choice depends on (trace, row, dimension) through a keyed hash, so
that the same row makes the same event for ever, and replaying the demo changes no number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from apps.core.domain.months import Month
from finops_platform.demo.calendar import MonthShape
from finops_platform.demo.traces import Request, Trace

_SETTLING: Final = timedelta(minutes=2)
"""Events younger than this are left for the next run."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One outcome of a weighted draw."""

    weight: int
    value: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Story:
    """How one trace becomes a tenant's usage: who calls, with which model, for whom."""

    trace: Trace
    source: str
    callers: Sequence[Choice]
    models: Sequence[Choice]
    customers: Sequence[Choice]
    experiments: Sequence[Choice]
    outcome: str


def choose(trace: str, index: int, dimension: str, choices: Sequence[Choice]) -> Mapping[str, str]:
    """Draw one choice for a row, with the given weights."""
    seal = hashlib.blake2b(f"{trace}:{index}:{dimension}".encode(), digest_size=8).digest()
    drawn = int.from_bytes(seal, "big") % sum(choice.weight for choice in choices)
    for choice in choices:
        if drawn < choice.weight:
            return choice.value
        drawn -= choice.weight
    raise AssertionError("weights cover the draw")


def events(story: Story, month: Month, zone: ZoneInfo, until: datetime) -> Iterator[dict[str, Any]]:
    """Yield the month's events in the native API shape, those up to `until` only."""
    shape = MonthShape.of(month, zone)
    for request in story.trace.requests:
        moment = shape.moment(request.offset, story.trace.length)
        if moment <= until - _SETTLING:
            yield _event(story, month, request, moment)


def surge(story: Story, month: Month, zone: ZoneInfo, until: datetime) -> Iterator[dict[str, Any]]:
    """Yield the untracked experiments of the founding story: every ninth request again, on o1-pro.

    A developer's key in the research team replays real conversations against the dearest
    reasoning model; no experiment is named, nobody approved it.
    """
    untracked = replace(
        story,
        source="prompt-lab",
        callers=(
            Choice(
                1,
                {
                    "team": "research",
                    "product": "labs",
                    "feature": "prompt-lab",
                    "environment": "development",
                    "account": "proj-sandbox",
                    "credential": "key-dev-17",
                },
            ),
        ),
        models=(Choice(1, {"provider": "openai", "model": "o1-pro-2025-03-19"}),),
        customers=(Choice(1, {"customer": "internal"}),),
        experiments=(Choice(1, {}),),
    )
    return (
        event
        for position, event in enumerate(events(untracked, month, zone, until))
        if position % 9 == 4
    )


def _event(story: Story, month: Month, request: Request, moment: datetime) -> dict[str, Any]:
    name = story.trace.name
    caller = choose(name, request.index, "caller", story.callers)
    model = choose(name, request.index, "model", story.models)
    tags = {key: value for key, value in caller.items() if key not in ("account", "credential")}
    tags |= choose(name, request.index, "customer", story.customers)
    tags |= choose(name, request.index, "experiment", story.experiments)
    usage: dict[str, int] = {
        "input_tokens": request.input_tokens,
        "output_tokens": request.output_tokens,
    }
    if request.cached_tokens:
        usage["cached_input_tokens"] = request.cached_tokens
    accepted = choose(name, request.index, "outcome", _OUTCOMES)
    return {
        "id": f"{story.source}-{month}-{request.index:06d}",
        "source": story.source,
        "time": moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "provider": model["provider"],
        "model": model["model"],
        "operation": "chat",
        "usage": usage,
        "tags": {key: value for key, value in sorted(tags.items()) if value},
        "account": caller.get("account", "proj-production"),
        "credential": caller.get("credential", "key-gateway"),
        "status": "ok",
        "outcome": {"name": story.outcome, "success": accepted["success"] == "yes"},
    }


_OUTCOMES: Final = (Choice(83, {"success": "yes"}), Choice(17, {"success": "no"}))
