"""Triggers of budgets: what a constraint on one state of a row cannot say."""

from __future__ import annotations

from typing import Final

GUARD_WINDOW: Final = """
CREATE OR REPLACE FUNCTION budgets_guard_window() RETURNS trigger LANGUAGE plpgsql AS $fn$
BEGIN
    IF NEW.held > OLD.held AND NEW.overrun > OLD.overrun THEN
        RAISE EXCEPTION 'a hold on window % may not raise its overrun', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'hold_over_limit';
    END IF;
    IF NEW.budget_id <> OLD.budget_id OR NEW.starts_on <> OLD.starts_on THEN
        RAISE EXCEPTION 'a window stays with its budget and its first day'
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'window_moved';
    END IF;
    RETURN NEW;
END $fn$
"""

GUARD_HOLD: Final = """
CREATE OR REPLACE FUNCTION budgets_guard_hold() RETURNS trigger LANGUAGE plpgsql AS $fn$
BEGIN
    IF OLD.state IN ('used', 'void', 'expired') AND NEW.state IN ('open', 'settled') THEN
        RAISE EXCEPTION 'the hold % has ended as %, and holds nothing again',
            OLD.public_id, OLD.state
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'hold_ended';
    END IF;
    RETURN NEW;
END $fn$
"""
