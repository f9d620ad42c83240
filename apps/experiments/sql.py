"""Triggers that keep requests, rounds, steps and decisions in order; used by migrations only."""

from __future__ import annotations

from typing import Final

from django.db import migrations

from apps.experiments.domain.states import NEXT

_MOVES: Final = ",".join(
    f"{state}>{to}" for state, after in sorted(NEXT.items()) for to in sorted(after)
)

REQUEST_MOVES: Final = """
CREATE OR REPLACE FUNCTION experiments_request_moves() RETURNS trigger LANGUAGE plpgsql AS $fn$
DECLARE
    frozen text[] :=
        '{id,public_id,number,code,requested_by,requested_by_user,asked_as,currency,created_at}';
    edited text[] := '{title,team,owner,owner_user}';
    approved boolean;
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a request is never deleted'
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'append_only';
    END IF;
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'draft' THEN
            RAISE EXCEPTION 'a request starts as a draft'
                USING ERRCODE = 'integrity_constraint_violation', HINT = 'experiment_state';
        END IF;
        RETURN NEW;
    END IF;
    IF OLD.state <> NEW.state
        AND NOT (OLD.state || '>' || NEW.state) = ANY (string_to_array(TG_ARGV[0], ',')) THEN
        RAISE EXCEPTION 'a request does not go from % to %', OLD.state, NEW.state
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'experiment_state';
    END IF;
    IF EXISTS (SELECT 1 FROM unnest(frozen) AS name
        WHERE to_jsonb(OLD) -> name IS DISTINCT FROM to_jsonb(NEW) -> name) THEN
        RAISE EXCEPTION 'what a request is and who asked for it never changes'
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'append_only';
    END IF;
    IF OLD.state NOT IN ('draft', 'changes_requested') AND EXISTS (
        SELECT 1 FROM unnest(edited) AS name
        WHERE to_jsonb(OLD) -> name IS DISTINCT FROM to_jsonb(NEW) -> name) THEN
        RAISE EXCEPTION 'a request that was submitted is not edited'
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'sealed';
    END IF;
    IF OLD.state NOT IN ('draft', 'submitted', 'changes_requested', 'approved', 'running')
        AND to_jsonb(OLD) <> to_jsonb(NEW) THEN
        RAISE EXCEPTION 'a request that is over never changes'
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'sealed';
    END IF;
    IF NEW.state IN ('approved', 'running') AND (
        OLD.state = 'submitted' OR OLD.amount IS DISTINCT FROM NEW.amount
        OR OLD.ends_on IS DISTINCT FROM NEW.ends_on) THEN
        EXECUTE format(
            'SELECT EXISTS (SELECT 1 FROM %I.%I WHERE request_id = $1 AND state = ''approved'' '
            'AND amount = $2)', TG_TABLE_SCHEMA, TG_ARGV[1])
            INTO approved USING NEW.id, NEW.amount;
        IF NOT approved THEN
            RAISE EXCEPTION 'nobody has approved this amount'
                USING ERRCODE = 'integrity_constraint_violation', HINT = 'not_approved';
        END IF;
    END IF;
    RETURN NEW;
END $fn$
"""

SUBMISSION_MOVES: Final = """
CREATE OR REPLACE FUNCTION experiments_submission_moves() RETURNS trigger LANGUAGE plpgsql AS $fn$
DECLARE
    missing boolean;
BEGIN
    IF TG_OP = 'DELETE' OR TG_OP = 'UPDATE' AND (OLD.state <> 'open'
        OR to_jsonb(OLD) - '{state,closed_at}'::text[]
        <> to_jsonb(NEW) - '{state,closed_at}'::text[]) THEN
        RAISE EXCEPTION '% on a submission is refused: it is frozen', TG_OP
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'append_only';
    END IF;
    IF TG_OP = 'INSERT' AND NEW.state <> 'open' THEN
        RAISE EXCEPTION 'a submission starts open'
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'experiment_state';
    END IF;
    IF NEW.state = 'approved' AND NOT NEW.automatic THEN
        EXECUTE format(
            'SELECT count(*) = 0 OR bool_or(state <> ''passed'') FROM %I.%I '
            'WHERE submission_id = $1', TG_TABLE_SCHEMA, TG_ARGV[0]) INTO missing USING NEW.id;
        IF missing THEN
            RAISE EXCEPTION 'a step of the submission has not passed'
                USING ERRCODE = 'integrity_constraint_violation', HINT = 'not_approved';
        END IF;
    END IF;
    RETURN NEW;
END $fn$
"""

STEP_MOVES: Final = """
CREATE OR REPLACE FUNCTION experiments_step_moves() RETURNS trigger LANGUAGE plpgsql AS $fn$
DECLARE
    moving text[] := '{state,opened_at,due_at,reminded_at,escalated_at,closed_at}';
    approvals bigint;
BEGIN
    IF TG_OP = 'DELETE' OR TG_OP = 'UPDATE' AND (
        OLD.state IN ('passed', 'stopped', 'skipped')
        OR to_jsonb(OLD) - moving <> to_jsonb(NEW) - moving) THEN
        RAISE EXCEPTION '% on a step is refused: what it asks is frozen', TG_OP
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'append_only';
    END IF;
    IF TG_OP = 'INSERT' AND NEW.state NOT IN ('waiting', 'open') THEN
        RAISE EXCEPTION 'a step starts waiting'
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'experiment_state';
    END IF;
    IF NEW.state = 'passed' THEN
        EXECUTE format(
            'SELECT count(DISTINCT principal) FROM %I.%I '
            'WHERE step_id = $1 AND verdict = ''approve''',
            TG_TABLE_SCHEMA, TG_ARGV[0]) INTO approvals USING NEW.id;
        IF approvals < NEW.quorum THEN
            RAISE EXCEPTION 'step % has % of % approvals', NEW.name, approvals, NEW.quorum
                USING ERRCODE = 'integrity_constraint_violation', HINT = 'not_approved';
        END IF;
    END IF;
    RETURN NEW;
END $fn$
"""

DECISION_FITS: Final = """
CREATE OR REPLACE FUNCTION experiments_decision_fits() RETURNS trigger LANGUAGE plpgsql AS $fn$
DECLARE
    place record;
    own boolean;
BEGIN
    -- The step's row is what decisions queue for; it stays as it is until this one is in.
    EXECUTE format(
        'SELECT step.state, step.submission_id, round.state AS round_state, round.request_id, '
        'round.submitted_by_user, request.requested_by_user, request.owner_user '
        'FROM %1$I.%2$I AS step JOIN %1$I.%3$I AS round ON round.id = step.submission_id '
        'JOIN %1$I.%4$I AS request ON request.id = round.request_id '
        'WHERE step.id = $1 FOR NO KEY UPDATE OF step',
        TG_TABLE_SCHEMA, TG_ARGV[0], TG_ARGV[1], TG_ARGV[2]) INTO place USING NEW.step_id;
    IF place.state IS DISTINCT FROM 'open' OR place.round_state <> 'open'
        OR place.submission_id <> NEW.submission_id THEN
        RAISE EXCEPTION 'the step waits for no decision'
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'step_not_open';
    END IF;
    EXECUTE format(
        'SELECT EXISTS (SELECT 1 FROM %I.%I WHERE request_id = $1 '
        'AND created_by_user IN ($2, $3))', TG_TABLE_SCHEMA, TG_ARGV[3])
        INTO own USING place.request_id, NEW.user_id, NEW.principal;
    IF own OR NEW.user_id IN (place.submitted_by_user, place.requested_by_user, place.owner_user)
        OR NEW.principal IN (place.submitted_by_user, place.requested_by_user, place.owner_user)
    THEN
        RAISE EXCEPTION 'whoever asks for money does not approve it'
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'same_person';
    END IF;
    RETURN NEW;
END $fn$
"""

DELEGATION_MOVES: Final = """
CREATE OR REPLACE FUNCTION experiments_delegation_moves() RETURNS trigger LANGUAGE plpgsql AS $fn$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.ended_at IS NOT NULL
        OR to_jsonb(OLD) - 'ended_at' <> to_jsonb(NEW) - 'ended_at' THEN
        RAISE EXCEPTION '% on a delegation is refused: it can only be ended', TG_OP
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'append_only';
    END IF;
    RETURN NEW;
END $fn$
"""

DELEGATIONS_APART: Final = """
ALTER TABLE "experiments_delegation" ADD CONSTRAINT experiments_delegation_apart
EXCLUDE USING gist (
    int8range(absent, absent, '[]') WITH &&, daterange(starts_on, ends_on, '[]') WITH &&
) WHERE (ended_at IS NULL)
"""

_TRIGGERS: Final = (
    (
        REQUEST_MOVES,
        "request_moves",
        "BEFORE INSERT OR UPDATE OR DELETE",
        "experimentrequest",
        f"'{_MOVES}', 'experiments_submission'",
    ),
    (
        SUBMISSION_MOVES,
        "submission_moves",
        "BEFORE INSERT OR UPDATE OR DELETE",
        "submission",
        "'experiments_step'",
    ),
    (
        STEP_MOVES,
        "step_moves",
        "BEFORE INSERT OR UPDATE OR DELETE",
        "step",
        "'experiments_decision'",
    ),
    (
        DECISION_FITS,
        "decision_fits",
        "BEFORE INSERT",
        "decision",
        "'experiments_step', 'experiments_submission', 'experiments_experimentrequest', "
        "'experiments_revision'",
    ),
    (DELEGATION_MOVES, "delegation_moves", "BEFORE UPDATE OR DELETE", "delegation", ""),
)


def keeps_order() -> list[migrations.RunSQL]:
    """Return operations after which requests, rounds, steps and decisions keep their order."""
    operations = []
    for function, name, when, table, arguments in _TRIGGERS:
        operations += [
            migrations.RunSQL(function, f"DROP FUNCTION experiments_{name}()"),
            migrations.RunSQL(
                f'CREATE TRIGGER experiments_{name} {when} ON "experiments_{table}" '
                f"FOR EACH ROW EXECUTE FUNCTION experiments_{name}({arguments})",
                f'DROP TRIGGER experiments_{name} ON "experiments_{table}"',
            ),
        ]
    return operations


def no_truncate(table: str) -> migrations.RunSQL:
    """Return the operation after which TRUNCATE is refused; needs `core_refuse_change`."""
    return migrations.RunSQL(
        f'CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON "{table}" '
        f"FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change('{table}')",
        f'DROP TRIGGER {table}_no_truncate ON "{table}"',
    )
