"""Event keys, partitioned events and rollups, and the triggers that keep facts as they are."""

from django.db import migrations

from apps.core.sql import append_only
from apps.periods.sql import guards_period
from apps.usage.sql import DROP_TABLES, REFUSE_CLOSED_MONTH, TABLES


class Migration(migrations.Migration):
    dependencies = [("usage", "0001_initial"), ("periods", "0002_guards")]

    operations = [
        *(
            migrations.RunSQL(create, drop)
            for create, drop in zip(TABLES, DROP_TABLES, strict=True)
        ),
        migrations.RunSQL(REFUSE_CLOSED_MONTH, "DROP FUNCTION usage_refuse_closed_month()"),
        *append_only("usage_eventkey"),
        *append_only("usage_eventdigest"),
        *append_only("usage_event"),
        *append_only("usage_tagset"),
        *append_only("usage_sentsku"),
        *append_only("usage_sku"),
        *append_only("usage_outcome"),
        *append_only("usage_pricecorrection"),
        *guards_period("usage_event", column="period"),
        *guards_period("usage_rollup", column="period"),
        *guards_period("usage_pricecorrection", column="period"),
    ]
