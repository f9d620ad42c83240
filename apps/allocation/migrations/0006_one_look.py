"""The check of a publication reads a run's lines twice, not five times."""

from django.db import migrations

from apps.allocation.sql import RUN_GUARD


class Migration(migrations.Migration):
    dependencies = [("allocation", "0005_what_if")]

    operations = [migrations.RunSQL([RUN_GUARD], migrations.RunSQL.noop)]
