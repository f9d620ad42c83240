"""Reads files of events row by row: CSV, one object a line, Parquet; plain or gzip."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import IO, Any, Final

import orjson

from apps.core.domain.errors import Invalid

_GZIP: Final = b"\x1f\x8b"
_PARQUET: Final = b"PAR1"
_LONGEST_LINE: Final = 1024 * 1024
_ROWS_AT_ONCE: Final = 5_000
FORMS: Final = ("csv", "jsonl", "parquet")
_SUFFIXES: Final = {
    "csv": "csv",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "json": "jsonl",
    "parquet": "parquet",
}


class FileRefused(Invalid):
    """The file cannot be read as what it is said to be."""

    default_code = "file_refused"


def form_of(name: str, form: str = "") -> str:
    """Return the form of a file: the given one, else by the end of its name.

    :raises FileRefused: when neither tells.
    """
    if form:
        if form not in FORMS:
            raise FileRefused(f"The form is csv, jsonl or parquet, not {form[:20]!r}.")
        return form
    suffix = name.lower().removesuffix(".gz").rpartition(".")[2]
    if suffix not in _SUFFIXES:
        raise FileRefused(f"{name[-80:]!r} tells no form; name it .csv, .jsonl or .parquet.")
    return _SUFFIXES[suffix]


def rows(file: IO[bytes], form: str) -> Iterator[Mapping[str, Any] | str]:
    """Yield every row, or the reason why a line is none.

    :raises FileRefused: when the file as a whole cannot be read.
    """
    if form == "parquet":
        yield from _parquet(file)
        return
    try:
        reader = _csv if form == "csv" else _lines
        yield from reader(_text(file))
    except (OSError, EOFError, gzip.BadGzipFile, UnicodeDecodeError, csv.Error) as error:
        raise FileRefused(f"The file cannot be read further: {error}.") from None


def _text(file: IO[bytes]) -> IO[str]:
    start = file.read(2)
    file.seek(0)
    plain = gzip.GzipFile(fileobj=file) if start == _GZIP else file
    return io.TextIOWrapper(plain, encoding="utf-8-sig", newline="")


def _csv(text: IO[str]) -> Iterator[Mapping[str, Any] | str]:
    reader = csv.reader(text, strict=True)
    header = next(reader, None)
    if not header or not any(header):
        raise FileRefused("The file has no header; name the columns in its first line.")
    twice = {name for name in header if header.count(name) > 1}
    if twice:
        raise FileRefused(f"The header names {sorted(twice)[0]!r} twice.")
    for cells in reader:
        if not cells:
            continue
        if len(cells) != len(header):
            yield f"The row has {len(cells)} cells, the header {len(header)}."
        else:
            yield dict(zip(header, cells, strict=True))


def _lines(text: IO[str]) -> Iterator[Mapping[str, Any] | str]:
    while line := text.readline(_LONGEST_LINE):
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
        except (orjson.JSONDecodeError, RecursionError):
            yield "The line is no JSON object."
            continue
        yield row if isinstance(row, Mapping) else "The line is no JSON object."


def _parquet(file: IO[bytes]) -> Iterator[Mapping[str, Any] | str]:
    import pyarrow as arrow
    from pyarrow import parquet

    try:
        source = parquet.ParquetFile(file)
        for batch in source.iter_batches(batch_size=_ROWS_AT_ONCE):
            for row in batch.to_pylist(maps_as_pydicts="strict"):
                yield {name: _plain(value) for name, value in row.items()}
    except (arrow.ArrowException, OSError) as error:
        raise FileRefused(f"The file is no Parquet that can be read: {error}.") from None


def _plain(value: Any) -> Any:
    """Return what the wire form takes: decimals as text, moments with an offset."""
    match value:
        case Decimal():
            return str(value)
        case datetime():
            return value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        case Mapping():
            return {key: _plain(inner) for key, inner in value.items()}
        case _:
            return value
