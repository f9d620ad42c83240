"""Runs all benchmarks, each in a process of its own: `make bench`, or `python -m benchmarks pdf`.

They need servers that run; `make bench` starts its own and removes them.
"""

from __future__ import annotations

import os
import subprocess
import sys

ALL = (
    *("rating", "decode", "allocation", "ingest", "http_ingest", "http_singles", "tenancy"),
    *("guardrails", "forecast", "memory", "close", "pdf"),
)
ON_DEMAND = ("large", "exports")
"""Ten minutes and gigabytes: run only when they are named."""


def main(names: list[str]) -> int:
    """Run the named benchmarks, all when none is named; return how many failed.

    A figure below its aim is a figure, not a failure; a benchmark that breaks is one.
    """
    unknown = sorted(set(names) - {*ALL, *ON_DEMAND})
    if unknown:
        print(
            f"error: there is no benchmark {unknown[0]!r}; choose from {', '.join(ALL + ON_DEMAND)}"
        )
        return 2
    failed = 0
    quiet = {**os.environ, "LOG_LEVEL": "WARNING"}  # figures, not a line an audit record
    for name in names or ALL:
        print(f"\n== {name}", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}"]
        done = subprocess.run(command, check=False, env=quiet)
        failed += done.returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
