"""The hash chain: what a record's hash is taken of, and what a broken chain looks like.

The database computes the same hash in a trigger (migration 0002); this is the second, independent
computation that verification uses.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

GENESIS: Final = "0" * 64
"""The previous hash of the first record."""


@dataclass(frozen=True, slots=True)
class Link:
    """A stored record, every field as the text that the hash is taken of.

    `at` is UTC with microseconds (`2026-11-01T00:00:00.000000Z`); `detail` is PostgreSQL's own
    text of the jsonb value; `user_id` is None for whoever is no person.
    """

    sequence: int
    prev_hash: str
    at: str
    actor_kind: str
    actor: str
    user_id: str | None
    action: str
    subject: str
    subject_id: str
    detail: str
    hash: str

    def expected_hash(self) -> str:
        """Return the SHA-256 over the length-prefixed fields, in hex."""
        fields = (
            str(self.sequence),
            self.prev_hash,
            self.at,
            self.actor_kind,
            self.actor,
            self.user_id or "",
            self.action,
            self.subject,
            self.subject_id,
            self.detail,
        )
        return hashlib.sha256(b"".join(_framed(field) for field in fields)).hexdigest()


@dataclass(frozen=True, slots=True)
class Head:
    """The last link of a chain: its sequence (0 when empty) and its hash."""

    sequence: int
    hash: str


@dataclass(frozen=True, slots=True)
class Fault:
    """One place where the chain does not hold, in plain words."""

    sequence: int
    kind: str
    message: str


def faults(links: Iterable[Link], head: Head) -> Iterator[Fault]:
    """Yield every fault of a chain read in order of sequence; none means that it holds.

    A changed row fails its own hash; a removed one leaves a gap, or, at the end, a head that no
    row has; a reordered one fails its hash and its link.
    """
    last = Head(0, GENESIS)
    for link in links:
        if link.sequence != last.sequence + 1:
            missing = f"{last.sequence + 1} to {link.sequence - 1}"
            yield Fault(link.sequence, "removed", f"Records {missing} are missing.")
        elif link.prev_hash != last.hash:
            yield Fault(link.sequence, "reordered", "It does not follow from the record before it.")
        if link.hash != link.expected_hash():
            yield Fault(link.sequence, "changed", "Its content does not match its hash.")
        last = Head(link.sequence, link.hash)
    if last != head:
        yield Fault(
            head.sequence,
            "removed",
            f"The chain ends at {last.sequence}, its head says {head.sequence}.",
        )


def _framed(field: str) -> bytes:
    encoded = field.encode()
    return str(len(encoded)).encode() + b":" + encoded
