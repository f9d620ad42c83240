"""Bills are kept as delivered, and in an open month only."""

from django.db import migrations

from apps.costs.sql import REFUSE_CHANGE, append_only_statements
from apps.periods.sql import UNTIL_CLOSED, guard_statements, guards_period


class Migration(migrations.Migration):
    dependencies = [("costs", "0001_initial"), ("periods", "0002_guards")]

    operations = [
        migrations.RunSQL(REFUSE_CHANGE, "DROP FUNCTION costs_refuse_change() CASCADE"),
        *(
            migrations.RunSQL(statement, migrations.RunSQL.noop)
            for table in (
                "costs_accounttruth",
                "costs_bill",
                "costs_billline",
                "costs_reconciliation",
            )
            for statement in append_only_statements(table)
        ),
        *guards_period("costs_bill", column="period"),
        *guards_period("costs_billline", column="period"),
        # Comparing a month or declaring an account is no use of it: guarded, and no evidence.
        *(
            migrations.RunSQL(statement, migrations.RunSQL.noop)
            for statement in (
                *guard_statements("costs_reconciliation", column="period", writable=UNTIL_CLOSED),
                *guard_statements("costs_accounttruth", column="from_month"),
            )
        ),
    ]
