"""The audit chain: numbered and hashed by the database, and every tampering is found."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import DatabaseError, connection, transaction

from apps.audit import selectors, services
from apps.core.domain.access import system_actor

AT = datetime(2026, 11, 1, 10, 20, 30, 123456, tzinfo=UTC)


def write(count: int) -> None:
    for number in range(count):
        services.record(
            actor=system_actor("tests"),
            action="thing.changed",
            subject="thing",
            subject_id=f"thing-{number}",
            detail={"amount": Decimal("1.50"), "naïve": "ü\u2028", "n": number},
            at=AT,
        )


def test_a_record_follows_the_one_before(acme):
    before = selectors.head()
    write(2)
    first, second = selectors.page(before=None, limit=2)[::-1]
    assert (first.sequence, second.sequence) == (before.sequence + 1, before.sequence + 2)
    assert selectors.head() == selectors.Head(second.sequence, second.hash)
    assert second.detail == {"amount": "1.5", "naïve": "ü\u2028", "n": 1}
    assert second.at == AT
    assert selectors.faults() == []


def test_provisioning_is_in_the_chain_of_the_tenant(acme):
    actions = [entry.action for entry in selectors.page(before=None, limit=50)]
    assert "tenant.provisioned" in actions
    assert "person.invited" in actions


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_auditrecord SET actor = 'nobody'",
        "DELETE FROM audit_auditrecord",
        "TRUNCATE audit_auditrecord",
        "UPDATE audit_audithead SET sequence = 0",
        "DELETE FROM audit_audithead",
        "INSERT INTO audit_audithead (id, sequence, hash) VALUES (1, 0, '')",
        "ALTER TABLE audit_auditrecord DISABLE TRIGGER ALL",
        "DROP TRIGGER audit_auditrecord_link ON audit_auditrecord",
        "CREATE OR REPLACE FUNCTION audit_link() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RETURN NEW; END $$",
    ],
)
def test_the_application_can_only_append(acme, statement):
    write(1)
    head = selectors.head()
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert selectors.head() == head
    assert selectors.faults() == []


def test_what_an_insert_claims_about_the_chain_is_ignored(acme):
    before = selectors.head()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit_auditrecord (sequence, prev_hash, hash, at, actor_kind, actor, "
            "action, subject, subject_id, detail) VALUES "
            "(999, 'x', 'y', now(), 'user', 'a', 'a.b', 's', '1', '{}')"
        )
    assert selectors.head().sequence == before.sequence + 1
    assert selectors.faults() == []
