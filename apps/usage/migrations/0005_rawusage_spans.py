"""Finds the spans that were told inside one another by later requests."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("usage", "0004_outcome_experiment")]

    operations = [
        migrations.RunSQL(
            [
                "CREATE INDEX usage_rawusage_span_parent ON usage_rawusage "
                "((raw #>> '{span,parent}')) WHERE (raw #>> '{span,parent}') IS NOT NULL"
            ],
            ["DROP INDEX usage_rawusage_span_parent"],
        ),
    ]
