"""An event that is ready to be stored: checked, metered, interned and rated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from apps.usage.domain.drafts import Draft
from apps.usage.domain.normalize import Quantities
from apps.usage.domain.timeline import Span


class Placed(NamedTuple):
    """A draft with everything that storing it needs; sorts by source and id, then by place."""

    source: str
    event_id: str
    index: int
    digest: bytes
    draft: Draft
    quantities: Quantities
    context_tokens: int
    tag_set: int
    sent_sku: int
    span: Span
    unpriced: bool


@dataclass(frozen=True, slots=True)
class Claimed:
    """What became of placed events: new ones with their keys, duplicates, conflicts."""

    new: list[tuple[int, Placed]]
    duplicates: list[Placed]
    conflicts: list[Placed]
