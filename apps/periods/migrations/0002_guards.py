"""Legal transitions, the guard for rows of a month, append-only exchange rates."""

from django.db import migrations

from apps.core.sql import append_only
from apps.periods.sql import (
    BORN_OPEN,
    REFUSE_CLOSED,
    TRANSITIONS,
    UNTIL_CLOSED,
    guard_statements,
)


def _trigger(name: str, event: str, call: str) -> migrations.RunSQL:
    return migrations.RunSQL(
        f"CREATE TRIGGER {name} BEFORE {event} ON periods_period "
        f"FOR EACH ROW EXECUTE FUNCTION {call}()",
        f"DROP TRIGGER {name} ON periods_period",
    )


class Migration(migrations.Migration):
    dependencies = [("periods", "0001_initial")]

    operations = [
        migrations.RunSQL(REFUSE_CLOSED, "DROP FUNCTION periods_refuse_closed()"),
        migrations.RunSQL(TRANSITIONS, "DROP FUNCTION periods_legal_transition()"),
        migrations.RunSQL(BORN_OPEN, "DROP FUNCTION periods_born_open()"),
        _trigger("periods_period_transition", "UPDATE OR DELETE", "periods_legal_transition"),
        _trigger("periods_period_born_open", "INSERT", "periods_born_open"),
        *append_only("periods_fxrate"),
        *(
            migrations.RunSQL(statement, migrations.RunSQL.noop)
            for statement in guard_statements(
                "periods_fxrate", column="month", writable=UNTIL_CLOSED
            )
        ),
        migrations.RunSQL(
            "CREATE TRIGGER periods_period_no_truncate BEFORE TRUNCATE ON periods_period "
            "FOR EACH STATEMENT EXECUTE FUNCTION core_refuse_change('periods_period')",
            "DROP TRIGGER periods_period_no_truncate ON periods_period",
        ),
    ]
