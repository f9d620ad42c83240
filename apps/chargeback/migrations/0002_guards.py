"""Statements and terms are append-only, and statements of a closed month cannot be added."""

from django.db import migrations

from apps.core.sql import append_only
from apps.periods.sql import UNTIL_CLOSED, guards_period


class Migration(migrations.Migration):
    dependencies = [("chargeback", "0001_initial"), ("periods", "0002_guards")]

    operations = [
        *append_only("chargeback_statement"),
        *append_only("chargeback_statementterms"),
        *guards_period("chargeback_statement", column="month", writable=UNTIL_CLOSED),
    ]
