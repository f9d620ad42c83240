"""Receipts of requests that went through one transaction, and the rows that keep them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from apps.ingest.adapters.receipts import Row
from apps.ingest.domain.receipt import ItemError, Receipt
from apps.ingest.services.prepare import Prepared, Sent
from apps.usage import services as usage
from apps.usage.domain.drafts import Problem
from apps.usage.domain.placed import Claimed, Placed

_ERRORS_KEPT: Final = 1_000


def receipts_of(
    prepared: Prepared, claimed: Claimed, headers: Sequence[usage.BatchHeader]
) -> list[Receipt]:
    """Return the receipt of each request of a transaction."""
    new = [item for _, item in claimed.new]
    accepted = Counter([item.member for item in new])
    unpriced = Counter([item.member for item in new if item.unpriced])
    duplicates = Counter([item.member for item in claimed.duplicates])
    conflicts: list[list[ItemError]] = [[] for _ in headers]
    for item in claimed.conflicts:
        conflicts[item.member].append(_conflict(item))
    return [
        Receipt(
            accepted=accepted[member],
            duplicates=duplicates[member],
            conflicts=len(conflicts[member]),
            rejected=len(prepared.errors[member]),
            unpriced=unpriced[member],
            batch=header.batch,
            errors=in_order([*prepared.errors[member], *conflicts[member]]),
        )
        for member, header in enumerate(headers)
    ]


def rows_of(
    receipts: Sequence[Receipt], headers: Sequence[usage.BatchHeader], requests: Sequence[Sent]
) -> list[Row]:
    """Return the rows that keep receipts."""
    return [
        (
            header.batch,
            sent.received_at,
            sent.actor.label,
            sent.actor.key_id,
            sent.actor.user_id,
            receipt.accepted,
            receipt.duplicates,
            receipt.conflicts,
            receipt.rejected,
            receipt.unpriced,
            [error.as_dict() for error in receipt.errors[:_ERRORS_KEPT]],
        )
        for receipt, header, sent in zip(receipts, headers, requests, strict=True)
    ]


def in_order(errors: Iterable[ItemError]) -> tuple[ItemError, ...]:
    """Return errors in the order of their items."""
    return tuple(sorted(errors, key=lambda error: error.index))


def _conflict(item: Placed) -> ItemError:
    problem = Problem(
        None,
        "conflict",
        f"The id {item.event_id!r} of {item.source!r} is stored with another payload, which "
        "stays; amend the event, or send a new id.",
    )
    return ItemError.of(item.index, item.event_id, problem)
