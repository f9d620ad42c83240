"""Loads the demo in a process of its own, on the database that FINOPS_TEST_DATABASE names.

Prints what `load_demo` sums up, exactly: one JSON object a tenant and period.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Any


def main(*, today: str, options: Sequence[str]) -> None:
    """Run the command and print the summaries on the last line."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "finops_platform.settings.test"
    import django

    import celery_worker  # tasks run in place, as its settings for tests say

    assert celery_worker.app
    django.setup()
    from django.core.management import call_command

    call_command("load_demo", f"--today={today}", *options)
    print(json.dumps([_plain(one) for one in _summaries(today)]))


def _summaries(today: str) -> list[Any]:
    from datetime import date

    from django_tenants.utils import schema_context

    from apps.core.domain.access import system_actor
    from apps.core.domain.months import Month
    from apps.tenants import selectors as tenants
    from finops_platform.demo.summary import summarize

    present = Month.of(date.fromisoformat(today))
    found = []
    for tenant in tenants.active():
        with schema_context(tenant.schema):
            found += summarize(
                tenant=tenant,
                months=[present - 2, present - 1, present],
                actor=system_actor("tests"),
            )
    return found


def _plain(one: Any) -> dict[str, Any]:
    return {
        "tenant": one.tenant,
        "month": str(one.month),
        "state": one.state,
        "events": str(one.events),
        "cost": str(one.cost),
        "difference": None if one.difference is None else str(one.difference),
        "documents": one.documents,
    }


if __name__ == "__main__":
    main(today=sys.argv[1], options=sys.argv[2:])
