"""Says what a tenant's database holds: run as `python -m tests.faults.judge SLUG`."""

from __future__ import annotations

import json
import sys
from decimal import Decimal


def main(slug: str) -> None:
    """Print every stored id, the sums of the rollups, and what differs when they are rebuilt."""
    import django

    django.setup()
    from django.db.models import Sum
    from django_tenants.utils import schema_context

    from apps.ingest.models import IngestBatch
    from apps.tenants import selectors as tenants
    from apps.usage import services as usage
    from apps.usage.models import Event, Rollup

    with schema_context(tenants.by_slug(slug=slug).schema):
        sums = Rollup.objects.values("meter").annotate(total=Sum("quantity"))
        found = {
            "ids": sorted(Event.objects.values_list("event_id", flat=True)),
            "sums": {row["meter"]: int(_whole(row["total"])) for row in sums},
            "accepted": IngestBatch.objects.aggregate(total=Sum("accepted"))["total"],
            "differences": [str(one) for one in usage.verify_rollups()],
        }
    print(json.dumps(found))


def _whole(total: Decimal) -> Decimal:
    assert total == total.to_integral_value()
    return total


if __name__ == "__main__":
    main(sys.argv[1])
