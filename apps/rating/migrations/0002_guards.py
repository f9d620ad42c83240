"""Holds prices and versions still, and puts the first version in force."""

from django.db import migrations

from apps.core.sql import append_only

KEEP = """
CREATE OR REPLACE FUNCTION rating_keep_price() RETURNS trigger LANGUAGE plpgsql AS $fn$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.known_to IS NULL AND NEW.known_to IS NOT NULL
        AND to_jsonb(OLD) - 'known_to' = to_jsonb(NEW) - 'known_to' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% on % is refused: a price only ever ends being known', TG_OP, TG_ARGV[0]
        USING ERRCODE = 'integrity_constraint_violation', HINT = 'price_immutable';
END $fn$
"""
FORWARD = """
CREATE OR REPLACE FUNCTION rating_version_forward() RETURNS trigger LANGUAGE plpgsql AS $fn$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.id = OLD.id AND NEW.version_id > OLD.version_id THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% on % is refused: versions only move forward', TG_OP, TG_ARGV[0]
        USING ERRCODE = 'integrity_constraint_violation', HINT = 'version_forward';
END $fn$
"""


def _guard(name: str, table: str, events: str, each: str, function: str) -> migrations.RunSQL:
    return migrations.RunSQL(
        f"CREATE TRIGGER {name} BEFORE {events} ON {table} "
        f"FOR EACH {each} EXECUTE FUNCTION {function}('{table}')",
        f"DROP TRIGGER {name} ON {table}",
    )


class Migration(migrations.Migration):
    dependencies = [("rating", "0001_initial")]

    operations = [
        migrations.RunSQL(KEEP, "DROP FUNCTION rating_keep_price()"),
        migrations.RunSQL(FORWARD, "DROP FUNCTION rating_version_forward()"),
        _guard(
            "rating_contractprice_keep",
            "rating_contractprice",
            "UPDATE OR DELETE",
            "ROW",
            "rating_keep_price",
        ),
        _guard(
            "rating_contractprice_no_truncate",
            "rating_contractprice",
            "TRUNCATE",
            "STATEMENT",
            "rating_keep_price",
        ),
        *append_only("rating_price"),
        *append_only("rating_pricebookversion"),
        migrations.RunSQL(
            [
                "INSERT INTO rating_pricebookversion "
                "(catalog_known_at, contract_known_at, adopted_at, adopted_by) "
                "VALUES (now(), 'epoch', now(), 'system:provisioning')",
                "INSERT INTO rating_currentversion (id, version_id) "
                "SELECT 1, max(id) FROM rating_pricebookversion",
            ],
            migrations.RunSQL.noop,
        ),
        _guard(
            "rating_currentversion_forward",
            "rating_currentversion",
            "UPDATE OR DELETE",
            "ROW",
            "rating_version_forward",
        ),
        _guard(
            "rating_currentversion_no_truncate",
            "rating_currentversion",
            "TRUNCATE",
            "STATEMENT",
            "rating_version_forward",
        ),
    ]
