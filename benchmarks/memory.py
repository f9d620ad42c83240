"""The memory of a web process of role `ingest` over a million events, 1,000 a request, all new.

    python -m benchmarks.memory [events]   on servers that run (make bench starts its own)

One worker; printed are its resident memory after it started, after a tenth of the events and at
the end, and how much it grew in between.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Final

from benchmarks.http_ingest import EVENTS, _batches, _key, boundless, granian, requests_of
from benchmarks.ingest import Traffic, tenant

MILLION: Final = 1_000_000
PARTS: Final = 10


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "finops_platform.settings.embedded")
    os.environ["WEB_WORKERS"] = "1"
    os.environ["WEB_ROLE"] = "ingest"
    os.environ.setdefault("MALLOC_ARENA_MAX", "1")
    boundless()
    import django

    django.setup()
    events = int(sys.argv[1]) if len(sys.argv) > 1 else MILLION
    slug = f"bench-{secrets.token_hex(3)}"
    with tenant(slug):
        key = _key()
        with granian("finops_platform.wsgi:application") as port:
            head = f"Host: {slug}.localhost:{port}\r\nAuthorization: Bearer {key}\r\n"
            run(port, head, events)


def run(port: int, head: str, events: int) -> None:
    from apps.usage.models import EventKey

    sends = _batches(Traffic(models_a_tag_set=1), head, stock=8)
    worker = _worker()
    at_start = _resident(worker)
    seen: list[float] = []
    while EventKey.objects.count() < events * (len(seen) + 1) // PARTS or len(seen) < PARTS:
        if EventKey.objects.count() >= events * (len(seen) + 1) // PARTS:
            seen.append(_resident(worker))
            continue
        requests_of(port, sends, 2.0)
    early, late = seen[0], seen[-1]
    print(
        f"memory of a web process: {at_start:.0f} MiB at start, {early:.0f} MiB after "
        f"{events // PARTS:,} events, {late:.0f} MiB after {events:,}, "
        f"{(late - early) / early:+.1%} in between  [{EVENTS:,} events a request]"
    )


def _worker() -> int:
    """Return the process that answers: the one child of the server that this process started."""
    server = _children(os.getpid())[-1]
    return _children(server)[-1]


def _children(process: int) -> list[int]:
    shown = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process)], capture_output=True, text=True, check=True
    ).stdout.split()
    return [int(word) for word in shown if _is_server(Path(f"/proc/{word}/cmdline"))]


def _is_server(words: Path) -> bool:
    return words.exists() and b"granian" in words.read_bytes()


def _resident(process: int) -> float:
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("the process is gone")


if __name__ == "__main__":
    main()
