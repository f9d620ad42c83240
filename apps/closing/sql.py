"""SQL by which the database itself keeps approvals honest; used by migrations only."""

from __future__ import annotations

from typing import Final

from django.db import migrations

APPROVAL_GUARD: Final = """
CREATE OR REPLACE FUNCTION closing_approval_guard() RETURNS trigger LANGUAGE plpgsql AS $fn$
DECLARE
    close_run record;
BEGIN
    EXECUTE format(
        'SELECT state, result_hash, '
        'CASE WHEN again_by > '''' THEN again_by ELSE started_by END AS preparer, '
        'CASE WHEN again_by > '''' THEN again_by_user ELSE started_by_user END '
        'AS preparer_user '
        'FROM %I.closing_closerun WHERE id = $1 FOR UPDATE', TG_TABLE_SCHEMA)
        INTO close_run USING NEW.run_id;
    IF close_run.state IS DISTINCT FROM 'waiting' THEN
        RAISE EXCEPTION 'the close is %, only a waiting one can be approved', close_run.state
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'close_state';
    END IF;
    IF (NEW.preparer, NEW.preparer_user, NEW.result_hash)
       IS DISTINCT FROM
       (close_run.preparer, close_run.preparer_user, close_run.result_hash) THEN
        RAISE EXCEPTION 'the approval names another preparer or result than the close'
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'approval_mismatch';
    END IF;
    RETURN NEW;
END $fn$
"""

FINISH_GUARD: Final = """
CREATE OR REPLACE FUNCTION closing_finish_guard() RETURNS trigger LANGUAGE plpgsql AS $fn$
DECLARE
    approved boolean;
BEGIN
    IF (NEW.month, NEW.public_id, NEW.started_by, NEW.started_by_user, NEW.started_at)
       IS DISTINCT FROM
       (OLD.month, OLD.public_id, OLD.started_by, OLD.started_by_user, OLD.started_at) THEN
        RAISE EXCEPTION 'who started a close, when and of what month, never changes'
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'sealed';
    END IF;
    IF NEW.state = 'finished' THEN
        EXECUTE format(
            'SELECT EXISTS (SELECT 1 FROM %I.closing_approval '
            'WHERE run_id = $1 AND result_hash = $2)', TG_TABLE_SCHEMA)
            INTO approved USING NEW.id, NEW.result_hash;
        IF NOT approved THEN
            RAISE EXCEPTION 'a close finishes only with an approval of its result'
                USING ERRCODE = 'integrity_constraint_violation', HINT = 'not_approved';
        END IF;
    END IF;
    RETURN NEW;
END $fn$
"""


def guards_approval() -> list[migrations.RunSQL]:
    """Return operations after which a close finishes only on another person's word."""
    return [
        migrations.RunSQL(APPROVAL_GUARD, "DROP FUNCTION closing_approval_guard()"),
        migrations.RunSQL(
            "CREATE TRIGGER closing_approval_guard BEFORE INSERT ON closing_approval "
            "FOR EACH ROW EXECUTE FUNCTION closing_approval_guard()",
            "DROP TRIGGER closing_approval_guard ON closing_approval",
        ),
        migrations.RunSQL(FINISH_GUARD, "DROP FUNCTION closing_finish_guard()"),
        migrations.RunSQL(
            "CREATE TRIGGER closing_finish_guard BEFORE UPDATE ON closing_closerun "
            "FOR EACH ROW EXECUTE FUNCTION closing_finish_guard()",
            "DROP TRIGGER closing_finish_guard ON closing_closerun",
        ),
    ]
