"""Draws what new events cost from budgets: the last statement before COMMIT (rule 9)."""

from __future__ import annotations

from collections.abc import Sequence

from apps.budgets import services as budgets
from apps.ingest.services.prepare import Sent
from apps.usage import services as usage


def draw_budgets(recorded: usage.Recorded, *, feed: str, requests: Sequence[Sent]) -> None:
    """Draw what was recorded, and release the holds that new events name."""
    if not recorded.sums:
        return
    named = [
        (item.draft.hold, item.source, item.event_id)
        for _, item in recorded.claimed.new
        if item.draft.hold is not None
    ]
    now = requests[0].received_at
    budgets.draw_sums(sums=recorded.sums, feed=feed, named=named, now=now)
