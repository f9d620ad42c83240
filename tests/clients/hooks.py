"""LiteLLM with a hook of ours, for the length of a test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

import litellm
from finops_metering.litellm import FinOpsGuard


@contextmanager
def hooked(hook: FinOpsGuard) -> Iterator[FinOpsGuard]:
    """Let LiteLLM call a hook, and nobody afterwards: it copies hooks to lists of its own."""
    before = litellm.callbacks
    litellm.callbacks = [hook]
    try:
        yield hook
    finally:
        litellm.callbacks = before
        for name in ("success_callback", "failure_callback", "input_callback"):
            for prefix in ("", "_async_"):
                listed = getattr(litellm, prefix + name, None)
                if listed:
                    setattr(litellm, prefix + name, [one for one in listed if one is not hook])
