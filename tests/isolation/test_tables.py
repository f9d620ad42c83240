"""Every table, after whole months of two tenants: each row lies where it belongs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.apps import apps as registry
from django.conf import settings
from django.db import connection
from django_tenants.utils import schema_context

from tests.isolation.journey import month

# Tables that a month need not fill. A new table either gets a row in the journey or a line here.
MAY_BE_EMPTY = {
    "auth_group",
    "auth_group_permissions",
    "django_admin_log",
    "django_session",
    "usage_pricecorrection",
}


@pytest.fixture(autouse=True)
def store(settings: Any, tmp_path: Path) -> Path:
    """Keep documents in a folder of the test."""
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path)},
        },
    }
    return tmp_path


def tables(schema: str) -> list[str]:
    """Return the plain tables of a schema, partitions by themselves."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace "
            "AND relkind = 'r' ORDER BY relname",
            [schema],
        )
        return [name for (name,) in cursor.fetchall()]


def contents(schema: str) -> dict[str, tuple[int, str]]:
    """Return, for each table, how many rows it has and a digest of all of them."""
    found = {}
    with connection.cursor() as cursor:
        for table in tables(schema):
            cursor.execute(
                "SELECT count(*), md5(coalesce(string_agg(r::text, E'\\n' ORDER BY r::text), '')) "
                f'FROM "{schema}"."{table}" AS r'
            )
            found[table] = cursor.fetchone()
    return found


def holding(schema: str, text: str) -> dict[str, int]:
    """Return the tables of a schema in which rows contain a text, with their number."""
    found = {}
    with connection.cursor() as cursor:
        for table in tables(schema):
            cursor.execute(
                f'SELECT count(*) FROM "{schema}"."{table}" AS r WHERE r::text LIKE %s',
                [f"%{text}%"],
            )
            if count := cursor.fetchone()[0]:
                found[table] = count
    return found


def test_a_month_of_one_tenant_leaves_no_row_elsewhere(acme, globex):
    with schema_context(acme.schema):
        before = {schema: contents(schema) for schema in ("t_globex", "public")}
        list(month("marker-one"))
        after = {schema: contents(schema) for schema in ("t_globex", "public")}
        assert after == before
        filled = holding("t_acme", "marker-one")
        rows = contents("t_acme")
    assert len(filled) > 12
    parents = _partitions(acme.schema)
    empty = {
        parents.get(table, table)
        for table, (count, _) in rows.items()
        if count == 0 and not any(_filled(rows, parents, parents.get(table, table)))
    }
    assert not empty - MAY_BE_EMPTY, (
        f"no row in {sorted(empty - MAY_BE_EMPTY)}: let tests/isolation/journey.py write one, so "
        "that isolation is tested there too, or add the table to MAY_BE_EMPTY"
    )


def test_two_tenants_on_one_thread_never_mix(acme, globex):
    """Each step alternates between the tenants: COPY, raw SQL, caches and closes included."""
    lives = {"t_acme": month("marker-one"), "t_globex": month("marker-two")}
    going = dict(lives)
    while going:
        for schema in list(going):
            with schema_context(schema):
                if next(going[schema], None) is None:
                    del going[schema]
    for schema, own, other in (
        ("t_acme", "marker-one", "marker-two"),
        ("t_globex", "marker-two", "marker-one"),
    ):
        assert holding(schema, own)
        assert holding(schema, other) == {}
        assert holding("public", own) == {}
        with schema_context(schema), connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM usage_event")
            # 60, a usage object, one of a backfill, a reversal, an amendment's two rows
            assert cursor.fetchone() == (65,)
            cursor.execute("SELECT count(*) FROM costs_billline")
            assert cursor.fetchone() == (2,)


def test_the_files_of_a_tenant_lie_in_its_own_folder(acme, store):
    list(month("marker-one"))
    files = [path.relative_to(store).parts[0] for path in store.rglob("*") if path.is_file()]
    assert files
    assert set(files) == {"t_acme"}


def test_public_has_only_the_tables_of_shared_apps(db):
    shared = {name.rsplit(".", 1)[-1] for name in settings.SHARED_APPS}
    allowed = {
        model._meta.db_table
        for config in registry.get_app_configs()
        if config.name in settings.SHARED_APPS or config.label in shared
        for model in config.get_models(include_auto_created=True)
    }
    assert set(tables("public")) - allowed == {"django_migrations"}


@pytest.mark.parametrize("schema", ["t_acme", "t_globex"])
def test_a_tenant_has_no_table_of_shared_apps(db, schema):
    only_shared = [name for name in settings.SHARED_APPS if name not in settings.TENANT_APPS]
    foreign = {
        model._meta.db_table
        for config in registry.get_app_configs()
        if config.name in only_shared
        for model in config.get_models(include_auto_created=True)
    }
    assert set(tables(schema)) & foreign == set()


def test_every_tenant_table_has_a_primary_key_and_is_logged(db):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 't_acme'::regnamespace "
            "AND relkind IN ('r', 'p') AND (relpersistence <> 'p' OR NOT EXISTS ("
            "SELECT 1 FROM pg_constraint WHERE conrelid = pg_class.oid AND contype = 'p'))"
        )
        assert cursor.fetchall() == []


def test_no_foreign_key_leaves_its_schema(db):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname FROM pg_constraint AS key "
            "JOIN pg_class AS here ON here.oid = key.conrelid "
            "JOIN pg_class AS there ON there.oid = key.confrelid "
            "WHERE contype = 'f' AND here.relnamespace <> there.relnamespace"
        )
        assert cursor.fetchall() == []


def test_the_application_may_not_truncate_own_or_change_any_table(db):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relnamespace::regnamespace, relname FROM pg_class "
            "WHERE relkind IN ('r', 'p') AND relnamespace::regnamespace::text ~ '^(t_|public)' "
            "AND (pg_get_userbyid(relowner) = current_user "
            "OR has_table_privilege(oid, 'TRUNCATE') OR has_table_privilege(oid, 'TRIGGER'))"
        )
        assert cursor.fetchall() == []


def _partitions(schema: str) -> dict[str, str]:
    """Return the parent of each partition of a schema."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT child.relname, parent.relname FROM pg_inherits "
            "JOIN pg_class AS child ON child.oid = inhrelid "
            "JOIN pg_class AS parent ON parent.oid = inhparent "
            "WHERE child.relnamespace = %s::regnamespace",
            [schema],
        )
        return dict(cursor.fetchall())


def _filled(rows: dict[str, tuple[int, str]], parents: dict[str, str], table: str) -> list[bool]:
    """Tell for a table, or for each partition of it, whether it has rows."""
    return [count > 0 for name, (count, _) in rows.items() if parents.get(name, name) == table]
