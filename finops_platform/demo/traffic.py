"""Posts the demo's events through the same service as everybody else's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Final, TypeVar

import orjson

from apps.core.domain.access import Actor
from apps.core.domain.months import Month
from apps.ingest import services as ingest
from apps.tenants.selectors import TenantFacts
from apps.usage.domain.decode import Form, decode_events
from finops_platform.demo.overlay import events, surge
from finops_platform.demo.script import Script

BATCH: Final = 5_000
Item = TypeVar("Item")


def month_events(
    script: Script, *, tenant: TenantFacts, months: Sequence[Month], month: Month, until: datetime
) -> Iterator[dict[str, Any]]:
    """Yield a month's events of every story, its surge included, those up to `until` only."""
    for story, surge_month in script.stories:
        yield from events(story, month, tenant.timezone, until)
        if surge_month is not None and months[surge_month] == month:
            yield from surge(story, month, tenant.timezone, until)


def post(*, items: Iterable[dict[str, Any]], actor: Actor, received_at: datetime) -> Iterator[int]:
    """Post events in batches, yielding how many each batch held.

    :raises RuntimeError: when an event is refused; the demo's own events never should be.
    """
    for batch in batches(items, BATCH):
        drafts = decode_events(body=orjson.dumps(batch), form=Form.JSON)
        receipt = ingest.accept_events(drafts=drafts, actor=actor, received_at=received_at)
        if receipt.rejected or receipt.conflicts:
            raise RuntimeError(f"the demo's events were refused: {receipt.errors[:3]}")
        yield len(batch)


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield the items in lists of at most `size`."""
    source = iter(items)
    while batch := list(islice(source, size)):
        yield batch
