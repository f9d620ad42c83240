"""The process's memory of tenants: by host, by slug and by schema, 30 seconds at most.

A query for each request would cost most of the request; unknown names are remembered as well.
"""

from __future__ import annotations

from typing import Final

from apps.core.ttl import TtlCache
from apps.tenants.domain.facts import TenantFacts

SECONDS: Final = 30.0

by_host: Final[TtlCache[str, TenantFacts | None]] = TtlCache(seconds=SECONDS, limit=4096)
by_slug: Final[TtlCache[str, TenantFacts | None]] = TtlCache(seconds=SECONDS, limit=4096)
by_schema: Final[TtlCache[str, TenantFacts | None]] = TtlCache(seconds=SECONDS, limit=4096)


def forget() -> None:
    """Drop everything; every write to a tenant or a domain calls this."""
    for cache in (by_host, by_slug, by_schema):
        cache.forget()
