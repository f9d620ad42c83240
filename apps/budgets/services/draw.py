"""What ingest does to budgets: the cost of new events is drawn, the holds they name released."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from apps.budgets.services import counters, holds
from apps.usage.domain.cells import Sums

Named = tuple[UUID, str, str]
"""A hold, and source and id of the event that names it."""


def draw_sums(*, sums: Sums, feed: str, named: Collection[Named], now: datetime) -> None:
    """Draw what new events cost, and release the holds that they name; once, before COMMIT.

    `sums` are those of the rollups that this transaction upserted; every span knows its rates.
    Holds that are unknown or ended are left alone, as the use counts anyway. Without budgets it is
    one short statement.
    """
    found = counters.hold_registry()
    if not found.budgets:
        return
    draws = counters.draws_of(found, counters.spends_of(found, sums, feed))
    events = {hold: holds.named_event(source, event_id) for hold, source, event_id in named}
    live = holds.live_holds(events) if events else {}
    for draw in holds.windows_held(live):
        draws.setdefault((draw.budget.key, draw.window.start), draw)
    if draws:
        counters.take(draws, today=counters.today_of(now), now=now)
    if live:
        holds.release(live, state=holds.State.USED, now=now, events=events)
