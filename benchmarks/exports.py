"""Writing a month of a million FOCUS rows, as CSV and as Parquet, and the memory that it takes.

    python -m benchmarks.exports           on servers that run (make bench starts its own)

20,000 cost lines that one rule splits evenly over 70 teams: about a million rows of CostAndUsage
1.4. Each file is written by a process of its own, as a worker does, first for a hundredth of the
rows and then to the end: `small` is its peak then, and what it grew by since is what the length of
the file costs. More than 256 MiB, or growth by more than a quarter, is a failure.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from benchmarks.close import NOW, one_event_a_group
from benchmarks.ingest import tenant

RECEIVERS: Final = [f"team-{number}" for number in range(70)]
LIMIT_MIB: Final = 256
MOST_GROWTH: Final = 1.25
EARLY: Final = 100
"""The part of the rows after which a process has all that a file of any length needs."""


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "finops_platform.settings.embedded")
    import django

    django.setup()
    if len(sys.argv) > 2:
        written(sys.argv[1], sys.argv[2])
        return
    with tenant(f"bench-{secrets.token_hex(3)}") as made:
        allocate()
        for format in ("csv", "parquet"):
            command = [sys.executable, "-m", "benchmarks.exports", made.schema, format]
            subprocess.run(command, check=True)


def allocate() -> None:
    """Publish a run in which every cost line has a line for each of the receivers."""
    from apps.allocation import services
    from apps.allocation.domain.payload import read_rule
    from apps.core.domain.access import system_actor
    from apps.core.domain.months import Month
    from apps.directory import services as directory
    from apps.directory.domain.entries import CostCenterFacts, TeamFacts

    actor, month = system_actor("bench"), Month(2026, 1)
    directory.ensure_entries(
        actor=actor,
        now=NOW,
        cost_centers=[CostCenterFacts(code=f"cc-{team}", name=team) for team in RECEIVERS],
        teams=[TeamFacts(code=team, name=team, cost_center=f"cc-{team}") for team in RECEIVERS],
    )
    body = {
        "code": "all",
        "method": "even",
        "receivers": RECEIVERS,
        "scope": {"provider": ["benchco"]},
    }
    services.save_rule(rule=read_rule(body, first_month=month), actor=actor, now=NOW)
    one_event_a_group(actor)
    services.run(month=month, actor=actor, now=NOW)


def written(schema: str, format: str) -> None:
    """Write one file in this process and say how much memory it took."""
    from django_tenants.utils import schema_context

    from apps.chargeback import selectors as chargeback
    from apps.chargeback.domain.focus_columns import Dataset, FileFormat
    from apps.core.domain.access import system_actor
    from apps.core.domain.months import Month

    wanted = chargeback.Wanted(
        month=Month(2026, 1), dataset=Dataset.COST_AND_USAGE, format=FileFormat(format)
    )
    before = _peak()
    with schema_context(schema), tempfile.TemporaryFile() as spooled:
        file = chargeback.focus_file(wanted=wanted, actor=system_actor("exports"))
        begin, early = time.perf_counter(), 0
        for number, piece in enumerate(file.pieces, start=1):
            spooled.write(piece)
            if number * file.piece_rows >= file.total // EARLY and not early:
                early = _peak()
        seconds, size = time.perf_counter() - begin, spooled.tell()
    peak = _peak()
    print(
        f"export of {file.total:,} rows as {format}: {seconds:.0f} s, "
        f"{file.total / seconds:,.0f} rows a second, {size / 2**20:,.0f} MiB; at most {peak} MiB "
        f"resident ({before} before it began, {early} after a hundredth)",
        flush=True,
    )
    assert peak <= LIMIT_MIB, f"{peak} MiB are more than {LIMIT_MIB}"
    assert peak <= MOST_GROWTH * early, f"{peak} MiB at the end, {early} after a hundredth"


def _peak() -> int:
    """Return the most that this process has held, in MiB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


if __name__ == "__main__":
    main()
