"""What must hold of a request for a price to apply to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from apps.catalog.domain.windows import Window, WindowInvalid, canonical_window, parse_window

STANDARD_TIERS: Final = frozenset({"", "standard", "default"})

ONLY_IN: Final = "geo:"
"""Begins a region that the use was bound to, as Anthropic's `inference_geo` says. Providers charge
more for that, so it needs a price of exactly that region; one of all regions is none of it."""


class Conditions(NamedTuple):
    """The request conditions of one price; the defaults mean an ordinary request.

    `context_gt` is in tokens: the price holds for requests whose whole context is longer, and
    then for all their tokens (a cliff). `window` is hours of days, "01:00-04:00" in UTC or
    "mon-fri 16:30-00:30 Asia/Shanghai" (`windows.parse_window`). `other` holds conditions that
    usage does not carry (a reseller's route); such a price is kept and never chosen.
    """

    service_tier: str = ""
    batch: bool = False
    region: str = ""
    context_gt: int = 0
    window: str = ""
    other: str = ""

    def in_words(self) -> str:
        """Say the conditions; an ordinary request says nothing."""
        parts = [
            f"{self.service_tier} tier" if self.service_tier else "",
            "batch" if self.batch else "",
            f"region {self.region}" if self.region else "",
            f"context over {self.context_gt:,} tokens" if self.context_gt else "",
            _window_in_words(self.window),
            self.other,
        ]
        return ", ".join(part for part in parts if part)


ORDINARY: Final = Conditions()


def canonical_tier(sent: str | None, batch: bool) -> tuple[str, bool]:
    """Return tier and batch as prices know them; an unknown tier stays as it was sent."""
    tier = (sent or "").strip().lower()
    if tier in STANDARD_TIERS:
        return "", batch
    if tier == "batch":
        return "", True
    return tier, batch


def other_conditions(when: Mapping[str, str]) -> str:
    """Return conditions that usage does not carry in one canonical text: "route=mistral/eu"."""
    return "&".join(f"{key}={when[key]}" for key in sorted(when))


def tidy(conditions: Conditions) -> Conditions:
    """Return the conditions with their window in its one spelling; one that is none stays."""
    try:
        return conditions._replace(window=canonical_window(conditions.window))
    except WindowInvalid:
        return conditions


def _window_in_words(window: str) -> str:
    return f"{window} UTC" if window and ":" in window.rpartition(" ")[2] else window


__all__ = [
    "ONLY_IN",
    "ORDINARY",
    "STANDARD_TIERS",
    "Conditions",
    "Window",
    "WindowInvalid",
    "canonical_tier",
    "canonical_window",
    "other_conditions",
    "parse_window",
    "tidy",
]
