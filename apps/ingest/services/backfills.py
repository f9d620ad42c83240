"""Opens backfills and takes what is posted into them; nothing of it counts before the close."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec
from django.db import IntegrityError, transaction

from apps.accounts import services as accounts
from apps.audit import services as audit
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Conflict, FieldError, Invalid, Missing, TooLarge
from apps.ingest.domain.receipt import ItemError, Receipt
from apps.ingest.models import Backfill, BackfillEvent
from apps.ingest.selectors import require_whole_sight
from apps.ingest.services.prepare import checked_only
from apps.periods import selectors as periods
from apps.periods import services as period_services
from apps.periods.domain.calendar import State
from apps.rating import selectors as rating
from apps.usage import services as usage
from apps.usage.domain.checks import tags_problem
from apps.usage.domain.digest import digest_v1
from apps.usage.domain.drafts import Draft, Problem, Rejected, SealedDraft, write_exact

MOST: Final = 100_000
"""Events that one backfill may hold, and that it may replace."""

_LONGEST: Final = 200
_TICK: Final = timedelta(microseconds=1)
_payload: Final = msgspec.json.Encoder(enc_hook=write_exact)


class BackfillNotValid(Invalid):
    """A field of the scope cannot be right."""

    default_code = "backfill_not_valid"


class BackfillOverlaps(Conflict):
    """Another open backfill replaces usage of the same source and time."""

    default_code = "backfill_overlap"


class BackfillNotOpen(Conflict):
    """The backfill was closed or abandoned."""

    default_code = "backfill_not_open"


class BackfillUnknown(Missing):
    """There is no such backfill."""

    default_code = "backfill_not_found"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillDraft:
    """Which usage is to be replaced: of a source, used in [starts_at, ends_at), with these tags."""

    source: str
    starts_at: datetime
    ends_at: datetime
    reason: str
    tags: Mapping[str, str]


def open_backfill(*, draft: BackfillDraft, actor: Actor, now: datetime) -> UUID:
    """Open a backfill of usage that lies in open months; return its public id.

    What its close replaces are the events of the scope that came before this moment. Usage that
    comes through other doors meanwhile is stored as ever, and stays.

    :raises BackfillNotValid: when a field cannot be right; names it.
    :raises PeriodNotOpen: when a month of the scope is frozen or closed.
    :raises BackfillOverlaps: when another open one replaces usage of that source and time.
    :raises Forbidden: when the actor lacks usage:correct, or sees some of the usage only.
    """
    require_corrector(actor)
    _refuse(_faults(draft))
    with transaction.atomic():
        _require_open(draft)
        row = _create(draft, actor, now)
        record(row, "opened", actor=actor, now=now, reason=row.reason)
    return row.public_id


def post_events(
    *, backfill: UUID, drafts: Sequence[Draft | Rejected], actor: Actor, received_at: datetime
) -> Receipt:
    """Keep events for the close of a backfill and return a receipt for every item.

    The same payload again is a duplicate, another payload of the same id a conflict. Items outside
    of the scope, and ids of events that stand outside of it, are rejected.

    :raises BackfillNotOpen: when it was closed or abandoned.
    :raises TooLarge: when it would hold more than 100,000 events.
    :raises RateLimited: when the key or its organization sends too many events a second.
    """
    require_corrector(actor)
    accounts.charge_events(len(drafts))
    with transaction.atomic():
        row = held(backfill)
        rejected, checked = checked_only(
            drafts=drafts, actor=actor, calendar=periods.calendar(), received_at=received_at
        )
        desk = _Desk(row, [item[1] for item in checked])
        book = rating.price_book()
        unpriced = 0
        for index, one, (quantities, context), _, _ in checked:
            if desk.take(index, one):
                unpriced += usage.is_unpriced(
                    book=book, draft=one, quantities=quantities, context_tokens=context
                )
        desk.store(actor, received_at)
    errors = sorted([*rejected, *desk.errors], key=lambda error: error.index)
    return Receipt(
        accepted=len(desk.new),
        duplicates=desk.duplicates,
        conflicts=desk.conflicts,
        rejected=len(rejected) + len(desk.errors) - desk.conflicts,
        unpriced=unpriced,
        batch=None,
        errors=tuple(errors),
    )


@transaction.atomic
def abandon_backfill(*, backfill: UUID, actor: Actor, now: datetime) -> None:
    """Give an open backfill up; what was posted into it never counts, and is kept.

    :raises BackfillNotOpen: when it was closed or abandoned.
    """
    require_corrector(actor)
    row = held(backfill)
    Backfill.objects.filter(pk=row.pk).update(
        state=Backfill.State.ABANDONED, settled_by=actor.label, settled_at=now
    )
    record(row, "abandoned", actor=actor, now=now)


def require_corrector(actor: Actor) -> None:
    """Pass who may correct usage and sees all of it.

    :raises Forbidden: when the actor may not, or sees some of it only.
    """
    actor.require(Scope.USAGE_CORRECT)
    require_whole_sight(actor)


def held(backfill: UUID) -> Backfill:
    """Lock an open backfill until the transaction ends: posts and the close follow each other.

    :raises BackfillUnknown: when there is none.
    :raises BackfillNotOpen: when it was closed or abandoned.
    """
    row = Backfill.objects.select_for_update().filter(public_id=backfill).first()
    if row is None:
        raise BackfillUnknown(f"There is no backfill {backfill}.")
    if row.state != Backfill.State.OPEN:
        raise BackfillNotOpen(f"The backfill is {row.state}; open another one.")
    return row


def scope_of(row: Backfill) -> usage.Scope:
    """Return the events that a backfill replaces."""
    return usage.Scope(row.source, row.starts_at, row.ends_at, row.tags, row.opened_at)


def record(row: Backfill, verb: str, *, actor: Actor, now: datetime, **more: object) -> None:
    """Audit what was done to a backfill; the last statement of a service."""
    audit.record(
        actor=actor,
        action=f"backfill.{verb}",
        subject="backfill",
        subject_id=str(row.public_id),
        detail={
            "source": row.source,
            "starts_at": row.starts_at,
            "ends_at": row.ends_at,
            "tags": row.tags,
            **more,
        },
        at=now,
    )


class _Desk:
    """Tells the items of a post apart: new, posted before, in conflict, outside of the scope."""

    def __init__(self, row: Backfill, drafts: Iterable[Draft]) -> None:
        self.new: dict[str, SealedDraft] = {}
        self.errors: list[ItemError] = []
        self.duplicates = self.conflicts = 0
        self._row = row
        ids = {draft.id for draft in drafts}
        posted = BackfillEvent.objects.filter(backfill=row, event_id__in=ids)
        self._posted = {
            name: bytes(digest) for name, digest in posted.values_list("event_id", "digest")
        }
        self._outside = usage.ids_outside(scope=scope_of(row), ids=ids)

    def take(self, index: int, draft: Draft) -> bool:
        """Take an item if it is new; tell whether it is."""
        digest = digest_v1(draft)
        problem = self._problem(draft)
        known = self._posted.get(draft.id)
        if problem is None and known is None:
            self._posted[draft.id] = digest
            self.new[draft.id] = _sealed(draft, digest)
            return True
        if problem is None and known != digest:
            problem = _CONFLICT
            self.conflicts += 1
        if problem is None:
            self.duplicates += 1
        else:
            self.errors.append(ItemError.of(index, draft.id, problem))
        return False

    def store(self, actor: Actor, at: datetime) -> None:
        """Keep what is new.

        :raises TooLarge: when the backfill would hold too many.
        """
        if len(self.new) + BackfillEvent.objects.filter(backfill=self._row).count() > MOST:
            raise TooLarge(
                f"A backfill holds at most {MOST:,} events; open several for parts of the time.",
                code="backfill_too_large",
            )
        BackfillEvent.objects.bulk_create(
            [
                BackfillEvent(
                    backfill=self._row,
                    event_id=name,
                    digest=draft.sealed,
                    payload=_payload.encode(draft),
                    posted_by=actor.label,
                    posted_at=at,
                )
                for name, draft in sorted(self.new.items())
            ],
            batch_size=2_000,
        )

    def _problem(self, draft: Draft) -> Problem | None:
        row = self._row
        if draft.source != row.source:
            return Problem(
                "source", "outside_scope", f"The backfill is of the source {row.source}."
            )
        if not row.starts_at <= draft.time < row.ends_at:
            return Problem("time", "outside_scope", "The time lies outside of the backfill's.")
        sent = draft.tags or {}
        for key, value in row.tags.items():
            if sent.get(key) != value:
                text = f"The backfill is of events with {key}={value}."
                return Problem(f"tags.{key}", "outside_scope", text)
        if draft.id in self._outside:
            return _STANDS_OUTSIDE
        return None


_CONFLICT: Final = Problem(
    None, "conflict", "The id was posted into this backfill with another payload, which stays."
)
_STANDS_OUTSIDE: Final = Problem(
    "id",
    "outside_scope",
    "An event of this id stands outside of the backfill's time or tags; amend that one instead.",
)


def _sealed(draft: Draft, digest: bytes) -> SealedDraft:
    """Return the draft with the digest it came with, so that reading it back changes nothing."""
    said = {name: getattr(draft, name) for name in Draft.__struct_fields__}
    return SealedDraft(**said, sealed=digest)


def _create(draft: BackfillDraft, actor: Actor, now: datetime) -> Backfill:
    try:
        with transaction.atomic():
            return Backfill.objects.create(
                public_id=uuid.uuid4(),
                source=draft.source,
                starts_at=draft.starts_at,
                ends_at=draft.ends_at,
                tags=dict(sorted(draft.tags.items())),
                reason=draft.reason.strip(),
                opened_by=actor.label,
                opened_at=now,
            )
    except IntegrityError as error:
        if "ingest_backfill_one_open_at_a_time" not in str(error):
            raise
        raise BackfillOverlaps(
            "Another open backfill is of this source at some of this time. Close or abandon it."
        ) from error


def _require_open(draft: BackfillDraft) -> None:
    """Hold the months of the scope, which must be open.

    :raises PeriodNotOpen: naming the first that is not.
    """
    wanted = [
        period.month
        for period in periods.calendar().periods
        if period.starts_at < draft.ends_at and draft.starts_at < period.ends_at
    ]
    for month, state in sorted(period_services.hold_open(months=wanted).items()):
        if state is not State.OPEN:
            raise period_services.PeriodNotOpen(
                f"{month} is {state.value}; a backfill replaces usage of open months. Correct "
                "single events of closed ones by void and amend."
            )


def _faults(draft: BackfillDraft) -> list[FieldError]:
    found: list[FieldError] = []
    if not draft.source or len(draft.source.encode()) > _LONGEST or "\x00" in draft.source:
        found.append(FieldError("source", "source", "Name the source, in 1 to 200 bytes."))
    if not draft.reason.strip() or "\x00" in draft.reason:
        found.append(FieldError("reason", "required", "Say why; the reason is kept."))
    problem = tags_problem(draft.tags)
    if problem is not None:
        found.append(FieldError(problem.field or "tags", problem.code, problem.message))
    return found or _time_faults(draft)


def _time_faults(draft: BackfillDraft) -> list[FieldError]:
    for name, at in (("starts_at", draft.starts_at), ("ends_at", draft.ends_at)):
        if at.tzinfo is None:
            return [FieldError(name, "timezone", "Write the moment with its offset.")]
    if draft.ends_at <= draft.starts_at:
        return [FieldError("ends_at", "order", "End the time after it starts.")]
    calendar = periods.calendar().periods
    if draft.starts_at < calendar[0].starts_at:
        text = f"The first period, {calendar[0].month}, begins later."
        return [FieldError("starts_at", "time_before_first_period", text)]
    if draft.ends_at - _TICK >= calendar[-1].ends_at:
        text = f"The calendar ends with {calendar[-1].month}."
        return [FieldError("ends_at", "time_after_last_period", text)]
    return []


def _refuse(faults: list[FieldError]) -> None:
    if faults:
        raise BackfillNotValid(faults[0].message, errors=tuple(faults))
