"""Estimates what a request will take, from its body alone; rough on purpose, and replaceable.

A guardrail needs a size before the call. Four bytes of text are taken for a token: high for
English, about right for code; what a hold misses is corrected by the event of the real use.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

Estimate = Mapping[str, Any]
"""`input_tokens`, `output_tokens`, `requests`; or `amount` with `currency`."""

Estimator = Callable[[Mapping[str, Any]], Estimate]

BYTES_A_TOKEN = 4
TOKENS_A_MESSAGE = 4
TOKENS_A_PICTURE = 1_000
_LIMITS = ("max_completion_tokens", "max_output_tokens", "max_tokens")
_TEXTS = ("messages", "input", "prompt", "system", "instructions", "tools", "contents")
_PICTURES = ("image_url", "input_image", "image", "inline_data", "source")


def of_body(
    body: Mapping[str, Any], *, operation: str = "chat", output_tokens: int = 1_024
) -> dict[str, int]:
    """Return the tokens that a request in OpenAI's or Anthropic's form is expected to take.

    Output is what the request allows at most, for each of its `n` answers; `output_tokens` where
    it sets no limit; none of embeddings.
    """
    text = sum(_size(body.get(name)) for name in _TEXTS)
    limit = next((body[name] for name in _LIMITS if _is_count(body.get(name))), output_tokens)
    answers = body["n"] if _is_count(body.get("n")) else 1
    written = 0 if operation == "embeddings" else limit * max(1, answers)
    return {"input_tokens": text, "output_tokens": written}


def _size(value: Any) -> int:
    """Return the tokens of texts wherever they stand within a value."""
    if isinstance(value, str):
        return math.ceil(len(value.encode(errors="replace")) / BYTES_A_TOKEN)
    if isinstance(value, Mapping):
        if any(isinstance(value.get(name), Mapping | str) for name in _PICTURES):
            return TOKENS_A_PICTURE
        more = TOKENS_A_MESSAGE if "role" in value else 0
        return more + sum(_size(one) for one in value.values())
    if isinstance(value, list | tuple):
        return sum(1 if _is_count(one) else _size(one) for one in value)
    return 0


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
