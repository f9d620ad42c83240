"""SQL by which the database itself keeps a frozen or closed month from growing; for migrations.

A guarded table has a column that holds the first day of the month its row is booked in. Guards
are statement-level, so a COPY of ten thousand rows is checked once; they lock the touched period
rows FOR SHARE, so a writer that forgot `periods.services.hold_open` still cannot slip past a
freeze (rule 10). Functions qualify tables with TG_TABLE_SCHEMA and take names as arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from django.db import migrations

OPEN_ONLY: Final = ("open",)
UNTIL_CLOSED: Final = ("open", "soft_closed")

REFUSE_CLOSED: Final = """
CREATE OR REPLACE FUNCTION periods_refuse_closed() RETURNS trigger LANGUAGE plpgsql AS $fn$
DECLARE
    months date[];
    missing date;
    held record;
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        RAISE EXCEPTION 'TRUNCATE on % is refused: its rows belong to accounting months', TG_ARGV[0]
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'period_closed';
    ELSIF TG_OP = 'INSERT' THEN
        EXECUTE format('SELECT array_agg(DISTINCT %I) FROM new_rows', TG_ARGV[1]) INTO months;
    ELSIF TG_OP = 'DELETE' THEN
        EXECUTE format('SELECT array_agg(DISTINCT %I) FROM old_rows', TG_ARGV[1]) INTO months;
    ELSE
        EXECUTE format(
            'SELECT array_agg(DISTINCT m) FROM (SELECT %1$I AS m FROM old_rows '
            'UNION ALL SELECT %1$I FROM new_rows) touched', TG_ARGV[1]) INTO months;
    END IF;
    IF months IS NULL THEN
        RETURN NULL;
    END IF;
    FOR held IN EXECUTE format(
        'SELECT month, state FROM %I.periods_period WHERE month = ANY ($1) '
        'ORDER BY month FOR SHARE', TG_TABLE_SCHEMA) USING months
    LOOP
        months := array_remove(months, held.month);
        IF held.state <> ALL (string_to_array(TG_ARGV[2], ',')) THEN
            RAISE EXCEPTION '% on % is refused: the period % is %',
                TG_OP, TG_ARGV[0], to_char(held.month, 'YYYY-MM'), held.state
                USING ERRCODE = 'integrity_constraint_violation', HINT = 'period_closed';
        END IF;
    END LOOP;
    IF cardinality(months) > 0 THEN
        RAISE EXCEPTION '% on % is refused: the calendar has no period %',
            TG_OP, TG_ARGV[0], COALESCE(to_char(months[1], 'YYYY-MM-DD'), 'NULL')
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'period_closed';
    END IF;
    RETURN NULL;
END $fn$
"""

TRANSITIONS: Final = """
CREATE OR REPLACE FUNCTION periods_legal_transition() RETURNS trigger LANGUAGE plpgsql AS $fn$
DECLARE
    label text := to_char(OLD.month, 'YYYY-MM');
    other text;
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a period is never deleted: %', label
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'period_transition';
    END IF;
    IF (NEW.month, NEW.starts_at, NEW.ends_at) IS DISTINCT FROM
       (OLD.month, OLD.starts_at, OLD.ends_at) THEN
        RAISE EXCEPTION 'the bounds of the period % are fixed', label
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'period_transition';
    END IF;
    IF NEW.state = OLD.state THEN
        IF OLD.state <> 'open' AND to_jsonb(NEW) <> to_jsonb(OLD) THEN
            RAISE EXCEPTION 'the period % is % and cannot be changed in place', label, OLD.state
                USING ERRCODE = 'integrity_constraint_violation', HINT = 'period_transition';
        END IF;
        RETURN NEW;
    END IF;
    IF (OLD.state, NEW.state) NOT IN (('open', 'soft_closed'), ('soft_closed', 'open'),
                                      ('soft_closed', 'closed'), ('closed', 'open')) THEN
        RAISE EXCEPTION 'a period does not go from % to %: %', OLD.state, NEW.state, label
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'period_transition';
    END IF;
    IF NEW.state = 'closed' THEN
        -- The row before is locked, so that it cannot be reopened meanwhile.
        EXECUTE format(
            'SELECT 1 FROM %I.periods_period WHERE month = ($1 - interval ''1 month'')::date '
            'FOR SHARE', TG_TABLE_SCHEMA) USING OLD.month;
        EXECUTE format(
            'SELECT to_char(min(month), ''YYYY-MM'') FROM %I.periods_period '
            'WHERE month < $1 AND state <> ''closed''', TG_TABLE_SCHEMA)
            INTO other USING OLD.month;
        IF other IS NOT NULL THEN
            RAISE EXCEPTION 'months close in order: % comes before %', other, label
                USING ERRCODE = 'integrity_constraint_violation', HINT = 'period_order';
        END IF;
    ELSIF OLD.state = 'closed' THEN
        EXECUTE format(
            'SELECT to_char(max(month), ''YYYY-MM'') FROM %I.periods_period '
            'WHERE month > $1 AND state = ''closed''', TG_TABLE_SCHEMA)
            INTO other USING OLD.month;
        IF other IS NOT NULL THEN
            RAISE EXCEPTION 'only the latest closed month reopens: % is closed after %',
                other, label
                USING ERRCODE = 'integrity_constraint_violation', HINT = 'period_order';
        END IF;
        IF NEW.reopened_at IS NULL OR NEW.reopened_at IS NOT DISTINCT FROM OLD.reopened_at
           OR NEW.reopen_reason = '' OR NEW.reopened_by = '' OR NEW.reopen_approved_by = ''
           OR NEW.reopened_by = NEW.reopen_approved_by THEN
            RAISE EXCEPTION 'reopening % needs a reason and two people', label
                USING ERRCODE = 'integrity_constraint_violation', HINT = 'period_transition';
        END IF;
    END IF;
    RETURN NEW;
END $fn$
"""

BORN_OPEN: Final = """
CREATE OR REPLACE FUNCTION periods_born_open() RETURNS trigger LANGUAGE plpgsql AS $fn$
BEGIN
    IF NEW.state <> 'open' THEN
        RAISE EXCEPTION 'a period starts open: %', to_char(NEW.month, 'YYYY-MM')
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'period_transition';
    END IF;
    RETURN NEW;
END $fn$
"""


def guard_statements(
    table: str, *, column: str, writable: Sequence[str] = OPEN_ONLY, named: str = ""
) -> list[str]:
    """Return single statements that guard one table, or one partition of a table.

    Statement triggers of a partitioned table do not fire for statements that name a partition, so
    whoever creates a partition runs these for it as well and passes the parent's name as `named`.
    Rows may be written while their period's state is in `writable`.
    """
    call = f"periods_refuse_closed('{named or table}', '{column}', '{','.join(writable)}')"
    rows = {
        "insert": "REFERENCING NEW TABLE AS new_rows",
        "update": "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows",
        "delete": "REFERENCING OLD TABLE AS old_rows",
    }
    statements = [
        f'CREATE TRIGGER periods_guard_{event} AFTER {event.upper()} ON "{table}" {referencing} '
        f"FOR EACH STATEMENT EXECUTE FUNCTION {call}"
        for event, referencing in rows.items()
    ]
    return [
        *statements,
        f'CREATE TRIGGER periods_guard_truncate BEFORE TRUNCATE ON "{table}" '
        f"FOR EACH STATEMENT EXECUTE FUNCTION {call}",
    ]


def guards_period(
    table: str, *, column: str, writable: Sequence[str] = OPEN_ONLY
) -> list[migrations.RunSQL]:
    """Return operations after which rows of a month change only while it is in `writable`.

    INSERT, COPY, UPDATE, DELETE and TRUNCATE are guarded, through the ORM or not. The table is
    also entered as evidence that a month was used. The migration depends on
    `("periods", "0002_guards")`.
    """
    return [
        *(
            migrations.RunSQL(create, _drop(create, table))
            for create in guard_statements(table, column=column, writable=writable)
        ),
        migrations.RunSQL(
            "INSERT INTO periods_guardedtable (table_name, column_name) "  # noqa: S608
            f"VALUES ('{table}', '{column}')",
            f"DELETE FROM periods_guardedtable WHERE table_name = '{table}'",  # noqa: S608
        ),
    ]


def _drop(create: str, table: str) -> str:
    return f'DROP TRIGGER {create.split()[2]} ON "{table}"'
