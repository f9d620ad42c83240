"""One parent and one cost center at a time, no cycles, nothing forgotten, two nodes always there."""

from django.db import migrations

from apps.directory.sql import DATED, ENTRIES, ENTRY_STAYS, NO_CYCLE, NO_TRUNCATE, ONLY_SUPERSEDED


def _one_at_a_time(table: str, subject: str) -> migrations.RunSQL:
    return migrations.RunSQL(
        f"ALTER TABLE {table} ADD CONSTRAINT {table}_one_at_a_time EXCLUDE USING gist ("
        f"int8range({subject}, {subject}, '[]') WITH &&, daterange(valid_from, valid_to) WITH &&"
        ") WHERE (superseded_at IS NULL)",
        f"ALTER TABLE {table} DROP CONSTRAINT {table}_one_at_a_time",
    )


def _trigger(table: str, name: str, event: str, call: str, each: str = "ROW") -> migrations.RunSQL:
    return migrations.RunSQL(
        f"CREATE TRIGGER {table}_{name} BEFORE {event} ON {table} "
        f"FOR EACH {each} EXECUTE FUNCTION {call}",
        f"DROP TRIGGER {table}_{name} ON {table}",
    )


def _special(code: str, name: str, kind: str, public_id: str) -> migrations.RunSQL:
    return migrations.RunSQL(
        "INSERT INTO directory_costcenter (public_id, code, name, kind, owner_name, owner_email, "
        f"gl_code, created_at) VALUES ('{public_id}', '{code}', '{name}', '{kind}', '', '', '', "
        "'1970-01-01 00:00:00+00')",
        migrations.RunSQL.noop,
    )


class Migration(migrations.Migration):
    dependencies = [("directory", "0001_initial")]

    operations = [
        _special(
            "UNALLOCATED",
            "Unallocated",
            "unallocated",
            "00000000-0000-4000-8000-000000000001",
        ),
        _special(
            "MARKUP",
            "Markup recovery",
            "markup_recovery",
            "00000000-0000-4000-8000-000000000002",
        ),
        migrations.RunSQL(ONLY_SUPERSEDED, "DROP FUNCTION directory_only_superseded()"),
        migrations.RunSQL(NO_CYCLE, "DROP FUNCTION directory_no_cycle()"),
        migrations.RunSQL(ENTRY_STAYS, "DROP FUNCTION directory_entry_stays()"),
        migrations.RunSQL(NO_TRUNCATE, "DROP FUNCTION directory_refuse_truncate()"),
        *(_one_at_a_time(table, subject) for table, subject in DATED.items()),
        *(
            _trigger(table, "only_superseded", "UPDATE OR DELETE", "directory_only_superseded()")
            for table in DATED
        ),
        *(
            _trigger(table, "stays", "UPDATE OR DELETE", "directory_entry_stays()")
            for table in ENTRIES
        ),
        _trigger("directory_placement", "no_cycle", "INSERT", "directory_no_cycle()"),
        *(
            _trigger(table, "no_truncate", "TRUNCATE", "directory_refuse_truncate()", "STATEMENT")
            for table in (*DATED, *ENTRIES)
        ),
    ]
