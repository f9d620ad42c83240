"""Ties stored events to the audit chain: a digest an hour, not a record an event (rule 25)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction

from apps.audit import selectors as trail
from apps.audit import services as audit
from apps.core.db import current_schema
from apps.core.domain.access import Actor

SETTLED: Final = timedelta(hours=1)
"""Events younger than this wait for the next digest: older transactions may still commit."""

_ACTION: Final = "usage.witnessed"
_SUBJECT: Final = "usage"
_PAGE: Final = 500

_LAST: Final = "SELECT max(key) FROM {schema}.usage_event WHERE key > %s AND received_at <= %s"
_DIGEST: Final = """
SELECT count(*),
       encode(sha256(coalesce(string_agg(
           sha256(convert_to(to_jsonb(event)::text, 'UTF8')), ''::bytea ORDER BY event.key), ''
       )), 'hex')
  FROM {schema}.usage_event AS event
 WHERE event.key > %s AND event.key <= %s AND event.revision = 0 AND event.sign = 1
"""


@dataclass(frozen=True, slots=True)
class Witness:
    """The digest of the events with keys in (after, last], in their first revision."""

    after: int
    last: int
    events: int
    sha256: str


@transaction.atomic
def witness_events(*, actor: Actor, now: datetime) -> Witness | None:
    """Record the digest of all settled events that no digest covers; None when there are none.

    Later revisions are not covered: who corrects an event leaves an audit record of its own.
    """
    after = _last_witnessed()
    last = _one(_LAST, after, now - SETTLED)[0]
    if last is None:
        return None
    found = _witness(after, last)
    audit.record(
        actor=actor,
        action=_ACTION,
        subject=_SUBJECT,
        subject_id=f"{after + 1}-{last}",
        detail={
            "after": found.after,
            "last": found.last,
            "events": found.events,
            "sha256": found.sha256,
        },
        at=now,
    )
    return found


def broken_witnesses() -> list[Witness]:
    """Return the recorded digests that the stored events no longer give; none means intact."""
    return [noted for noted in _noted() if _witness(noted.after, noted.last) != noted]


def _noted() -> list[Witness]:
    found: list[Witness] = []
    before: int | None = None
    while page := trail.page(before=before, limit=_PAGE, action=_ACTION, subject=_SUBJECT):
        found += [Witness(**entry.detail) for entry in page]
        before = page[-1].sequence
    return found


def _last_witnessed() -> int:
    newest = trail.page(before=None, limit=1, action=_ACTION, subject=_SUBJECT)
    return int(newest[0].detail["last"]) if newest else 0


def _witness(after: int, last: int) -> Witness:
    count, digest = _one(_DIGEST, after, last)
    return Witness(after=after, last=last, events=count, sha256=digest)


def _one(statement: str, *values: int | datetime) -> tuple[Any, ...]:
    schema = connection.ops.quote_name(current_schema())
    with connection.cursor() as cursor:
        cursor.execute(statement.format(schema=schema), values)
        row: tuple[Any, ...] = cursor.fetchone()
    return row
