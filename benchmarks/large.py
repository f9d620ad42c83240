"""Library ingest into a tenant that holds ten million events already, against a new tenant's.

    python -m benchmarks.large [events]    on servers that run; ten minutes, eight gigabytes

The events are really ingested, by two processes, ids upwards. Then the batches of
`benchmarks.ingest` go into the full tenant and into an empty one in turn: the ratio is what size
costs, with ids that count upwards and with random ones.
"""

from __future__ import annotations

import os
import secrets
import sys
import time
from functools import partial
from typing import Final

from benchmarks.ingest import BATCH, NOW, WRITER_BATCHES, Traffic, decoded, tenant, writing
from benchmarks.rounds import interleaved

EVENTS: Final = 10_000_000
ROUNDS: Final = 7
WARM: Final = 3


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "finops_platform.settings.embedded")
    import django

    django.setup()
    events = int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS
    run = secrets.token_hex(3)
    with tenant(f"full-{run}") as full:
        with writing(2) as writers:
            for _ in range(-(-events // (2 * WRITER_BATCHES * BATCH))):
                writers(2)
        with tenant(f"empty-{run}") as empty:
            compare(full.schema, empty.schema)


def compare(full: str, empty: str) -> None:
    from django_tenants.utils import schema_context

    from apps.usage.models import EventKey

    with schema_context(full):
        held = EventKey.objects.count()
    for name, has_random_ids in (("ordered ids", False), ("random ids", True)):
        streams = {
            schema: Traffic(models_a_tag_set=1, seed=seed, has_random_ids=has_random_ids)
            for seed, schema in enumerate((full, empty), start=31)
        }
        for _ in range(WARM):
            for schema, traffic in streams.items():
                rate(schema, traffic)
        cases = {name: partial(rate, full, streams[full])}
        (ratio,) = interleaved(partial(rate, empty, streams[empty]), cases, rounds=ROUNDS)
        print(f"ingest, library, a tenant of {held:,} events against an empty one, {ratio}")


def rate(schema: str, traffic: Traffic) -> float:
    """Ingest a batch in a schema and return events a second."""
    from django_tenants.utils import schema_context

    from apps.core.domain.access import system_actor
    from apps.ingest import services as ingest

    drafts = decoded(traffic.batch())
    with schema_context(schema):
        begin = time.perf_counter()
        ingest.accept_events(drafts=drafts, actor=system_actor("bench"), received_at=NOW)
        return BATCH / (time.perf_counter() - begin)


if __name__ == "__main__":
    main()
