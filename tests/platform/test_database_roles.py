"""The role the application runs as can use rows and nothing else; the owner can do the rest."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import ProgrammingError, connection, transaction
from django.db.transaction import TransactionManagementError

from apps.core.db import as_owner


def role() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        return str(cursor.fetchone()[0])


@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE accounts_user CASCADE",
        "DROP TABLE accounts_user CASCADE",
        "ALTER TABLE audit_auditrecord DISABLE TRIGGER ALL",
        "CREATE TABLE mine (id int)",
        "CREATE SCHEMA mine",
        "CREATE TABLE public.mine (id int)",
        "SET ROLE finops_owner",
        "ALTER ROLE finops_app SUPERUSER",
        "SET session_replication_role = replica",
        "COPY accounts_user TO PROGRAM 'cat'",
    ],
)
def test_application_role_may_not_change_structure(acme: Any, statement: str) -> None:
    assert role() == "finops_app"
    with (
        pytest.raises(ProgrammingError, match=r"denied|must be owner|permission|privilege"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


def test_application_role_owns_nothing(owner_connection: psycopg.Connection) -> None:
    owned = owner_connection.execute(
        """
        SELECT relname FROM pg_class WHERE relowner = 'finops_app'::regrole
        UNION ALL SELECT proname FROM pg_proc WHERE proowner = 'finops_app'::regrole
        UNION ALL SELECT nspname FROM pg_namespace WHERE nspowner = 'finops_app'::regrole
        """
    ).fetchall()
    assert owned == []


def test_every_table_of_every_schema_is_usable(owner_connection: psycopg.Connection) -> None:
    unusable = owner_connection.execute(
        """
        SELECT schemaname || '.' || tablename FROM pg_tables
        WHERE (schemaname = 'public' OR schemaname LIKE 't\\_%')
          AND NOT (has_table_privilege('finops_app', quote_ident(schemaname) || '.'
                   || quote_ident(tablename), 'SELECT')
               AND has_schema_privilege('finops_app', schemaname, 'USAGE'))
        """
    ).fetchall()
    assert unusable == []


def test_as_owner_swaps_the_role_and_keeps_the_schema(fresh_tenant: Any) -> None:
    with as_owner():
        assert role() == "finops_owner"
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_schema()")
            assert cursor.fetchone()[0] == fresh_tenant.schema
        with as_owner():
            assert role() == "finops_owner"
        assert role() == "finops_owner"
    assert role() == "finops_app"


def test_as_owner_comes_back_after_an_error(committed_db: None) -> None:
    with pytest.raises(ValueError, match="inside"), as_owner():
        raise ValueError("inside")
    assert role() == "finops_app"


def test_as_owner_refuses_inside_a_transaction(acme: Any) -> None:
    with pytest.raises(TransactionManagementError), as_owner():
        pass
    assert role() == "finops_app"


def test_as_owner_needs_the_owners_password(committed_db: None, settings: Any) -> None:
    settings.OWNER_DATABASE = None
    with pytest.raises(ImproperlyConfigured, match="OWNER_DATABASE_URL"), as_owner():
        pass


def test_tenants_do_not_leak_between_fixtures(acme: Any, globex: Any) -> None:
    assert (acme.currency, globex.currency) == ("USD", "EUR")
    assert connection.schema_name == globex.schema
