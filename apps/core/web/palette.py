"""Gives every owner one color on every page, from seven that color-blind readers tell apart."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

SLOTS: Final = 7
OTHER_SLOT: Final = 7
UNOWNED_SLOT: Final = 8
OTHER: Final = "Other"

_RESERVED: Final = {
    "other": OTHER_SLOT,
    "unowned": UNOWNED_SLOT,
    "unallocated": UNOWNED_SLOT,
    "unpriced": UNOWNED_SLOT,
    "untagged": UNOWNED_SLOT,
}

_owners: ContextVar[Callable[[], Sequence[str]]] = ContextVar("owners", default=tuple)


@contextmanager
def known_owners(owners: Callable[[], Sequence[str]]) -> Iterator[None]:
    """Give the tenant's first seven owners, in the order returned, a slot of their own.

    `owners` is called only when something is colored, at most once a chart.
    """
    token = _owners.set(owners)
    try:
        yield
    finally:
        _owners.reset(token)


def slot_of(name: str) -> int:
    """Return the slot of one owner: 0 to 6, 7 for other, 8 for what nobody owns."""
    return _preferred(name, _known())


def assign_slots(names: Iterable[str]) -> dict[str, int]:
    """Return the slots of the owners of one chart; no two of the first seven share one.

    An owner keeps its own slot unless another owner of the same chart already has it.
    """
    known, taken, slots = _known(), set[int](), dict[str, int]()
    ordered = sorted(dict.fromkeys(names), key=lambda name: (name not in known, name))
    for name in ordered:
        slots[name] = _free(_preferred(name, known), taken)
        taken.add(slots[name])
    return slots


def _known() -> Mapping[str, int]:
    return {name: slot for slot, name in enumerate(_owners.get()()[:SLOTS])}


def _preferred(name: str, known: Mapping[str, int]) -> int:
    reserved = _RESERVED.get(name.strip().lower())
    if reserved is not None:
        return reserved
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return known.get(name, int.from_bytes(digest, "big") % SLOTS)


def _free(slot: int, taken: set[int]) -> int:
    if slot >= SLOTS:
        return slot
    candidates = [(slot + step) % SLOTS for step in range(SLOTS)]
    return next((one for one in candidates if one not in taken), slot)
