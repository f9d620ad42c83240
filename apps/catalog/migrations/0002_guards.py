"""Holds prices and recognition still: a row changes once, when we stop believing it."""

from django.db import migrations

KEEP = """
CREATE OR REPLACE FUNCTION catalog_keep_price() RETURNS trigger LANGUAGE plpgsql AS $fn$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.known_to IS NULL AND NEW.known_to IS NOT NULL
        AND to_jsonb(OLD) - 'known_to' = to_jsonb(NEW) - 'known_to' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% on % is refused: a price only ever ends being known', TG_OP, TG_ARGV[0]
        USING ERRCODE = 'integrity_constraint_violation', HINT = 'price_immutable';
END $fn$
"""

TABLES = ("catalog_listprice", "catalog_recognition")
GUARDS = (("keep", "UPDATE OR DELETE", "ROW"), ("no_truncate", "TRUNCATE", "STATEMENT"))


def _guard(table: str, name: str, events: str, each: str) -> migrations.RunSQL:
    return migrations.RunSQL(
        f"CREATE TRIGGER {table}_{name} BEFORE {events} ON {table} "
        f"FOR EACH {each} EXECUTE FUNCTION catalog_keep_price('{table}')",
        f"DROP TRIGGER {table}_{name} ON {table}",
    )


class Migration(migrations.Migration):
    dependencies = [("catalog", "0001_initial")]

    operations = [
        migrations.RunSQL(KEEP, "DROP FUNCTION catalog_keep_price()"),
        *(_guard(table, *when) for table in TABLES for when in GUARDS),
    ]
