"""Outcomes are found by their experiment, for the page of an event."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("usage", "0003_rawusage"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="outcome",
            index=models.Index(
                condition=models.Q(("experiment__gt", "")),
                fields=["experiment"],
                name="usage_outcome_experiment",
            ),
        ),
    ]
