"""Receipts are facts: append-only."""

from django.db import migrations

from apps.core.sql import append_only


class Migration(migrations.Migration):
    dependencies = [("ingest", "0001_initial")]

    operations = [*append_only("ingest_ingestbatch"), *append_only("ingest_correction")]
