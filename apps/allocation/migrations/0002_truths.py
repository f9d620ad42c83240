"""Append-only rules and drivers, runs that conserve and stay final."""

from django.db import migrations

from apps.allocation.sql import guards_run, seals_with_run
from apps.core.sql import append_only
from apps.periods.sql import UNTIL_CLOSED, guards_period


class Migration(migrations.Migration):
    dependencies = [("allocation", "0001_initial"), ("periods", "0002_guards")]

    operations = [
        *append_only("allocation_allocationrule"),
        *append_only("allocation_driver"),
        *guards_period("allocation_driver", column="month", writable=UNTIL_CLOSED),
        *guards_run(),
        *guards_period("allocation_run", column="month", writable=UNTIL_CLOSED),
        *seals_with_run("allocation_source"),
        *seals_with_run("allocation_basis"),
        *seals_with_run("allocation_line"),
    ]
