"""Writes the audit trail of the current schema."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from django.db import connection, transaction

from apps.audit.domain.chain import Head
from apps.core.db import current_schema
from apps.core.domain.access import Actor
from apps.core.domain.canonical import canonical_json

logger = logging.getLogger("audit")

_INSERT: Final = """
INSERT INTO {schema}.audit_auditrecord
    (sequence, prev_hash, hash, at, actor_kind, actor, user_id, action, subject, subject_id, detail)
VALUES (0, '', '', %s, %s, %s, %s, %s, %s, %s, %s::jsonb)
RETURNING sequence, hash
"""


def record(
    *,
    actor: Actor,
    action: str,
    subject: str,
    subject_id: str,
    detail: Mapping[str, object],
    at: datetime,
) -> Head:
    """Append one record; call it as the last statement of a service, inside its transaction.

    The chain's head stays locked until that transaction ends (rule 9: last before COMMIT).
    `action` is `noun.verb`; `detail` may hold decimals, dates and UUIDs, no secrets. The new head
    is logged once committed, so that the log witnesses the chain from outside the database.

    :raises django.db.IntegrityError: when `action` is not of that form.
    """
    schema = current_schema()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            _INSERT.format(schema=connection.ops.quote_name(schema)),
            [
                at,
                actor.kind,
                actor.label,
                actor.user_id,
                action,
                subject,
                subject_id,
                canonical_json(detail).decode(),
            ],
        )
        head = Head(*cursor.fetchone())
    transaction.on_commit(lambda: _witness(schema, action, head))
    return head


def _witness(schema: str, action: str, head: Head) -> None:
    logger.info(
        "audit.head",
        extra={"schema": schema, "action": action, "sequence": head.sequence, "hash": head.hash},
    )
