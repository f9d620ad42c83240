"""What finding the tenant, opening the key and counting calls costs a request that parses events.

    python -m benchmarks.tenancy           on servers that run (make bench starts its own)

Two applications behind the same server parse and validate the events of a body and answer their
number: one without tenants, keys and limits, one behind the platform's own middleware for them.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from itertools import repeat
from typing import Any, Final

from benchmarks.ingest import Traffic, tenant

CONNECTIONS: Final = 8
ROUNDS: Final = 7
SECONDS: Final = 1.5
TENANCY: Final = [
    "apps.tenants.middleware.TenantMiddleware",
    "apps.accounts.middleware.KeyHostMiddleware",
    "apps.accounts.middleware.RateLimitMiddleware",
]


def parse(request: Any) -> Any:
    """Decode and validate the events of a request."""
    import orjson
    from django.http import HttpResponse

    from apps.ingest.api.body import body_of, form_of
    from apps.usage.domain.decode import decode_events

    drafts = decode_events(body=body_of(request), form=form_of(request))
    body = orjson.dumps({"events": len(drafts)})
    length = {"Content-Length": str(len(body))}
    return HttpResponse(body, content_type="application/json", headers=length)


def parse_for_key(request: Any) -> Any:
    """Do the same for a key that may write usage."""
    from apps.accounts import services as accounts
    from apps.core.domain.access import Scope

    request.key_actor.require(Scope.USAGE_WRITE)
    accounts.charge_events(1)
    return parse(request)


def _application(middleware: list[str], view: Callable[[Any], Any]) -> Any:
    import django
    from django.conf import settings
    from django.core.handlers.wsgi import WSGIHandler

    django.setup()
    settings.MIDDLEWARE = middleware
    handler = WSGIHandler()
    setattr(handler, "_get_response", view)  # noqa: B010 - not in the type's stub
    handler.load_middleware()
    return handler


def __getattr__(name: str) -> Any:
    """Make an application when a server asks for it by name."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "finops_platform.settings.embedded")
    if name == "bare":
        return _application([], parse)
    if name == "full":
        return _application(TENANCY, parse_for_key)
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
