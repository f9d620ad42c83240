"""Single events over HTTP, durable before the answer, against a raw WSGI echo.

    python -m benchmarks.http_singles      on servers that run (make bench starts its own)

64 connections each send one new event a request and wait for its receipt: key, tenant, limits,
validation, price, identity, rollups, one synchronous commit for those that wait together. The echo
behind the same server reads 350 bytes and answers `{}`. Client, servers and PostgreSQL share the
machine. Printed are the rates' ratio and that of the 99th percentiles.
"""

from __future__ import annotations

import os
import secrets
import statistics
from typing import Final

from benchmarks.http_ingest import _key, boundless, granian
from benchmarks.ingest import tenant
from benchmarks.load import Load, Loads, Target

CONNECTIONS: Final = (8, 64)
ROUNDS: Final = 5
SECONDS: Final = 3.0
BODY: Final = (
    '{"id":"%s-{n}","source":"gateway","time":"2026-01-19T10:20:30.123456Z","provider":"benchco",'
    '"model":"model-3","usage":{"input_tokens":1200,"cached_input_tokens":800,'
    '"output_tokens":300},"tags":{"team":"team-1","product":"product-2","feature":"feature-3"},'
    '"account":"proj_1","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"}'
)


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "finops_platform.settings.embedded")
    boundless()
    import django

    django.setup()
    slug = f"bench-{secrets.token_hex(3)}"
    with (
        tenant(slug),
        granian("benchmarks.http_ingest:echo") as plain,
        granian("finops_platform.wsgi:application") as full,
    ):
        kind = {"Content-Type": "application/json"}
        echo = Loads(Target(plain, "/", {"Host": "127.0.0.1", **kind}, "x" * 350))
        headers = {
            "Host": f"{slug}.localhost:{full}",
            "Authorization": f"Bearer {_key()}",
            **kind,
        }
        body = BODY % secrets.token_hex(3)
        run(echo, Loads(Target(full, "/api/v1/usage/events", headers, body)))


def run(echo: Loads, platform: Loads) -> None:
    from apps.usage.models import EventKey

    answered = 0
    for connections in CONNECTIONS:
        answered += platform.load(connections=connections, seconds=2).answered
        rounds: list[tuple[Load, Load]] = []
        for _ in range(ROUNDS):
            before = echo.load(connections=connections, seconds=SECONDS / 3)
            load = platform.load(connections=connections, seconds=SECONDS)
            answered += load.answered
            rounds.append((load, before))
        print(f"single events over HTTP, {connections} connections: {_shown(rounds)}")
    stored = EventKey.objects.count()
    assert stored >= answered, f"{answered} events were acknowledged, {stored} are stored"


def _shown(rounds: list[tuple[Load, Load]]) -> str:
    rates = [load.rate / echo.rate for load, echo in rounds]
    slow = [load.p99 / echo.p99 for load, echo in rounds]
    middle = statistics.median
    return (
        f"ratio {middle(rates):.3f} ({min(rates):.3f}..{max(rates):.3f}); "
        f"{middle(load.rate for load, _ in rounds):,.0f}/s against "
        f"{middle(echo.rate for _, echo in rounds):,.0f}/s; p99 {middle(slow):.1f} times "
        f"({min(slow):.1f}..{max(slow):.1f}); p50/p99 "
        f"{middle(load.p50 for load, _ in rounds):.1f}/"
        f"{middle(load.p99 for load, _ in rounds):.1f} ms against "
        f"{middle(echo.p50 for _, echo in rounds):.1f}/"
        f"{middle(echo.p99 for _, echo in rounds):.1f} ms"
    )


if __name__ == "__main__":
    main()
