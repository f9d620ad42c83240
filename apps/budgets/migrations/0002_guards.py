"""What the counters and holds keep true of themselves, and the registry's one row."""

from django.db import migrations

from apps.budgets.sql import GUARD_HOLD, GUARD_WINDOW
from apps.core.sql import append_only


class Migration(migrations.Migration):
    dependencies = [("budgets", "0001_initial")]

    operations = [
        migrations.RunSQL(GUARD_WINDOW, "DROP FUNCTION budgets_guard_window() CASCADE"),
        migrations.RunSQL(
            "CREATE TRIGGER budgets_budgetwindow_guard BEFORE UPDATE ON budgets_budgetwindow "
            "FOR EACH ROW EXECUTE FUNCTION budgets_guard_window()",
            migrations.RunSQL.noop,
        ),
        migrations.RunSQL(GUARD_HOLD, "DROP FUNCTION budgets_guard_hold() CASCADE"),
        migrations.RunSQL(
            "CREATE TRIGGER budgets_hold_guard BEFORE UPDATE ON budgets_hold "
            "FOR EACH ROW EXECUTE FUNCTION budgets_guard_hold()",
            migrations.RunSQL.noop,
        ),
        *append_only("budgets_alert"),
        *append_only("budgets_budgetraise"),
        *append_only("budgets_snooze"),
        *append_only("budgets_guardraildecision"),
        migrations.RunSQL(
            "INSERT INTO budgets_registry (id, version, basis) VALUES (1, gen_random_uuid(), '')",
            migrations.RunSQL.noop,
        ),
    ]
