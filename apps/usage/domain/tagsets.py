"""The interned combination of tags and the reserved account, credential and operation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import msgspec

from apps.usage.domain.drafts import Draft, Problem

_sorted: Final = msgspec.json.Encoder(order="deterministic")


@dataclass(frozen=True, slots=True)
class TagSetKey:
    """What is interned: equal keys are the same tag set, whatever order the tags came in."""

    tags: Mapping[str, str]
    account: str = ""
    credential: str = ""
    operation: str = ""

    @property
    def digest(self) -> bytes:
        """Return BLAKE2b-128 of the canonical JSON."""
        return blake2b(self.canonical, digest_size=16).digest()

    @property
    def canonical(self) -> bytes:
        """Return the canonical JSON: reserved parts in order, then the tags by key."""
        return canonical(dict(self.tags), self.account, self.credential, self.operation)


def canonical(
    tags: Mapping[str, str], account: str | None, credential: str | None, operation: str | None
) -> bytes:
    """Return the canonical JSON of a tag set without building its key first."""
    return _sorted.encode((account, credential, operation, tags))


def key_of(draft: Draft, tags: Mapping[str, str]) -> TagSetKey:
    """Return the tag set of a draft whose tags may have been filled in from its key."""
    return TagSetKey(tags, draft.account or "", draft.credential or "", draft.operation or "")


def bound(tags: Mapping[str, str], limits: Mapping[str, str]) -> dict[str, str] | Problem:
    """Return the tags with a key's bound tags filled in, or what is forbidden (rule 22)."""
    for key, value in limits.items():
        if tags.get(key, value) != value:
            return Problem(
                f"tags.{key}",
                "tag_forbidden",
                f"This key is bound to {key}={value}; leave the tag out or send that value.",
            )
    return {**tags, **limits}
