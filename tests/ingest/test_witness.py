"""Digests of events in the audit chain: they cover each event once and notice tampering."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.audit import selectors as audit
from apps.core.domain.access import system_actor
from apps.ingest.services.witness import SETTLED, broken_witnesses, witness_events
from apps.ingest.tasks import witness_everywhere
from tests.ingest.factories import NOW, event, send

SYSTEM = system_actor("tests")


def test_settled_events_are_witnessed_once(acme: Any) -> None:
    send([event("a"), event("b")])
    send([event("young")], received_at=NOW + SETTLED)
    first = witness_events(actor=SYSTEM, now=NOW + SETTLED)
    assert first is not None
    assert first.events == 2
    assert witness_events(actor=SYSTEM, now=NOW + SETTLED) is None
    second = witness_events(actor=SYSTEM, now=NOW + 2 * SETTLED)
    assert second is not None
    assert (second.after, second.events) == (first.last, 1)
    assert broken_witnesses() == []
    assert audit.faults() == []


def test_nothing_settled_leaves_no_record(acme: Any) -> None:
    before = audit.head()
    send([event("a")])
    assert witness_events(actor=SYSTEM, now=NOW + timedelta(minutes=59)) is None
    assert audit.head() == before


def test_a_changed_event_is_noticed(fresh_tenant: Any, owner_connection: Any) -> None:
    send([event("a"), event("b")])
    witness_everywhere()
    call_command("verify_audit", fresh_tenant.slug)
    table = f"{fresh_tenant.schema}.usage_event"
    with owner_connection.cursor() as cursor:
        cursor.execute(
            "SELECT tableoid::regclass::text FROM " + table + " WHERE event_id = 'a' LIMIT 1"
        )
        partition = cursor.fetchone()[0]
        cursor.execute(f"ALTER TABLE {partition} DISABLE TRIGGER USER")
        cursor.execute(f"UPDATE {partition} SET context_tokens = 1 WHERE event_id = 'a'")
    assert [witness.events for witness in broken_witnesses()] == [2]
    with pytest.raises(CommandError, match="1 chain broken"):
        call_command("verify_audit", fresh_tenant.slug)
