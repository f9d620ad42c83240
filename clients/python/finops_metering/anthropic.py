"""Meters Anthropic's SDK: messages, plain and streamed, sync and async."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from finops_metering.guard import AsyncGuard, Guard
from finops_metering.metered import (
    Meter,
    Reader,
    Recorder,
    Seen,
    attach_all,
    follow_copies,
    plain,
    text,
)

T = TypeVar("T")


def meter_anthropic(
    sdk: T,
    client: Recorder,
    *,
    tags: Mapping[str, str] | None = None,
    provider: str | None = None,
    guard: Guard | AsyncGuard | None = None,
    **fields: Any,
) -> T:
    """Meter every call of an Anthropic client: `meter_anthropic(Anthropic(), client)` returns it.

    The message's id is the event's, so that an answer counts once. A stream that is left early is
    recorded as `partial`, with what the provider had counted by then. `fields` are more of an
    event's: `account`, `credential`, `region`. Metering that fails never breaks a call.

    With a guard every call is authorized first, and raises `Denied` where the answer is no; calls
    within a `guard.authorize` block belong to that block's hold.

    :param provider: who is billed; by default anthropic, aws for Bedrock, google for Vertex.
    """
    meter = Meter(
        recorder=client,
        provider=provider or _provider_of(sdk),
        tags=dict(tags or {}),
        fields=fields,
        readers=READERS,
        guard=guard,
    )
    attach_all(meter, sdk, "messages", "beta.messages")
    follow_copies(
        sdk,
        lambda copy: meter_anthropic(
            copy, client, tags=tags, provider=provider, guard=guard, **fields
        ),
    )
    return sdk


class Messages:
    """The Messages API."""

    operation = "chat"

    def whole(self, answer: Any, seen: Seen) -> None:
        """Read a Message."""
        seen.id = text(getattr(answer, "id", None)) or seen.id
        seen.model = text(getattr(answer, "model", None)) or seen.model
        usage = plain(getattr(answer, "usage", None))
        if usage:
            seen.usage, seen.is_final = usage, True

    def part(self, item: Any, seen: Seen) -> None:
        """Read a stream's event: the first counts the input, later ones all output so far."""
        kind = getattr(item, "type", None)
        if kind == "message_start":
            self.whole(item.message, seen)
            seen.is_final = False
        elif kind == "message_delta":
            seen.usage = {**(seen.usage or {}), **(plain(getattr(item, "usage", None)) or {})}
            seen.is_final = True

    def asks_for_usage(self, body: dict[str, Any]) -> bool:
        """Nothing needs asking."""
        return False

    def is_usage_only(self, item: Any) -> bool:
        """No item is for us alone."""
        return False


READERS: Mapping[str, Reader] = {
    "/v1/messages": Messages(),
    "/v1/messages?beta=true": Messages(),
}


def _provider_of(sdk: Any) -> str:
    name = type(sdk).__name__
    if "Bedrock" in name:
        return "aws"
    return "google" if "Vertex" in name else "anthropic"
