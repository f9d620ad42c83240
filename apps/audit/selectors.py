"""Questions about the audit trail of the current schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection

from apps.audit.domain import chain
from apps.audit.domain.chain import Fault, Head
from apps.audit.models import AuditHead, AuditRecord
from apps.core.db import current_schema
from apps.core.domain.errors import Invalid

__all__ = ["Entry", "Fault", "Head", "contradictions", "faults", "head", "history", "page"]

_BATCH: Final = 2000


@dataclass(frozen=True, slots=True)
class Entry:
    """One record as people read it."""

    sequence: int
    at: datetime
    actor: str
    actor_kind: str
    action: str
    subject: str
    subject_id: str
    detail: Mapping[str, Any]
    hash: str


def head() -> Head:
    """Return the end of the chain, sequence 0 when nothing was recorded."""
    row = AuditHead.objects.get(pk=1)
    return Head(row.sequence, row.hash)


def history(*, subject: str, subject_id: str) -> list[Entry]:
    """Return what happened to one thing, oldest first."""
    rows = AuditRecord.objects.filter(subject=subject, subject_id=subject_id)
    return [_entry(row) for row in rows.order_by("sequence")]


def page(
    *, before: int | None, limit: int, action: str = "", actor: str = "", subject: str = ""
) -> list[Entry]:
    """Return up to `limit` records below a sequence, newest first; filters match from the start."""
    rows = AuditRecord.objects.order_by("-sequence")
    if before is not None:
        rows = rows.filter(sequence__lt=before)
    if action:
        rows = rows.filter(action__startswith=action)
    if actor:
        rows = rows.filter(actor__istartswith=actor)
    if subject:
        rows = rows.filter(subject=subject)
    return [_entry(row) for row in rows[:limit]]


def faults() -> list[Fault]:
    """Read the whole chain in batches and return where it does not hold; none means intact.

    The head is read first: records that are appended meanwhile are left out.
    """
    end = head()
    return list(chain.faults(_links(end.sequence), end))


def contradictions(witness: str) -> list[Fault]:
    """Return what in the chain contradicts a head noted elsewhere as `SEQUENCE:HASH`.

    It finds what the chain alone cannot: that everything since was written anew by the owner of
    the tables. An empty witness contradicts nothing.
    """
    if not witness:
        return []
    number, _, noted = witness.partition(":")
    if not number.isdigit() or len(noted) != 64:
        raise Invalid("Write the witness as SEQUENCE:HASH, as in the log.", code="witness")
    stored = AuditRecord.objects.filter(pk=int(number)).values_list("hash", flat=True).first()
    if stored == noted:
        return []
    return [Fault(int(number), "changed", "Its hash is not the one that was noted elsewhere.")]


_LINKS: Final = """
SELECT sequence, prev_hash, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
       actor_kind, actor, user_id::text, action, subject, subject_id, detail::text, hash
  FROM {schema}.audit_auditrecord
 WHERE sequence > %s AND sequence <= %s
 ORDER BY sequence
 LIMIT %s
"""


def _links(last: int) -> Iterator[chain.Link]:
    statement = _LINKS.format(schema=connection.ops.quote_name(current_schema()))
    done = -1
    while True:
        with connection.cursor() as cursor:
            cursor.execute(statement, [done, last, _BATCH])
            rows = cursor.fetchall()
        yield from (chain.Link(*row) for row in rows)
        if len(rows) < _BATCH:
            return
        done = rows[-1][0]


def _entry(row: AuditRecord) -> Entry:
    return Entry(
        sequence=row.sequence,
        at=row.at,
        actor=row.actor,
        actor_kind=row.actor_kind,
        action=row.action,
        subject=row.subject,
        subject_id=row.subject_id,
        detail=row.detail,
        hash=row.hash,
    )
