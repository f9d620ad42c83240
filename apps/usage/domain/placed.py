"""An event that is ready to be stored: checked, metered, interned and rated."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from apps.usage.domain.drafts import Draft
from apps.usage.domain.normalize import Quantities
from apps.usage.domain.timeline import Span


class Placed(msgspec.Struct, gc=False):
    """A draft with everything that storing it needs; `index` is its place in its request.

    `member` is the place of its request among those that are stored together. What stands last is
    filled in on the way to the database: the digest, and id and time as the database takes them,
    which several statements use.
    """

    member: int
    index: int
    source: str
    event_id: str
    draft: Draft
    quantities: Quantities
    context_tokens: int
    tag_set: int
    sent_sku: int
    span: Span
    unpriced: bool
    digest: bytes = b""
    id_part: bytes = b""
    time_part: bytes = b""

    @property
    def name(self) -> tuple[str, str]:
        """Return the identity: source and id."""
        return self.source, self.event_id


@dataclass(frozen=True, slots=True)
class Claimed:
    """What became of placed events: new ones with their keys, duplicates, conflicts."""

    new: list[tuple[int, Placed]] = field(default_factory=list)
    duplicates: list[Placed] = field(default_factory=list)
    conflicts: list[Placed] = field(default_factory=list)
