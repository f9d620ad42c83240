"""Triggers that keep answers to statements in order; used by migrations only."""

from __future__ import annotations

from typing import Final

RESPONSE_FITS: Final = """
CREATE OR REPLACE FUNCTION chargeback_response_fits() RETURNS trigger LANGUAGE plpgsql AS $fn$
DECLARE
    found_state text;
    found boolean;
BEGIN
    -- The statement's row is what answers queue for; each query below sees what was committed.
    EXECUTE format(
        'SELECT document.state FROM %1$I.%2$I AS statement '
        'JOIN %1$I.%3$I AS document ON document.id = statement.document_id '
        'WHERE statement.id = $1 FOR NO KEY UPDATE OF statement',
        TG_TABLE_SCHEMA, TG_ARGV[1], TG_ARGV[2]) INTO found_state USING NEW.statement_id;
    IF found_state IS DISTINCT FROM 'sealed' THEN
        RAISE EXCEPTION 'a statement that is not issued takes no answer'
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'statement_not_issued';
    END IF;
    EXECUTE format(
        'SELECT EXISTS (SELECT 1 FROM %I.%I WHERE statement_id = $1 AND verdict <> ''disputed'')',
        TG_TABLE_SCHEMA, TG_ARGV[0]) INTO found USING NEW.statement_id;
    IF found THEN
        RAISE EXCEPTION 'the statement is settled'
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'statement_settled';
    END IF;
    IF NEW.verdict <> 'disputed' THEN
        EXECUTE format(
            'SELECT EXISTS (SELECT 1 FROM %1$I.%2$I AS answer WHERE answer.statement_id = $1 '
            'AND answer.verdict = ''disputed'' AND NOT EXISTS '
            '(SELECT 1 FROM %1$I.%3$I AS ended WHERE ended.response_id = answer.id))',
            TG_TABLE_SCHEMA, TG_ARGV[0], TG_ARGV[3]) INTO found USING NEW.statement_id;
        IF found THEN
            RAISE EXCEPTION 'a dispute of the statement is open'
                USING ERRCODE = 'integrity_constraint_violation', HINT = 'disputes_open';
        END IF;
    END IF;
    RETURN NEW;
END $fn$
"""

ON_RESPONSE: Final = """
CREATE TRIGGER chargeback_response_fits BEFORE INSERT ON "chargeback_response"
FOR EACH ROW EXECUTE FUNCTION chargeback_response_fits(
    'chargeback_response', 'chargeback_statement', 'documents_document', 'chargeback_resolution')
"""

RESOLUTION_FITS: Final = """
CREATE OR REPLACE FUNCTION chargeback_resolution_fits() RETURNS trigger LANGUAGE plpgsql AS $fn$
DECLARE
    found_verdict text;
    found_user bigint;
BEGIN
    EXECUTE format('SELECT verdict, user_id FROM %I.%I WHERE id = $1', TG_TABLE_SCHEMA, TG_ARGV[0])
        INTO found_verdict, found_user USING NEW.response_id;
    IF found_verdict IS DISTINCT FROM 'disputed' THEN
        RAISE EXCEPTION 'only a dispute is resolved'
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'dispute_not_found';
    END IF;
    IF (NEW.outcome = 'withdrawn') <> (NEW.user_id = found_user) THEN
        RAISE EXCEPTION 'a dispute is withdrawn by who raised it and decided by somebody else'
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'same_person';
    END IF;
    RETURN NEW;
END $fn$
"""

ON_RESOLUTION: Final = """
CREATE TRIGGER chargeback_resolution_fits BEFORE INSERT ON "chargeback_resolution"
FOR EACH ROW EXECUTE FUNCTION chargeback_resolution_fits('chargeback_response')
"""

JOURNAL_BALANCES: Final = """
CREATE OR REPLACE FUNCTION chargeback_journal_balances() RETURNS trigger LANGUAGE plpgsql AS $fn$
DECLARE
    debits numeric;
    credits numeric;
    charged numeric;
    counted bigint;
    stated numeric;
BEGIN
    EXECUTE format(
        'SELECT coalesce(sum(debit), 0), coalesce(sum(credit), 0), count(*), '
        'coalesce(sum(debit - credit) FILTER (WHERE cost_center <> ''''), 0) '
        'FROM %I.%I WHERE journal_id = $1', TG_TABLE_SCHEMA, TG_ARGV[0])
        INTO debits, credits, counted, charged USING NEW.id;
    IF debits <> credits OR debits <> NEW.total OR counted <> NEW.line_count THEN
        RAISE EXCEPTION 'journal % does not balance: debits %, credits %, total %',
            NEW.batch, debits, credits, NEW.total
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'journal_balances';
    END IF;
    EXECUTE format(
        'SELECT coalesce(sum(document.total), 0) FROM %1$I.%2$I AS statement '
        'JOIN %1$I.%3$I AS document ON document.id = statement.document_id '
        'WHERE statement.run = $1 AND document.state = ''sealed''',
        TG_TABLE_SCHEMA, TG_ARGV[1], TG_ARGV[2]) INTO stated USING NEW.run;
    IF charged <> (CASE WHEN NEW.kind = 'reversal' THEN -stated ELSE stated END) THEN
        RAISE EXCEPTION 'journal % charges % while its statements sum to %',
            NEW.batch, charged, stated
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'journal_equals_statements';
    END IF;
    RETURN NULL;
END $fn$
"""

ON_JOURNAL: Final = """
CREATE CONSTRAINT TRIGGER chargeback_journal_balances AFTER INSERT ON "chargeback_journal"
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION chargeback_journal_balances(
    'chargeback_journalline', 'chargeback_statement', 'documents_document')
"""

JOURNAL_IS_FULL: Final = """
CREATE OR REPLACE FUNCTION chargeback_journal_is_full() RETURNS trigger LANGUAGE plpgsql AS $fn$
DECLARE
    over text;
BEGIN
    -- Every line is above zero and the journal's total is frozen: once full, nothing fits.
    EXECUTE format(
        'SELECT journal.batch FROM %1$I.%2$I AS journal JOIN %1$I.%3$I AS line '
        'ON line.journal_id = journal.id WHERE journal.id IN (SELECT journal_id FROM added) '
        'GROUP BY journal.id, journal.batch, journal.total '
        'HAVING sum(line.debit) > journal.total OR sum(line.credit) > journal.total LIMIT 1',
        TG_TABLE_SCHEMA, TG_ARGV[0], TG_ARGV[1]) INTO over;
    IF over IS NOT NULL THEN
        RAISE EXCEPTION 'journal % takes no further line', over
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'journal_balances';
    END IF;
    RETURN NULL;
END $fn$
"""

ON_JOURNAL_LINES: Final = """
CREATE TRIGGER chargeback_journal_is_full AFTER INSERT ON "chargeback_journalline"
REFERENCING NEW TABLE AS added FOR EACH STATEMENT
EXECUTE FUNCTION chargeback_journal_is_full('chargeback_journal', 'chargeback_journalline')
"""
