"""A dry run: checks and prices a batch and stores nothing, not even a name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from apps.core.domain.access import Actor
from apps.ingest.domain.receipt import ItemError, Receipt
from apps.ingest.services.prepare import checked_only
from apps.periods import selectors as periods
from apps.rating import selectors as rating
from apps.usage import services as usage
from apps.usage.domain.digest import digest_v1
from apps.usage.domain.drafts import Draft, Problem, Rejected


def rehearse(*, drafts: Sequence[Draft | Rejected], actor: Actor, received_at: datetime) -> Receipt:
    """Return the receipt that sending the batch would give now; `batch` is None."""
    calendar = periods.calendar()
    rejected, checked = checked_only(
        drafts=drafts, actor=actor, calendar=calendar, received_at=received_at
    )
    conflicts: list[ItemError] = []
    digests = usage.known_digests(names=[_name(item[1]) for item in checked])
    accepted = duplicates = unpriced = 0
    book = rating.price_book()
    for index, draft, (quantities, context), _, _ in checked:
        known = digests.setdefault(_name(draft), set())
        digest = digest_v1(draft)
        if digest in known:
            duplicates += 1
        elif known:
            conflicts.append(ItemError.of(index, draft.id, _CONFLICT))
        else:
            accepted += 1
            known.add(digest)
            unpriced += usage.is_unpriced(
                book=book, draft=draft, quantities=quantities, context_tokens=context
            )
    return Receipt(
        accepted=accepted,
        duplicates=duplicates,
        conflicts=len(conflicts),
        rejected=len(rejected),
        unpriced=unpriced,
        batch=None,
        errors=tuple(sorted([*rejected, *conflicts], key=lambda error: error.index)),
    )


_CONFLICT = Problem(
    None,
    "conflict",
    "The id is stored with another payload, which stays; amend the event, or send a new id.",
)


def _name(draft: Draft) -> tuple[str, str]:
    return draft.source or "", draft.id
