"""Holds list prices still: a row changes once, when we stop believing it, and never goes."""

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


class Migration(migrations.Migration):
    dependencies = [("catalog", "0001_initial")]

    operations = [
        migrations.RunSQL(KEEP, "DROP FUNCTION catalog_keep_price()"),
        migrations.RunSQL(
            "CREATE TRIGGER catalog_listprice_keep BEFORE UPDATE OR DELETE ON catalog_listprice "
            "FOR EACH ROW EXECUTE FUNCTION catalog_keep_price('catalog_listprice')",
            "DROP TRIGGER catalog_listprice_keep ON catalog_listprice",
        ),
        migrations.RunSQL(
            "CREATE TRIGGER catalog_listprice_no_truncate BEFORE TRUNCATE ON catalog_listprice "
            "FOR EACH STATEMENT EXECUTE FUNCTION catalog_keep_price('catalog_listprice')",
            "DROP TRIGGER catalog_listprice_no_truncate ON catalog_listprice",
        ),
    ]
