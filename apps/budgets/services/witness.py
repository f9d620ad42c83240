"""Ties decisions and holds to the audit chain: a digest an hour, not a record each (rule 25)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction

from apps.audit import selectors as trail
from apps.audit import services as audit
from apps.core.db import current_schema
from apps.core.domain.access import Actor

SETTLED: Final = timedelta(hours=1)
"""Decisions younger than this wait for the next digest: older transactions may still commit."""

_ACTION: Final = "guardrails.witnessed"
_SUBJECT: Final = "guardrails"
_PAGE: Final = 500
_LAST: Final = """
SELECT max(id) FROM {schema}.budgets_guardraildecision WHERE id > %s AND at <= %s
"""
_DIGEST: Final = """
SELECT count(*), encode(sha256(coalesce(string_agg(sha256(convert_to(concat_ws('|',
           to_jsonb(d)::text, h.public_id, h.scope::text, h.amount, h.currency, h.made_by,
           h.created_at), 'UTF8')), ''::bytea ORDER BY d.id), '')), 'hex')
  FROM {schema}.budgets_guardraildecision AS d
  LEFT JOIN {schema}.budgets_hold AS h ON h.public_id = d.hold
 WHERE d.id > %s AND d.id <= %s
"""


@dataclass(frozen=True, slots=True)
class DecisionWitness:
    """The digest of the decisions with numbers in (after, last], and of the holds they made."""

    after: int
    last: int
    decisions: int
    sha256: str


@transaction.atomic
def witness_decisions(*, actor: Actor, now: datetime) -> DecisionWitness | None:
    """Record the digest of all settled decisions that no digest covers; None without any."""
    newest = trail.page(before=None, limit=1, action=_ACTION, subject=_SUBJECT)
    after = int(newest[0].detail["last"]) if newest else 0
    last = _one(_LAST, after, now - SETTLED)[0]
    if last is None:
        return None
    found = _witness(after, last)
    audit.record(
        actor=actor,
        action=_ACTION,
        subject=_SUBJECT,
        subject_id=f"{after + 1}-{last}",
        detail=asdict(found),
        at=now,
    )
    return found


def broken_witnesses() -> list[DecisionWitness]:
    """Return the recorded digests that the stored rows no longer give; none means intact."""
    return [noted for noted in _noted() if _witness(noted.after, noted.last) != noted]


def _noted() -> list[DecisionWitness]:
    found: list[DecisionWitness] = []
    before: int | None = None
    while page := trail.page(before=before, limit=_PAGE, action=_ACTION, subject=_SUBJECT):
        found += [DecisionWitness(**entry.detail) for entry in page]
        before = page[-1].sequence
    return found


def _witness(after: int, last: int) -> DecisionWitness:
    count, digest = _one(_DIGEST, after, last)
    return DecisionWitness(after=after, last=last, decisions=count, sha256=digest)


def _one(statement: str, *values: int | datetime) -> tuple[Any, ...]:
    schema = connection.ops.quote_name(current_schema())
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL TIME ZONE 'UTC'")
        cursor.execute(statement.replace("{schema}", schema), values)
        row: tuple[Any, ...] = cursor.fetchone()
    return row
