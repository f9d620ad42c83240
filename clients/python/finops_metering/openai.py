"""Meters OpenAI's SDK: chat, responses, embeddings; plain and streamed, sync and async."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

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

_HOSTS = (
    ("api.openai.com", "openai"),
    (".openai.azure.com", "azure"),
    ("openrouter.ai", "openrouter"),
    ("api.groq.com", "groq"),
    ("api.mistral.ai", "mistral"),
    ("api.x.ai", "x-ai"),
    ("api.deepseek.com", "deepseek"),
    ("api.together.xyz", "together"),
    ("api.fireworks.ai", "fireworks"),
    ("api.perplexity.ai", "perplexity"),
    ("generativelanguage.googleapis.com", "google"),
)


def meter_openai(
    sdk: T,
    client: Recorder,
    *,
    tags: Mapping[str, str] | None = None,
    provider: str | None = None,
    guard: Guard | AsyncGuard | None = None,
    include_usage: bool = True,
    **fields: Any,
) -> T:
    """Meter every call of an OpenAI client: `openai = meter_openai(OpenAI(), client)` returns it.

    The response's id is the event's, so that an answer counts once. Streamed chats ask for usage
    by themselves (`include_usage=False`: they do not), and the extra item is hidden. `fields` are
    more of an event's: `account`, `credential`, `region`. Metering that fails never breaks a call.

    With a guard every call is authorized first, and raises `Denied` where the answer is no; calls
    within a `guard.authorize` block belong to that block's hold.

    :param provider: who is billed; by default read from the client's address.
    """
    meter = Meter(
        recorder=client,
        provider=provider or _provider_of(sdk),
        tags=dict(tags or {}),
        fields=fields,
        readers=READERS,
        guard=guard,
        include_usage=include_usage,
    )
    attach_all(meter, sdk, "chat.completions", "responses", "embeddings")
    follow_copies(
        sdk,
        lambda copy: meter_openai(
            copy,
            client,
            tags=tags,
            provider=provider,
            guard=guard,
            include_usage=include_usage,
            **fields,
        ),
    )
    return sdk


class Chat:
    """Chat completions."""

    operation = "chat"

    def whole(self, answer: Any, seen: Seen) -> None:
        """Read a ChatCompletion."""
        _common(answer, seen)
        seen.created = _number(getattr(answer, "created", None))

    def part(self, item: Any, seen: Seen) -> None:
        """Read a ChatCompletionChunk; usage comes in the last."""
        self.whole(item, seen)

    def asks_for_usage(self, body: dict[str, Any]) -> bool:
        """Ask for the item with usage; True unless the program asked for it itself."""
        asked = body.get("stream_options")
        asked = dict(asked) if isinstance(asked, Mapping) else {}
        if "include_usage" in asked:
            return False
        body["stream_options"] = {**asked, "include_usage": True}
        return True

    def is_usage_only(self, item: Any) -> bool:
        """Tell the last item: usage, and no choices."""
        return getattr(item, "usage", None) is not None and not getattr(item, "choices", None)


class Responses:
    """The Responses API."""

    operation = "chat"

    def whole(self, answer: Any, seen: Seen) -> None:
        """Read a Response; one that runs in the background has no usage yet."""
        _common(answer, seen)
        seen.created = _number(getattr(answer, "created_at", None))
        status = getattr(answer, "status", None)
        seen.status = {"failed": "error", "cancelled": "cancelled"}.get(str(status), "ok")

    def part(self, item: Any, seen: Seen) -> None:
        """Read a stream's event; the first and the last hold the response."""
        response = getattr(item, "response", None)
        if response is not None:
            self.whole(response, seen)

    def asks_for_usage(self, body: dict[str, Any]) -> bool:
        """Nothing needs asking."""
        return False

    def is_usage_only(self, item: Any) -> bool:
        """No item is for us alone."""
        return False


class Embeddings(Responses):
    """Embeddings; they have no id but the request's."""

    operation = "embeddings"

    def whole(self, answer: Any, seen: Seen) -> None:
        """Read a CreateEmbeddingResponse."""
        _common(answer, seen)
        seen.id = text(getattr(answer, "_request_id", None))


READERS: Mapping[str, Reader] = {
    "/chat/completions": Chat(),
    "/responses": Responses(),
    "/embeddings": Embeddings(),
}


def _common(answer: Any, seen: Seen) -> None:
    seen.id = text(getattr(answer, "id", None)) or seen.id
    seen.model = text(getattr(answer, "model", None)) or seen.model
    seen.service_tier = text(getattr(answer, "service_tier", None)) or seen.service_tier
    usage = plain(getattr(answer, "usage", None))
    if usage:
        seen.usage, seen.is_final = usage, True


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _provider_of(sdk: Any) -> str:
    if "Azure" in type(sdk).__name__:
        return "azure"
    return provider_at(urlsplit(str(getattr(sdk, "base_url", ""))).hostname or "")


def provider_at(host: str) -> str:
    """Return who is billed for calls to a host that speaks OpenAI's API."""
    return next((name for end, name in _HOSTS if host.endswith(end)), "openai")
