"""Lets a price change be settled once: by sources that agree, or by as many people as it needs."""

from django.db import migrations

from apps.core.sql import append_only

SETTLE = """
CREATE OR REPLACE FUNCTION catalog_settle_change() RETURNS trigger LANGUAGE plpgsql AS $fn$
DECLARE
    approvals bigint;
    rejections bigint;
BEGIN
    IF TG_OP IN ('DELETE', 'TRUNCATE') THEN
        RAISE EXCEPTION '% on % is refused: changes of prices are kept', TG_OP, TG_ARGV[0]
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'change_kept';
    END IF;
    IF TG_OP = 'UPDATE' THEN
        IF OLD.state <> 'proposed' THEN
            RAISE EXCEPTION 'the change of a price is settled already'
                USING ERRCODE = 'integrity_constraint_violation', HINT = 'change_settled';
        END IF;
        IF NEW.approvers < OLD.approvers
            OR to_jsonb(OLD) - '{state,basis,settled_at,approvers,caution,agreeing,differing}'::text[]
            <> to_jsonb(NEW) - '{state,basis,settled_at,approvers,caution,agreeing,differing}'::text[]
        THEN
            RAISE EXCEPTION 'what a change of a price says is fixed once it is proposed'
                USING ERRCODE = 'integrity_constraint_violation', HINT = 'change_immutable';
        END IF;
    ELSIF NEW.state NOT IN ('proposed', 'published') OR NEW.basis = 'person' THEN
        RAISE EXCEPTION 'a new change of a price is proposed, or published by agreement'
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'change_new';
    END IF;
    IF NEW.state = 'published' AND NEW.basis = 'agreement'
        AND (NEW.approvers > 1 OR NEW.agreeing < 2 OR NEW.differing > 0 OR NEW.amount IS NULL) THEN
        RAISE EXCEPTION 'a change of a price is published by agreement of two sources only'
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'change_not_agreed';
    END IF;
    IF NEW.basis = 'person' OR NEW.state = 'rejected' THEN
        EXECUTE format(
            'SELECT count(DISTINCT user_id) FILTER (WHERE verdict = ''approve''), '
            'count(*) FILTER (WHERE verdict = ''reject'') FROM %I.%I WHERE change_id = $1',
            TG_TABLE_SCHEMA, TG_ARGV[1])
            INTO approvals, rejections USING NEW.id;
        IF NEW.state = 'rejected' AND rejections = 0 THEN
            RAISE EXCEPTION 'a person rejects a change of a price'
                USING ERRCODE = 'integrity_constraint_violation', HINT = 'change_not_rejected';
        END IF;
        IF NEW.basis = 'person' AND (approvals < NEW.approvers OR rejections > 0) THEN
            RAISE EXCEPTION 'the change of a price needs % people to approve, % did',
                NEW.approvers, approvals
                USING ERRCODE = 'integrity_constraint_violation', HINT = 'change_not_approved';
        END IF;
    END IF;
    RETURN NEW;
END $fn$
"""

DECIDE = """
CREATE OR REPLACE FUNCTION catalog_decide_change() RETURNS trigger LANGUAGE plpgsql AS $fn$
DECLARE
    state text;
BEGIN
    EXECUTE format('SELECT state FROM %I.%I WHERE id = $1 FOR SHARE', TG_TABLE_SCHEMA, TG_ARGV[0])
        INTO state USING NEW.change_id;
    IF state <> 'proposed' THEN
        RAISE EXCEPTION 'the change of a price is settled already'
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'change_settled';
    END IF;
    RETURN NEW;
END $fn$
"""


def _trigger(table: str, name: str, when: str, call: str) -> migrations.RunSQL:
    return migrations.RunSQL(
        f"CREATE TRIGGER {table}_{name} BEFORE {when} EXECUTE FUNCTION {call}",
        f"DROP TRIGGER {table}_{name} ON {table}",
    )


class Migration(migrations.Migration):
    dependencies = [("catalog", "0003_review")]

    operations = [
        migrations.RunSQL([SETTLE], [("DROP FUNCTION catalog_settle_change()", None)]),
        migrations.RunSQL([DECIDE], [("DROP FUNCTION catalog_decide_change()", None)]),
        _trigger(
            "catalog_pricechange",
            "settle",
            "INSERT OR UPDATE OR DELETE ON catalog_pricechange FOR EACH ROW",
            "catalog_settle_change('catalog_pricechange', 'catalog_pricedecision')",
        ),
        _trigger(
            "catalog_pricechange",
            "no_truncate",
            "TRUNCATE ON catalog_pricechange FOR EACH STATEMENT",
            "catalog_settle_change('catalog_pricechange', 'catalog_pricedecision')",
        ),
        _trigger(
            "catalog_pricedecision",
            "decide",
            "INSERT ON catalog_pricedecision FOR EACH ROW",
            "catalog_decide_change('catalog_pricechange')",
        ),
        _trigger(
            "catalog_priceobservation",
            "keep",
            "UPDATE OR DELETE ON catalog_priceobservation FOR EACH ROW",
            "catalog_keep_price('catalog_priceobservation')",
        ),
        _trigger(
            "catalog_priceobservation",
            "no_truncate",
            "TRUNCATE ON catalog_priceobservation FOR EACH STATEMENT",
            "catalog_keep_price('catalog_priceobservation')",
        ),
        *append_only("catalog_priceimport"),
        *append_only("catalog_pricedecision"),
    ]
