"""Reads the recorded traces that ship with the project; tokens stay exactly as recorded."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

DATA: Final = Path(__file__).parent / "data"
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Request:
    """One recorded request: its place in the trace (microseconds from the start) and its tokens."""

    index: int
    offset: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Trace:
    """A recorded trace: requests in order, and its length in microseconds (end exclusive)."""

    name: str
    requests: tuple[Request, ...]
    length: int


def azure(name: str) -> Trace:
    """Return `code` or `conv` of the Azure LLM inference trace 2023 (CC-BY-4.0)."""
    rows = list(_rows(f"azure_{name}.csv.gz"))
    moments = [datetime.fromisoformat(row["TIMESTAMP"][:26]) for row in rows]
    start = moments[0]
    requests = tuple(
        Request(
            index=index,
            offset=(moment - start) // _MICROSECOND,
            input_tokens=int(row["ContextTokens"]),
            cached_tokens=0,
            output_tokens=int(row["GeneratedTokens"]),
        )
        for index, (row, moment) in enumerate(zip(rows, moments, strict=True))
    )
    return Trace(name, requests, max(request.offset for request in requests) + 1)


def mooncake() -> Trace:
    """Return the Mooncake trace (Apache-2.0) with its prefix reuse as cached tokens."""
    requests = tuple(
        Request(
            index=index,
            offset=int(row["timestamp"]) * 1000,
            input_tokens=int(row["input_length"]),
            cached_tokens=int(row["cached_length"]),
            output_tokens=int(row["output_length"]),
        )
        for index, row in enumerate(_rows("mooncake.csv.gz"))
    )
    return Trace("chat", requests, max(request.offset for request in requests) + 1)


def _rows(name: str) -> Iterator[dict[str, str]]:
    with gzip.open(DATA / name, "rt", encoding="utf-8", newline="") as text:
        yield from csv.DictReader(text)
