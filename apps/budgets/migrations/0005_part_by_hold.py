"""The primary key of a part begins with its hold, which needs no index of its own."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("budgets", "0004_experiment_tags")]

    operations = [
        migrations.AlterField(
            model_name="holdpart",
            name="hold",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="parts",
                to="budgets.hold",
            ),
        ),
    ]
