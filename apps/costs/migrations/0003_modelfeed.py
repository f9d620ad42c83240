"""Which feed of one model of an account counts; said for open months only, and kept."""

import django.db.models.deletion
from django.db import migrations, models

from apps.costs.sql import append_only_statements
from apps.periods.sql import guard_statements


class Migration(migrations.Migration):
    dependencies = [
        ("costs", "0002_guards"),
    ]

    operations = [
        migrations.CreateModel(
            name="ModelFeed",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("model", models.CharField(help_text="canonical model code", max_length=200)),
                (
                    "from_month",
                    models.DateField(help_text="first day of the first month it holds for"),
                ),
                (
                    "feed",
                    models.CharField(
                        blank=True,
                        help_text="request or bucket; empty: as the account",
                        max_length=8,
                    ),
                ),
                ("reason", models.CharField(max_length=500)),
                ("recorded_at", models.DateTimeField()),
                ("recorded_by", models.CharField(max_length=254)),
                (
                    "provider_account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, to="costs.provideraccount"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("feed__in", ["", "request", "bucket"])),
                        name="costs_modelfeed_feed_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("from_month__day", 1)),
                        name="costs_modelfeed_from_a_first_day",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("model__gt", ""), ("reason__gt", "")),
                        name="costs_modelfeed_told",
                    ),
                ],
            },
        ),
        *(
            migrations.RunSQL(statement, migrations.RunSQL.noop)
            for statement in (
                *append_only_statements("costs_modelfeed"),
                *guard_statements("costs_modelfeed", column="from_month"),
            )
        ),
    ]
