"""Guardrails know whether the request behind a tag is approved."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("budgets", "0003_event_ref")]

    operations = [
        migrations.CreateModel(
            name="ExperimentTag",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "experiment",
                    models.CharField(help_text="the tag, as exp-42", max_length=64, unique=True),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("not_approved", "not_approved"),
                            ("open", "open"),
                            ("closed", "closed"),
                        ],
                        max_length=12,
                    ),
                ),
                ("changed_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["experiment"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("experiment__gt", ""),
                            ("state__in", ["not_approved", "open", "closed"]),
                        ),
                        name="budgets_experimenttag_state",
                    )
                ],
            },
        ),
    ]
