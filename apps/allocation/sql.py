"""SQL by which the database itself keeps a run whole and final; used by migrations only.

Functions qualify tables with TG_TABLE_SCHEMA, so that they also work on the shards of a
distributed schema (docs/tenancy.md).
"""

from __future__ import annotations

from typing import Final

from django.db import migrations

RUN_GUARD: Final = """
CREATE OR REPLACE FUNCTION allocation_run_guard() RETURNS trigger LANGUAGE plpgsql AS $fn$
DECLARE
    sums record;
    odd record;
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'draft' THEN
            RAISE EXCEPTION 'an allocation run starts as a draft'
                USING ERRCODE = 'integrity_constraint_violation', HINT = 'run_state';
        END IF;
        RETURN NEW;
    END IF;
    IF TG_OP = 'DELETE' THEN
        IF OLD.state <> 'draft' THEN
            RAISE EXCEPTION 'DELETE on allocation_run is refused: the run is %', OLD.state
                USING ERRCODE = 'integrity_constraint_violation', HINT = 'sealed';
        END IF;
        RETURN OLD;
    END IF;
    IF OLD.state <> 'draft' THEN
        IF OLD.state = 'published' AND NEW.state = 'superseded'
           AND to_jsonb(NEW) - 'state' - 'superseded_at'
             = to_jsonb(OLD) - 'state' - 'superseded_at' THEN
            RETURN NEW;
        END IF;
        RAISE EXCEPTION 'UPDATE on allocation_run is refused: the run is %', OLD.state
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'sealed';
    END IF;
    IF NEW.state = 'draft' THEN
        RETURN NEW;
    END IF;
    IF NEW.state <> 'published' THEN
        RAISE EXCEPTION 'a draft run is published or deleted, not %', NEW.state
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'run_state';
    END IF;
    EXECUTE format(
        'SELECT count(*) AS rows, COALESCE(sum(billed), 0) AS billed, '
        'COALESCE(sum(effective), 0) AS effective FROM %I.allocation_source WHERE run_id = $1',
        TG_TABLE_SCHEMA) INTO sums USING NEW.id;
    IF (sums.rows, sums.billed, sums.effective)
       IS DISTINCT FROM (NEW.source_count, NEW.billed, NEW.effective) THEN
        RAISE EXCEPTION 'publication is refused: the run states other sources than it holds'
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'not_conserved';
    END IF;
    EXECUTE format(
        'SELECT count(*) AS rows FROM %I.allocation_line WHERE run_id = $1', TG_TABLE_SCHEMA)
        INTO sums USING NEW.id;
    IF sums.rows <> NEW.line_count THEN
        RAISE EXCEPTION 'publication is refused: the run states other lines than it holds'
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'not_conserved';
    END IF;
    -- Per axis every source is handed out to the last digit; markups and adjustments, which have no
    -- source, each sum to zero. So per axis and metric lines minus sources is exactly zero.
    EXECUTE format(
        'WITH wanted AS (SELECT a.axis, s.id, s.key, s.billed, s.effective '
        '    FROM %1$I.allocation_source s CROSS JOIN (VALUES (''team''), (''customer'')) a (axis) '
        '    WHERE s.run_id = $1), '
        'got AS (SELECT axis, source_id, sum(billed) AS billed, sum(effective) AS effective '
        '    FROM %1$I.allocation_line WHERE run_id = $1 '
        '    GROUP BY axis, source_id, CASE WHEN source_id IS NULL THEN kind END) '
        'SELECT COALESCE(w.axis, g.axis) AS axis, '
        '    COALESCE(w.key, g.source_id::text, ''markup'') AS key, '
        '    COALESCE(g.billed, 0) - COALESCE(w.billed, 0) AS billed, '
        '    COALESCE(g.effective, 0) - COALESCE(w.effective, 0) AS effective '
        'FROM wanted w FULL JOIN got g ON g.axis = w.axis AND g.source_id = w.id '
        'WHERE COALESCE(g.billed, 0) <> COALESCE(w.billed, 0) '
        '   OR COALESCE(g.effective, 0) <> COALESCE(w.effective, 0) '
        '   OR (w.id IS NULL AND g.source_id IS NOT NULL) LIMIT 1', TG_TABLE_SCHEMA)
        INTO odd USING NEW.id;
    IF odd.axis IS NOT NULL THEN
        RAISE EXCEPTION 'publication is refused: % on the % axis is off by % billed, % effective',
            odd.key, odd.axis, odd.billed, odd.effective
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'not_conserved';
    END IF;
    EXECUTE format(
        'SELECT l.id FROM %1$I.allocation_line l LEFT JOIN %1$I.allocation_basis b '
        '    ON b.id = l.basis_id AND b.run_id = l.run_id AND b.axis = l.axis '
        '    AND b.receiver = l.receiver AND b.kind = l.kind '
        'WHERE l.run_id = $1 AND (b.id IS NULL '
        '   OR (l.source_id IS NULL) <> (l.kind IN (''markup'', ''adjustment''))) '
        'LIMIT 1', TG_TABLE_SCHEMA) INTO odd USING NEW.id;
    IF odd.id IS NOT NULL THEN
        RAISE EXCEPTION 'publication is refused: line % has no reason of its own', odd.id
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'not_explained';
    END IF;
    -- What a run books by hand is what was approved for its month, no more and no less.
    EXECUTE format(
        'WITH wanted AS (SELECT axis, code, sender AS receiver, -amount AS amount '
        '    FROM %1$I.allocation_adjustment WHERE month = $2 AND state = ''approved'' '
        '    UNION ALL SELECT axis, code, receiver, amount '
        '    FROM %1$I.allocation_adjustment WHERE month = $2 AND state = ''approved''), '
        'got AS (SELECT l.axis, b.rule AS code, l.receiver, l.effective AS amount '
        '    FROM %1$I.allocation_line l JOIN %1$I.allocation_basis b ON b.id = l.basis_id '
        '    WHERE l.run_id = $1 AND l.kind = ''adjustment'' AND l.billed = l.effective) '
        'SELECT code FROM (SELECT * FROM wanted EXCEPT ALL SELECT * FROM got) missing '
        'UNION ALL SELECT code FROM (SELECT * FROM got EXCEPT ALL SELECT * FROM wanted) extra '
        'LIMIT 1', TG_TABLE_SCHEMA) INTO odd USING NEW.id, NEW.month;
    IF odd.code IS NOT NULL THEN
        RAISE EXCEPTION 'publication is refused: adjustment % is not what was approved', odd.code
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'not_approved';
    END IF;
    RETURN NEW;
END $fn$
"""

REFUSE_SEALED_ROWS: Final = """
CREATE OR REPLACE FUNCTION allocation_refuse_sealed_rows() RETURNS trigger LANGUAGE plpgsql AS $fn$
DECLARE
    runs bigint[];
    held record;
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT array_agg(DISTINCT run_id) INTO runs FROM new_rows;
    ELSIF TG_OP = 'DELETE' THEN
        SELECT array_agg(DISTINCT run_id) INTO runs FROM old_rows;
    ELSE
        SELECT array_agg(DISTINCT run_id) INTO runs
          FROM (SELECT run_id FROM new_rows UNION ALL SELECT run_id FROM old_rows) touched;
    END IF;
    IF runs IS NULL THEN
        RETURN NULL;
    END IF;
    -- The row is shared until the end of the transaction: its publication waits and then counts.
    FOR held IN EXECUTE format(
        'SELECT id, state FROM %I.allocation_run WHERE id = ANY ($1) ORDER BY id FOR SHARE',
        TG_TABLE_SCHEMA) USING runs
    LOOP
        runs := array_remove(runs, held.id);
        IF held.state <> 'draft' THEN
            RAISE EXCEPTION '% on % is refused: its run is %', TG_OP, TG_ARGV[0], held.state
                USING ERRCODE = 'integrity_constraint_violation', HINT = 'sealed';
        END IF;
    END LOOP;
    IF cardinality(runs) > 0 THEN
        RAISE EXCEPTION '% on % is refused: there is no run %', TG_OP, TG_ARGV[0], runs[1]
            USING ERRCODE = 'foreign_key_violation', HINT = 'run_missing';
    END IF;
    RETURN NULL;
END $fn$
"""


KEEP_ADJUSTMENT: Final = """
CREATE OR REPLACE FUNCTION allocation_keep_adjustment() RETURNS trigger LANGUAGE plpgsql AS $fn$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state = 'requested' THEN
            RETURN NEW;
        END IF;
        RAISE EXCEPTION 'an adjustment starts as a request'
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'adjustment_state';
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.state = 'requested' AND NEW.state <> 'requested'
        AND to_jsonb(OLD) - '{state,decided_by,decided_by_user,decided_at,comment}'::text[]
          = to_jsonb(NEW) - '{state,decided_by,decided_by_user,decided_at,comment}'::text[] THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% on allocation_adjustment is refused: it is decided once', TG_OP
        USING ERRCODE = 'integrity_constraint_violation', HINT = 'append_only';
END $fn$
"""


def keeps_adjustments() -> list[migrations.RunSQL]:
    """Return operations after which an adjustment is asked for, decided once, and never changes."""
    return [
        migrations.RunSQL(KEEP_ADJUSTMENT, "DROP FUNCTION allocation_keep_adjustment()"),
        migrations.RunSQL(
            "CREATE TRIGGER allocation_adjustment_keep BEFORE INSERT OR UPDATE OR DELETE "
            "ON allocation_adjustment FOR EACH ROW EXECUTE FUNCTION allocation_keep_adjustment()",
            "DROP TRIGGER allocation_adjustment_keep ON allocation_adjustment",
        ),
        no_truncate("allocation_adjustment"),
    ]


def guards_run() -> list[migrations.RunSQL]:
    """Return operations after which runs are published whole and never change again."""
    return [
        migrations.RunSQL(RUN_GUARD, "DROP FUNCTION allocation_run_guard()"),
        migrations.RunSQL(
            "CREATE TRIGGER allocation_run_guard BEFORE INSERT OR UPDATE OR DELETE "
            "ON allocation_run FOR EACH ROW EXECUTE FUNCTION allocation_run_guard()",
            "DROP TRIGGER allocation_run_guard ON allocation_run",
        ),
        migrations.RunSQL(REFUSE_SEALED_ROWS, "DROP FUNCTION allocation_refuse_sealed_rows()"),
    ]


def seals_with_run(table: str) -> list[migrations.RunSQL]:
    """Return operations after which rows of `table` change only while their run is a draft."""
    rows = {
        "insert": "REFERENCING NEW TABLE AS new_rows",
        "update": "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows",
        "delete": "REFERENCING OLD TABLE AS old_rows",
    }
    return [
        *(
            migrations.RunSQL(
                f'CREATE TRIGGER {table}_sealed_{event} AFTER {event.upper()} ON "{table}" '
                f"{referencing} FOR EACH STATEMENT "
                f"EXECUTE FUNCTION allocation_refuse_sealed_rows('{table}')",
                f'DROP TRIGGER {table}_sealed_{event} ON "{table}"',
            )
            for event, referencing in rows.items()
        ),
        no_truncate(table),
    ]


def no_truncate(table: str) -> migrations.RunSQL:
    """Return the operation after which TRUNCATE is refused; needs `core_refuse_change`."""
    return migrations.RunSQL(
        f'CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON "{table}" '
        f"FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change('{table}')",
        f'DROP TRIGGER {table}_no_truncate ON "{table}"',
    )
