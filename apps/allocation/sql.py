"""SQL by which the database itself keeps a run whole and final; used by migrations only.

Functions qualify tables with TG_TABLE_SCHEMA, so that they also work on the shards of a
distributed schema (docs/tenancy.md).
"""

from __future__ import annotations

from typing import Final

from django.db import migrations

from apps.periods.sql import REFUSE_CLOSED, UNTIL_CLOSED, guard_statements

RUN_GUARD: Final = """
CREATE OR REPLACE FUNCTION allocation_run_guard() RETURNS trigger LANGUAGE plpgsql AS $fn$
DECLARE
    sums record;
    held record;
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
    IF NEW.is_what_if <> OLD.is_what_if THEN
        RAISE EXCEPTION 'a run is a what-if run from its start, or never'
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'what_if';
    END IF;
    IF NEW.state = 'draft' THEN
        RETURN NEW;
    END IF;
    IF NEW.state <> (CASE WHEN NEW.is_what_if THEN 'what_if' ELSE 'published' END) THEN
        RAISE EXCEPTION 'a draft run is published or deleted, and a what-if run kept, not %',
            NEW.state USING ERRCODE = 'integrity_constraint_violation', HINT = 'run_state';
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
    -- A run has many lines and few reasons, so lines are grouped by theirs, once.
    EXECUTE format(
        'WITH grouped AS MATERIALIZED (SELECT basis_id, axis, receiver, kind, '
        '    source_id IS NULL AS bare, min(id) AS id, count(*) AS rows, '
        '    sum(billed) FILTER (WHERE source_id IS NULL) AS billed, '
        '    sum(effective) FILTER (WHERE source_id IS NULL) AS effective '
        '    FROM %1$I.allocation_line WHERE run_id = $1 '
        '    GROUP BY basis_id, axis, receiver, kind, source_id IS NULL), '
        'loose AS (SELECT axis, kind, sum(billed) AS billed, sum(effective) AS effective '
        '    FROM grouped WHERE bare GROUP BY axis, kind '
        '    HAVING sum(billed) <> 0 OR sum(effective) <> 0 LIMIT 1) '
        'SELECT (SELECT COALESCE(sum(rows), 0) FROM grouped) AS rows, '
        '    (SELECT min(axis) FROM grouped WHERE axis NOT IN (''team'', ''customer'')) '
        '        AS strange, '
        '    (SELECT to_jsonb(loose) FROM loose) AS loose, '
        '    (SELECT min(l.id) FROM grouped l LEFT JOIN %1$I.allocation_basis b '
        '        ON b.id = l.basis_id AND b.run_id = $1 AND b.axis = l.axis '
        '        AND b.receiver = l.receiver AND b.kind = l.kind '
        '     WHERE b.id IS NULL '
        '        OR l.bare <> (l.kind IN (''markup'', ''commitment'', ''adjustment''))) '
        '        AS unexplained, '
        '    EXISTS (SELECT FROM grouped WHERE kind = ''adjustment'') AS adjusted',
        TG_TABLE_SCHEMA) INTO held USING NEW.id;
    IF held.rows <> NEW.line_count THEN
        RAISE EXCEPTION 'publication is refused: the run states other lines than it holds'
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'not_conserved';
    END IF;
    IF held.strange IS NOT NULL THEN
        RAISE EXCEPTION 'publication is refused: there is no axis %', held.strange
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'not_conserved';
    END IF;
    -- Per axis every source is handed out to the last digit; what has no source (markups, shared
    -- savings, adjustments) sums to zero by kind. So per axis and metric lines minus sources is
    -- exactly zero.
    EXECUTE format(
        'SELECT COALESCE(s.key, g.source_id::text) AS key, '
        '    COALESCE(g.team_billed, 0) - COALESCE(s.billed, 0) AS team_billed, '
        '    COALESCE(g.team_effective, 0) - COALESCE(s.effective, 0) AS team_effective, '
        '    COALESCE(g.customer_billed, 0) - COALESCE(s.billed, 0) AS customer_billed, '
        '    COALESCE(g.customer_effective, 0) - COALESCE(s.effective, 0) AS customer_effective '
        'FROM (SELECT id, key, billed, effective FROM %1$I.allocation_source '
        '      WHERE run_id = $1) s '
        'FULL JOIN (SELECT source_id, '
        '    sum(billed) FILTER (WHERE axis = ''team'') AS team_billed, '
        '    sum(effective) FILTER (WHERE axis = ''team'') AS team_effective, '
        '    sum(billed) FILTER (WHERE axis = ''customer'') AS customer_billed, '
        '    sum(effective) FILTER (WHERE axis = ''customer'') AS customer_effective '
        '    FROM %1$I.allocation_line WHERE run_id = $1 AND source_id IS NOT NULL '
        '    GROUP BY source_id) g ON g.source_id = s.id '
        'WHERE s.id IS NULL '
        '   OR COALESCE(g.team_billed, 0) <> s.billed '
        '   OR COALESCE(g.team_effective, 0) <> s.effective '
        '   OR COALESCE(g.customer_billed, 0) <> s.billed '
        '   OR COALESCE(g.customer_effective, 0) <> s.effective LIMIT 1', TG_TABLE_SCHEMA)
        INTO odd USING NEW.id;
    IF odd.key IS NOT NULL THEN
        RAISE EXCEPTION 'publication is refused: % is off by % billed, % effective on the team '
            'axis, by % billed, % effective on the customer axis', odd.key, odd.team_billed,
            odd.team_effective, odd.customer_billed, odd.customer_effective
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'not_conserved';
    END IF;
    IF held.loose IS NOT NULL THEN
        RAISE EXCEPTION 'publication is refused: % on the % axis is off by % billed, % effective',
            held.loose->>'kind', held.loose->>'axis', held.loose->>'billed',
            held.loose->>'effective'
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'not_conserved';
    END IF;
    IF held.unexplained IS NOT NULL THEN
        RAISE EXCEPTION 'publication is refused: line % has no reason of its own', held.unexplained
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
        '    WHERE $3 AND l.run_id = $1 AND l.kind = ''adjustment'' '
        '    AND l.billed = l.effective) '
        'SELECT code FROM (SELECT * FROM wanted EXCEPT ALL SELECT * FROM got) missing '
        'UNION ALL SELECT code FROM (SELECT * FROM got EXCEPT ALL SELECT * FROM wanted) extra '
        'LIMIT 1', TG_TABLE_SCHEMA) INTO odd USING NEW.id, NEW.month, held.adjusted;
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


REFUSE_CLOSED_RUN: Final = (
    REFUSE_CLOSED.replace("periods_refuse_closed", "allocation_refuse_closed_run")
    .replace("FROM new_rows'", "FROM new_rows WHERE NOT is_what_if'")
    .replace("FROM old_rows'", "FROM old_rows WHERE NOT is_what_if'")
    .replace("AS m FROM old_rows '", "AS m FROM old_rows WHERE NOT is_what_if '")
    .replace("FROM new_rows) touched", "FROM new_rows WHERE NOT is_what_if) touched")
)
"""The guard of a month, for runs: what-if runs belong to no month's books."""


def guards_month_of_runs() -> list[migrations.RunSQL]:
    """Return operations after which runs, but what-if runs, stay out of a closed month."""
    old = guard_statements("allocation_run", column="month", writable=UNTIL_CLOSED)
    created = [one for one in old if "BEFORE TRUNCATE" not in one]
    return [
        migrations.RunSQL(REFUSE_CLOSED_RUN, "DROP FUNCTION allocation_refuse_closed_run()"),
        *(
            migrations.RunSQL(f"DROP TRIGGER {one.split()[2]} ON allocation_run", one)
            for one in created
        ),
        *(
            migrations.RunSQL(
                one.replace("periods_refuse_closed(", "allocation_refuse_closed_run("),
                f"DROP TRIGGER {one.split()[2]} ON allocation_run",
            )
            for one in created
        ),
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
