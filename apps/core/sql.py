"""SQL that makes the database itself hold cross-row truths; used by migrations only.

Triggers qualify every table with TG_TABLE_SCHEMA and take the table's name as an argument, so
that they also work on the shards of a distributed schema (docs/tenancy.md).
"""

from __future__ import annotations

from django.db import migrations

_REFUSE = """
CREATE OR REPLACE FUNCTION core_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $fn$
BEGIN
    RAISE EXCEPTION '% on % is refused: its rows are append-only', TG_OP, TG_ARGV[0]
        USING ERRCODE = 'integrity_constraint_violation', HINT = 'append_only';
END $fn$
"""

_REFUSE_SEALED = """
CREATE OR REPLACE FUNCTION core_refuse_sealed() RETURNS trigger LANGUAGE plpgsql AS $fn$
BEGIN
    IF (to_jsonb(OLD) ->> TG_ARGV[1]) = ANY (string_to_array(TG_ARGV[2], ',')) THEN
        RAISE EXCEPTION '% on % is refused: the row is sealed', TG_OP, TG_ARGV[0]
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'sealed';
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $fn$
"""

_REFUSE_SEALED_LINE = """
CREATE OR REPLACE FUNCTION core_refuse_sealed_line() RETURNS trigger LANGUAGE plpgsql AS $fn$
DECLARE
    parent_id text := COALESCE(to_jsonb(NEW), to_jsonb(OLD)) ->> TG_ARGV[2];
    old_parent_id text := to_jsonb(OLD) ->> TG_ARGV[2];
    sealed boolean;
BEGIN
    EXECUTE format(
        'SELECT EXISTS (SELECT 1 FROM %I.%I WHERE id::text IN ($1, $2) AND %I::text = ANY ($3))',
        TG_TABLE_SCHEMA, TG_ARGV[1], TG_ARGV[3])
        INTO sealed USING parent_id, old_parent_id, string_to_array(TG_ARGV[4], ',');
    IF sealed THEN
        RAISE EXCEPTION '% on % is refused: its parent is sealed', TG_OP, TG_ARGV[0]
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'sealed';
    END IF;
    RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END $fn$
"""


def append_only(table: str) -> list[migrations.RunSQL]:
    """Return operations after which the table takes INSERT and nothing else, TRUNCATE included."""
    return [
        migrations.RunSQL(_REFUSE, migrations.RunSQL.noop),
        migrations.RunSQL(
            f'CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON "{table}" '
            f"FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change('{table}')",
            f'DROP TRIGGER {table}_append_only ON "{table}"',
        ),
        _no_truncate(table),
    ]


def seals_when(
    table: str, *, column: str, states: tuple[str, ...], lines: tuple[tuple[str, str], ...] = ()
) -> list[migrations.RunSQL]:
    """Return operations after which a row whose `column` is in `states` refuses change.

    `lines` are (table, foreign key column) pairs: rows under a sealed parent refuse INSERT,
    UPDATE and DELETE too. Sealing itself, an UPDATE from an unsealed state, is allowed.
    """
    states_text = ",".join(states)
    operations = [
        migrations.RunSQL(_REFUSE_SEALED, migrations.RunSQL.noop),
        migrations.RunSQL(_REFUSE_SEALED_LINE, migrations.RunSQL.noop),
        migrations.RunSQL(_REFUSE, migrations.RunSQL.noop),
        migrations.RunSQL(
            f'CREATE TRIGGER {table}_sealed BEFORE UPDATE OR DELETE ON "{table}" FOR EACH ROW '
            f"EXECUTE FUNCTION core_refuse_sealed('{table}', '{column}', '{states_text}')",
            f'DROP TRIGGER {table}_sealed ON "{table}"',
        ),
        _no_truncate(table),
    ]
    for line_table, parent_column in lines:
        operations += [
            migrations.RunSQL(
                f"CREATE TRIGGER {line_table}_sealed BEFORE INSERT OR UPDATE OR DELETE "
                f'ON "{line_table}" FOR EACH ROW EXECUTE FUNCTION core_refuse_sealed_line('
                f"'{line_table}', '{table}', '{parent_column}', '{column}', '{states_text}')",
                f'DROP TRIGGER {line_table}_sealed ON "{line_table}"',
            ),
            _no_truncate(line_table),
        ]
    return operations


def _no_truncate(table: str) -> migrations.RunSQL:
    return migrations.RunSQL(
        f'CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON "{table}" '
        f"FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change('{table}')",
        f'DROP TRIGGER {table}_no_truncate ON "{table}"',
    )
