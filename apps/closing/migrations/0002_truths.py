"""Append-only approvals, finished closes that stay as they are."""

from django.db import migrations

from apps.closing.sql import guards_approval
from apps.core.sql import append_only, seals_when


class Migration(migrations.Migration):
    dependencies = [("closing", "0001_initial")]

    operations = [
        *append_only("closing_approval"),
        *seals_when(
            "closing_closerun",
            column="state",
            states=("finished", "cancelled"),
            lines=(("closing_closestep", "run_id"),),
        ),
        *seals_when("closing_reopenrequest", column="state", states=("done", "withdrawn")),
        *guards_approval(),
    ]
