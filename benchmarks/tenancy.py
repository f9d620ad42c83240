"""What finding the tenant, opening the key and counting calls costs a request that parses events.

    python -m benchmarks.tenancy           on servers that run (make bench starts its own)

Two applications behind the same server parse and validate the events of a body and answer their
number: one without tenants, keys and limits, and the platform's own door, which has met the key.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from typing import Any, Final

from benchmarks.ingest import Traffic, tenant

CONNECTIONS: Final = 8
ROUNDS: Final = 7
SECONDS: Final = 1.5


def _bare() -> Any:
    """Return what parses, counts itself in the metrics, and answers as many headers as the door."""
    import time

    import orjson

    from apps.usage.domain.decode import Form, decode_events
    from finops_platform.metrics import LATENCY, REQUESTS

    answered, latency = REQUESTS.labels("none", "POST", "2xx"), LATENCY.labels("none")
    others = [("Content-Type", "application/json"), *((f"X-Other-{n}", "x") for n in range(9))]

    def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        began = time.perf_counter()
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        answer = orjson.dumps(_receipt(len(decode_events(body=body, form=Form.JSON))))
        own = [("Content-Length", str(len(answer))), ("X-Request-ID", secrets.token_hex(16))]
        start("200 OK", [*others, *own])
        answered.inc()
        latency.observe(time.perf_counter() - began)
        return (answer,)

    return application


def _receipt(count: int) -> Any:
    from apps.ingest.domain.receipt import Receipt

    return Receipt(count, 0, 0, 0, 0, None, ())


def _full() -> Any:
    """Return the platform's door, behind which events are counted and not stored."""
    import finops_platform.wsgi
    from apps.ingest import services as ingest

    def few(*, sent: Any, tenant: Any) -> Any:
        return _receipt(len(sent.drafts))

    def batch(*, drafts: Any, **_: Any) -> Any:
        return _receipt(len(drafts))

    ingest.accept_small, ingest.accept_events = few, batch
    return finops_platform.wsgi.application


def __getattr__(name: str) -> Any:
    """Make an application when a server asks for it by name."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "finops_platform.settings.embedded")
    if name in ("bare", "full"):
        return _bare() if name == "bare" else _full()
    raise AttributeError(name)


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "finops_platform.settings.embedded")
    from benchmarks.http_ingest import _key, boundless, granian

    boundless()
    import django

    django.setup()
    slug = f"bench-{secrets.token_hex(3)}"
    with tenant(slug):
        key = _key()
        with granian("benchmarks.tenancy:bare") as bare, granian("benchmarks.tenancy:full") as full:
            head = f"Host: {slug}.localhost:{full}\r\nAuthorization: Bearer {key}\r\n"
            for count in (1, 100, 1_000):
                run(bare, full, head, count)


def run(bare: int, full: int, head: str, count: int) -> None:
    import json

    from benchmarks.http_ingest import http, requests_of
    from benchmarks.rounds import interleaved

    traffic = Traffic(models_a_tag_set=1)
    body = json.dumps([traffic._event() for _ in range(count)]).encode()
    request = http("/api/v1/usage/events", body, head)

    def rate(port: int) -> float:
        sends: Iterator[bytes] = repeat(request)
        answered, took = requests_of(port, sends, SECONDS)
        return answered / took

    rate(full)
    (ratio,) = interleaved(
        lambda: rate(bare),
        {f"parsing {count:,} events a request": lambda: rate(full)},
        rounds=ROUNDS,
    )
    print(f"tenancy, keys and limits, {ratio}")


if __name__ == "__main__":
    main()
