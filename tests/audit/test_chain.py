"""The audit chain: numbered and hashed by the database, and every tampering is found."""

from __future__ import annotations

import contextlib
import threading
from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django_tenants.utils import schema_context

from apps.audit import selectors, services
from apps.audit.domain.chain import GENESIS
from apps.core.domain.access import Role, Scope, system_actor
from tests.accounts.people import bearer, browser, person, service_key, signed_in

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


# Tampering by the owner of the tables, who can disable every guard -------------------------------

TAMPERED = {
    "changed": (
        "UPDATE {t} SET detail = '{{}}' WHERE sequence = (SELECT max(sequence) - 2 FROM {t})",
        {"changed"},
    ),
    "changed actor": ("UPDATE {t} SET actor = actor || 'x' WHERE sequence = 2", {"changed"}),
    "changed time": (
        "UPDATE {t} SET at = at + interval '1 microsecond' WHERE sequence = 2",
        {"changed"},
    ),
    "changed and rehashed": (
        "UPDATE {t} SET hash = repeat('a', 64) WHERE sequence = 2",
        {"changed", "reordered"},
    ),
    "removed in the middle": ("DELETE FROM {t} WHERE sequence = 2", {"removed"}),
    "removed at the start": ("DELETE FROM {t} WHERE sequence = 1", {"removed"}),
    "removed at the end": (
        "DELETE FROM {t} WHERE sequence = (SELECT max(sequence) FROM {t})",
        {"removed"},
    ),
    "removed all": ("DELETE FROM {t}", {"removed"}),
    "reordered": (
        "UPDATE {t} SET sequence = 5000 - sequence WHERE sequence IN (1, 2); "
        "UPDATE {t} SET sequence = sequence - 4997 WHERE sequence > 4000",
        {"changed", "reordered"},
    ),
}


@pytest.mark.parametrize("how", TAMPERED)
def test_tampering_is_found(fresh_tenant, owner_connection, how):
    write(4)
    connection.close()
    statements, kinds = TAMPERED[how]
    table = f'"{fresh_tenant.schema}".audit_auditrecord'
    owner_connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    owner_connection.execute(statements.format(t=table))
    owner_connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    assert {fault.kind for fault in selectors.faults()} == kinds
    with pytest.raises(CommandError, match="1 chain broken"):
        call_command("verify_audit", fresh_tenant.slug, stderr=StringIO())


def test_a_wholly_rewritten_chain_contradicts_its_witness(fresh_tenant, owner_connection):
    """Whoever owns the tables can forge a chain that holds, but not the head that a log kept."""
    write(2)
    noted = selectors.head()
    connection.close()
    table = f'"{fresh_tenant.schema}".audit_auditrecord'
    owner_connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER {_trigger('append_only')}")
    owner_connection.execute(f"DELETE FROM {table}")
    owner_connection.execute(
        f'UPDATE "{fresh_tenant.schema}".audit_audithead SET sequence = 0, hash = %s', [GENESIS]
    )
    write(noted.sequence)
    assert selectors.faults() == []
    witness = f"{noted.sequence}:{noted.hash}"
    assert [fault.kind for fault in selectors.contradictions(witness)] == ["changed"]
    with pytest.raises(CommandError):
        call_command("verify_audit", fresh_tenant.slug, witness=witness, stderr=StringIO())


def _trigger(name: str) -> str:
    return f"audit_auditrecord_{name}"


def test_the_command_says_that_all_is_well(acme):
    out = StringIO()
    call_command("verify_audit", "--all", stdout=out)
    lines = out.getvalue().splitlines()
    assert [line.split(":")[0] for line in lines] == ["public", "t_acme", "t_globex"]
    assert all("records intact, head" in line for line in lines)


def test_an_unknown_tenant_is_said_so_plainly(db):
    with pytest.raises(CommandError, match="There is no tenant 'nobody'"):
        call_command("verify_audit", "nobody")


def test_writers_at_the_same_time_leave_no_gap(fresh_tenant):
    def work(number: int) -> None:
        try:
            connection.set_schema(fresh_tenant.schema)
            for turn in range(10):
                with contextlib.suppress(Undone), transaction.atomic():
                    write(1)
                    if (number + turn) % 4 == 0:
                        raise Undone
        finally:
            connection.close()

    before = selectors.head().sequence
    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert selectors.head().sequence == before + 45
    assert selectors.faults() == []


class Undone(Exception):
    """Makes a transaction roll back."""


def test_each_tenant_has_its_own_chain(acme, globex):
    with schema_context(acme.schema):
        write(1)
        acme_head = selectors.head()
    with schema_context(globex.schema):
        before = selectors.head()
        write(1)
        assert selectors.head().sequence == before.sequence + 1
    with schema_context(acme.schema):
        assert selectors.head() == acme_head


def test_a_new_head_is_logged_once_committed(
    acme, caplog, monkeypatch, django_capture_on_commit_callbacks
):
    said = []
    monkeypatch.setattr(services.logger, "info", lambda text, extra: said.append((text, extra)))
    with django_capture_on_commit_callbacks(execute=True):
        write(1)
        assert said == []
    head = selectors.head()
    assert said == [
        (
            "audit.head",
            {
                "schema": "t_acme",
                "action": "thing.changed",
                "sequence": head.sequence,
                "hash": head.hash,
            },
        )
    ]


def test_history_is_of_one_thing_oldest_first(acme):
    write(3)
    write(3)
    entries = selectors.history(subject="thing", subject_id="thing-1")
    assert [entry.detail["n"] for entry in entries] == [1, 1]
    assert entries[0].sequence < entries[1].sequence


# The doors ---------------------------------------------------------------------------------------


def test_the_trail_over_the_api(acme):
    write(7)
    client, admin = browser("acme"), bearer(service_key(Scope.ADMIN))
    first = client.get("/api/v1/audit?page_size=3&subject=thing", headers=admin).json()
    assert [one["subject_id"] for one in first["results"]] == ["thing-6", "thing-5", "thing-4"]
    second = client.get(first["next"], headers=admin).json()
    assert [one["subject_id"] for one in second["results"]] == ["thing-3", "thing-2", "thing-1"]
    third = client.get(second["next"], headers=admin).json()
    assert [one["subject_id"] for one in third["results"]] == ["thing-0"]
    assert third["next"] is None
    for wrong in ("cursor=x", "cursor=-1", "page_size=0", "cursor=9999999999999999999999"):
        answer = client.get(f"/api/v1/audit?{wrong}", headers=admin)
        assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    verified = client.get("/api/v1/audit/verification", headers=admin).json()
    assert (verified["intact"], verified["faults"]) == (True, [])


def test_the_trail_as_a_page(acme):
    write(60)
    client = signed_in("acme", person(Role.OWNER))
    page = client.get("/settings/audit/?action=thing").content.decode()
    assert page.count("thing.changed") == 50
    assert "cursor=" in page
    verified = client.post("/settings/audit/verify/", follow=True).content.decode()
    assert "records are intact" in verified
