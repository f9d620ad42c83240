"""Four eyes, one vote a person, frozen content: held by the database itself."""

from django.db import migrations

from apps.core.sql import append_only
from apps.experiments.sql import DELEGATIONS_APART, keeps_order, no_truncate


class Migration(migrations.Migration):
    dependencies = [("experiments", "0001_initial")]

    operations = [
        *append_only("experiments_revision"),
        *append_only("experiments_attachment"),
        *append_only("experiments_outcomereport"),
        *append_only("experiments_approvalpolicy"),
        *append_only("experiments_decision"),
        *append_only("experiments_linkuse"),
        *keeps_order(),
        *(
            no_truncate(f"experiments_{table}")
            for table in ("experimentrequest", "submission", "step", "delegation")
        ),
        migrations.RunSQL(
            DELEGATIONS_APART,
            "ALTER TABLE experiments_delegation DROP CONSTRAINT experiments_delegation_apart",
        ),
    ]
