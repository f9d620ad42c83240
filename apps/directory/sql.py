"""SQL by which the database keeps the directory whole; for this app's migrations.

Functions qualify tables with TG_TABLE_SCHEMA, so that they also work on a distributed schema.
"""

from __future__ import annotations

from typing import Final

DATED: Final = {
    "directory_placement": "cost_center_id",
    "directory_membership": "team_id",
    "directory_ruleversion": "rule_id",
}
"""Tables of dated rows, and the column of whom a row is about."""

ENTRIES: Final = (
    "directory_costcenter",
    "directory_team",
    "directory_product",
    "directory_feature",
    "directory_customer",
)

ONLY_SUPERSEDED: Final = """
CREATE OR REPLACE FUNCTION directory_only_superseded() RETURNS trigger LANGUAGE plpgsql AS $fn$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.superseded_at IS NULL AND NEW.superseded_at IS NOT NULL
       AND to_jsonb(NEW) - 'superseded_at' = to_jsonb(OLD) - 'superseded_at' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% of a dated row is refused: it may only be superseded, once', TG_OP
        USING ERRCODE = 'integrity_constraint_violation', HINT = 'append_only';
END $fn$
"""

NO_CYCLE: Final = """
CREATE OR REPLACE FUNCTION directory_no_cycle() RETURNS trigger LANGUAGE plpgsql AS $fn$
DECLARE
    looped boolean;
BEGIN
    -- Edits of the tree queue up behind one row, so that two of them cannot close a ring together.
    EXECUTE format('SELECT 1 FROM %I.directory_costcenter WHERE kind = ''unallocated'' '
                   'FOR NO KEY UPDATE', TG_TABLE_SCHEMA);
    EXECUTE format(
        'WITH RECURSIVE above(id, days) AS ('
        '  SELECT $1, daterange($2, $3) UNION '
        '  SELECT p.parent_id, daterange(p.valid_from, p.valid_to) * above.days '
        '  FROM %I.directory_placement p JOIN above ON p.cost_center_id = above.id '
        '  WHERE p.superseded_at IS NULL AND daterange(p.valid_from, p.valid_to) && above.days) '
        'SELECT EXISTS (SELECT 1 FROM above WHERE id = $4)', TG_TABLE_SCHEMA)
        INTO looped USING NEW.parent_id, NEW.valid_from, NEW.valid_to, NEW.cost_center_id;
    IF looped THEN
        RAISE EXCEPTION 'a cost center cannot stand under itself'
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'cycle';
    END IF;
    RETURN NEW;
END $fn$
"""

ENTRY_STAYS: Final = """
CREATE OR REPLACE FUNCTION directory_entry_stays() RETURNS trigger LANGUAGE plpgsql AS $fn$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'an entry of the directory is ended, never deleted: %', OLD.code
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'append_only';
    END IF;
    IF (NEW.code, NEW.public_id, NEW.created_at) IS DISTINCT FROM
       (OLD.code, OLD.public_id, OLD.created_at) THEN
        RAISE EXCEPTION 'the code of an entry never changes: %', OLD.code
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'append_only';
    END IF;
    IF OLD.code IN ('UNALLOCATED', 'MARKUP') AND (NEW.valid_from, NEW.valid_to,
       to_jsonb(NEW) ->> 'kind') IS DISTINCT FROM (OLD.valid_from, OLD.valid_to,
       to_jsonb(OLD) ->> 'kind') AND TG_TABLE_NAME LIKE 'directory_costcenter%' THEN
        RAISE EXCEPTION 'the cost center % is always there', OLD.code
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'always_there';
    END IF;
    RETURN NEW;
END $fn$
"""

NO_TRUNCATE: Final = """
CREATE OR REPLACE FUNCTION directory_refuse_truncate() RETURNS trigger LANGUAGE plpgsql AS $fn$
BEGIN
    RAISE EXCEPTION 'TRUNCATE of the directory is refused'
        USING ERRCODE = 'integrity_constraint_violation', HINT = 'append_only';
END $fn$
"""
