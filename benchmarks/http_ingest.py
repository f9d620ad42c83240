"""Batches of 1,000 events over HTTP against a raw WSGI echo behind the same server.

    python -m benchmarks.http_ingest       on servers that run (make bench starts its own)

Both are granian with two workers and the platform's own options. The echo reads a body of 350
bytes and answers `{}`: requests a second. The platform authenticates a key, finds the tenant,
decodes, rates, stores durably and answers a receipt: events a second, every event new, in order.
Eight connections each; client, servers and PostgreSQL share the machine.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from benchmarks.ingest import Traffic, tenant
from benchmarks.rounds import interleaved

EVENTS: Final = 1_000
CONNECTIONS: Final = 8
ROUNDS: Final = 7
SECONDS: Final = 2.0
THREADS: Final = os.environ.get("WEB_THREADS") or "64"
BATCHES: Final = 400
"""Bodies made beforehand; the client must not be what is measured."""


def echo(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """The raw WSGI application that everything is measured against."""
    environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [b"{}"]


@contextmanager
def granian(application: str) -> Iterator[int]:
    """Serve an application on a free port of loopback by two workers."""
    port = _free_port()
    command = [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1"),
        *(
            "--port",
            str(port),
            "--workers",
            os.environ.get("WEB_WORKERS") or "2",
            "--blocking-threads",
            THREADS,
            "--no-ws",
        ),
        *("--no-access-log", "--log-level", "warning"),
        application,
    ]
    environment = {"MALLOC_ARENA_MAX": "1", **os.environ, "LOG_LEVEL": "WARNING"}
    process = subprocess.Popen(command, env=environment)
    try:
        _wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=20)


def boundless() -> None:
    """Lift the rate limits of this process and its children: they are not what is measured."""
    for owner in ("KEY", "TENANT"):
        for what in ("REQUESTS", "EVENTS"):
            os.environ[f"RATE_LIMIT_{owner}_{what}"] = "100000000"


def requests_of(port: int, bodies: Iterator[bytes], seconds: float) -> tuple[int, float]:
    """Send requests on eight connections until the time is up; return how many were answered."""
    chooser = selectors.DefaultSelector()
    for _ in range(CONNECTIONS):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        chooser.register(connection, selectors.EVENT_READ, b"")
        connection.sendall(next(bodies))
    begin = time.perf_counter()
    answered, open_requests = 0, CONNECTIONS
    while open_requests:
        for key, _ in chooser.select(timeout=30):
            peer: Any = key.fileobj
            answer = key.data + peer.recv(65_536)
            if not _is_complete(answer):
                chooser.modify(peer, selectors.EVENT_READ, answer)
                continue
            assert answer.startswith(b"HTTP/1.1 200"), answer[:300]
            answered += 1
            if time.perf_counter() - begin < seconds:
                if key.data:
                    chooser.modify(peer, selectors.EVENT_READ, b"")
                peer.sendall(next(bodies))
            else:
                chooser.unregister(peer)
                peer.close()
                open_requests -= 1
    return answered, time.perf_counter() - begin


def _is_complete(answer: bytes) -> bool:
    head, found, body = answer.partition(b"\r\n\r\n")
    if not found:
        return False
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    assert length, head
    return len(body) >= int(length[1])


def http(path: str, body: bytes, headers: str) -> bytes:
    """Return the bytes of one request."""
    head = (
        f"POST {path} HTTP/1.1\r\nContent-Type: application/json\r\n{headers}"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "finops_platform.settings.embedded")
    boundless()
    import django

    django.setup()
    slug = f"bench-{secrets.token_hex(3)}"
    with tenant(slug):
        key = _key()
        with (
            granian("benchmarks.http_ingest:echo") as plain,
            granian("finops_platform.wsgi:application") as full,
        ):
            run(plain, full, f"Host: {slug}.localhost:{full}\r\nAuthorization: Bearer {key}\r\n")


def run(plain: int, full: int, headers: str) -> None:
    small = http("/", b"x" * 350, "Host: 127.0.0.1\r\n")
    traffic = Traffic(models_a_tag_set=1)
    bodies = _batches(traffic, headers)

    def calibrate() -> float:
        count, took = requests_of(plain, iter(lambda: small, None), SECONDS / 2)
        return count / took

    def ingest() -> float:
        count, took = requests_of(full, bodies, SECONDS)
        return count * EVENTS / took

    requests_of(full, bodies, 1.0)
    cases = {"ingest over HTTP, batches of 1,000": ingest}
    for ratio in interleaved(calibrate, cases, rounds=ROUNDS):
        print(f"{ratio}  [events/s against requests/s; 1 day, 4 meters, one SKU a tag set]")


def _batches(traffic: Traffic, headers: str, *, stock: int = BATCHES) -> Iterator[bytes]:
    """Yield requests of new events; made in stock, so that making them is not measured."""
    yield from [_request(traffic, headers) for _ in range(stock)]
    while True:
        yield _request(traffic, headers)


def _request(traffic: Traffic, headers: str) -> bytes:
    body = json.dumps([traffic._event() for _ in range(EVENTS)]).encode()
    return http("/api/v1/usage/events", body, headers)


def _key() -> str:
    from apps.accounts import services as accounts
    from apps.accounts.domain.keys import KeyKind
    from apps.core.domain.access import Scope, system_actor
    from benchmarks.ingest import NOW

    request = accounts.KeyRequest(
        kind=KeyKind.SERVICE, name="bench", scopes=frozenset({Scope.USAGE_WRITE})
    )
    return accounts.issue_key(actor=system_actor("bench"), request=request, now=NOW).text


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(f"nothing answers on port {port}")


if __name__ == "__main__":
    main()
