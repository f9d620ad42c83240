"""An event that is ready to be stored: checked, metered, interned and rated."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from apps.usage.domain.drafts import Draft
from apps.usage.domain.normalize import Quantities
from apps.usage.domain.timeline import Span


class Placed(msgspec.Struct, gc=False):
    """A draft with everything that storing it needs; `index` is its place in the request.

    `id_part` and `time_part` are id and time as the database takes them; several statements use
    them.
    """

    index: int
    source: str
    event_id: str
    digest: bytes
    draft: Draft
    quantities: Quantities
    context_tokens: int
    tag_set: int
    sent_sku: int
    span: Span
    unpriced: bool
    id_part: bytes
    time_part: bytes

    @property
    def name(self) -> tuple[str, str]:
        """Return the identity: source and id."""
        return self.source, self.event_id


@dataclass(frozen=True, slots=True)
class Claimed:
    """What became of placed events: new ones with their keys, duplicates, conflicts."""

    keys: list[int]
    new: list[Placed]
    duplicates: list[Placed]
    conflicts: list[Placed]
