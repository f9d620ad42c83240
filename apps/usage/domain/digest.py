"""Digest v1: what makes two sendings of one id the same event (rule 1)."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

import msgspec

from apps.usage.domain.drafts import Draft, SealedDraft, write_exact

VERSION: Final = 1
SIZE: Final = 16

_empty: Final = blake2b(digest_size=SIZE)
_canonical: Final = msgspec.json.Encoder(order="deterministic", enc_hook=write_exact)


def canonical_v1(draft: Draft) -> bytes:
    """Return the canonical JSON of a settled draft.

    Fields in alphabetical order, defaults left out, map keys sorted, the time in UTC with
    microseconds where there are any, decimals in normal form. Nothing of it depends on prices,
    aliases or bound tags.
    """
    return _canonical.encode(draft)


def digest_v1(draft: Draft) -> bytes:
    """Return BLAKE2b-128 of the canonical JSON; of what was sent where a door translated it."""
    if type(draft) is SealedDraft:
        return draft.sealed
    seal = _empty.copy()
    seal.update(_canonical.encode(draft))
    return seal.digest()


def digests_v1(drafts: Iterable[Draft]) -> list[bytes]:
    """Return the digest of each draft; `digest_v1` without a call for each."""
    encode, empty = _canonical.encode, _empty.copy
    digests: list[bytes] = []
    for draft in drafts:
        if type(draft) is SealedDraft:
            digests.append(draft.sealed)
            continue
        seal = empty()
        seal.update(encode(draft))
        digests.append(seal.digest())
    return digests


def digest_of_payload(*, door: str, payload: object) -> bytes:
    """Return BLAKE2b-128 of a payload of another form, by its door's name and canonical JSON.

    Map keys sorted; two doors never agree about a payload.
    """
    seal = _empty.copy()
    seal.update(door.encode() + b"\0")
    seal.update(_canonical.encode(payload))
    return seal.digest()
