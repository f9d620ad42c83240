"""Triggers of documents: sums hold at the seal, series have no gap; used by migrations only."""

from __future__ import annotations

from typing import Final

TOTAL_IS_SUM: Final = """
CREATE OR REPLACE FUNCTION documents_total_is_sum() RETURNS trigger LANGUAGE plpgsql AS $fn$
DECLARE
    lines_sum numeric;
BEGIN
    EXECUTE format('SELECT coalesce(sum(amount), 0) FROM %I.%I WHERE document_id = $1',
                   TG_TABLE_SCHEMA, TG_ARGV[0]) INTO lines_sum USING NEW.id;
    IF lines_sum <> NEW.total THEN
        RAISE EXCEPTION 'document % is not sealed: its lines sum to %, its total is %',
            NEW.public_id, lines_sum, NEW.total
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'total_is_sum';
    END IF;
    RETURN NEW;
END $fn$
"""

ON_SEAL: Final = """
CREATE TRIGGER documents_document_total_is_sum BEFORE UPDATE ON "documents_document"
FOR EACH ROW WHEN (NEW.state = 'sealed')
EXECUTE FUNCTION documents_total_is_sum('documents_documentline')
"""

BORN_DRAFT: Final = """
CREATE OR REPLACE FUNCTION documents_born_draft() RETURNS trigger LANGUAGE plpgsql AS $fn$
BEGIN
    IF NEW.state <> 'draft' THEN
        RAISE EXCEPTION 'a document starts as a draft, not %', NEW.state
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'born_draft';
    END IF;
    RETURN NEW;
END $fn$
"""

ON_BIRTH: Final = """
CREATE TRIGGER documents_document_born_draft BEFORE INSERT ON "documents_document"
FOR EACH ROW EXECUTE FUNCTION documents_born_draft()
"""

SERIES_GROWS: Final = """
CREATE OR REPLACE FUNCTION documents_series_grows() RETURNS trigger LANGUAGE plpgsql AS $fn$
BEGIN
    IF TG_OP = 'DELETE' OR NEW.code <> OLD.code OR NEW.last < OLD.last THEN
        RAISE EXCEPTION 'the series % only grows', OLD.code
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'series_grows';
    END IF;
    RETURN NEW;
END $fn$
"""

ON_SERIES: Final = """
CREATE TRIGGER documents_numberseries_grows BEFORE UPDATE OR DELETE ON "documents_numberseries"
FOR EACH ROW EXECUTE FUNCTION documents_series_grows()
"""

NO_GAP: Final = """
CREATE OR REPLACE FUNCTION documents_no_gap() RETURNS trigger LANGUAGE plpgsql AS $fn$
DECLARE
    before integer := CASE WHEN TG_OP = 'INSERT' THEN 0 ELSE OLD.last END;
    carried bigint;
BEGIN
    EXECUTE format('SELECT count(*) FROM %I.%I WHERE series = $1 AND ordinal > $2 '
                   'AND ordinal <= $3', TG_TABLE_SCHEMA, TG_ARGV[0])
        INTO carried USING NEW.code, before, NEW.last;
    IF carried <> NEW.last - before THEN
        RAISE EXCEPTION 'the series % took % numbers for % documents',
            NEW.code, NEW.last - before, carried
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'no_gap';
    END IF;
    RETURN NULL;
END $fn$
"""

AT_COMMIT: Final = """
CREATE CONSTRAINT TRIGGER documents_numberseries_no_gap AFTER INSERT OR UPDATE
ON "documents_numberseries" DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION documents_no_gap('documents_document')
"""

NUMBER_IS_COUNTED: Final = """
CREATE OR REPLACE FUNCTION documents_number_is_counted() RETURNS trigger LANGUAGE plpgsql AS $fn$
DECLARE
    known integer;
BEGIN
    EXECUTE format('SELECT last FROM %I.%I WHERE code = $1', TG_TABLE_SCHEMA, TG_ARGV[0])
        INTO known USING NEW.series;
    IF known IS NULL OR NEW.ordinal > known
       OR NEW.number <> NEW.series || '-' || lpad(NEW.ordinal::text,
                                                  greatest(4, length(NEW.ordinal::text)), '0') THEN
        RAISE EXCEPTION 'the number % was not taken from its series', NEW.number
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'number_is_counted';
    END IF;
    RETURN NULL;
END $fn$
"""

NUMBER_AT_COMMIT: Final = """
CREATE CONSTRAINT TRIGGER documents_document_number_is_counted AFTER UPDATE
ON "documents_document" DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (NEW.state = 'sealed')
EXECUTE FUNCTION documents_number_is_counted('documents_numberseries')
"""
