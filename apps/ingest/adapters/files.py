"""Reads files of events row by row: CSV, one object a line, Parquet; plain or gzip."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Generator, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import IO, Any, Final

from apps.core.domain.errors import Invalid
from apps.ingest.domain.foreign import BodyUnreadable, read_json

_GZIP: Final = b"\x1f\x8b"
_LONGEST_LINE: Final = 1024 * 1024
_LARGEST_LIST: Final = 64 * 1024 * 1024
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


class Rows:
    """The rows of a file, each a mapping or the reason why a line is none.

    `read` tells how many bytes of the file, as it is stored, were read so far; of a Parquet file,
    which is read from its end, it is the share of its rows. `weight` is the number of characters
    of the lines up to the row at hand, `before` up to the one before it.

    :raises FileRefused: while iterating, when the file as a whole cannot be read further.
    """

    def __init__(self, file: IO[bytes], form: str) -> None:
        self._file = file
        self._form = form
        self._share: tuple[int, int] | None = None
        self.weight = self.before = 0

    def __iter__(self) -> Generator[Mapping[str, Any] | str, None, None]:
        if self._form == "parquet":
            yield from self._parquet()
            return
        text = _text(self._file)
        try:
            yield from _csv(text) if self._form == "csv" else self._lines(text)
        except (OSError, EOFError, gzip.BadGzipFile, UnicodeDecodeError, csv.Error) as error:
            raise FileRefused(f"The file cannot be read further: {error}.") from None
        finally:
            text.detach()  # or the file would be closed with it

    def read(self, size: int) -> int:
        """Return the bytes read so far of a file of a size."""
        if self._share is not None:
            done, rows = self._share
            return size * done // max(rows, 1)
        return min(self._file.tell(), size)

    def _lines(self, text: IO[str]) -> Iterator[Mapping[str, Any] | str]:
        first = True
        while line := text.readline(_LONGEST_LINE):
            if not line.strip():
                continue
            if first and line.lstrip().startswith("["):
                yield from _list(line, text)
                return
            first = False
            self.before, self.weight = self.weight, self.weight + len(line)
            if not line.endswith("\n") and len(line) >= _LONGEST_LINE:
                _pass_over(text)
                yield "The line is longer than 1 MiB."
                continue
            yield _object(line)

    def _parquet(self) -> Iterator[Mapping[str, Any] | str]:
        import pyarrow as arrow
        from pyarrow import parquet

        try:
            source = parquet.ParquetFile(self._file)
            rows, done = source.metadata.num_rows, 0
            for batch in source.iter_batches(batch_size=_ROWS_AT_ONCE):
                for row in batch.to_pylist(maps_as_pydicts="strict"):
                    done += 1
                    self._share = (done, rows)
                    yield {name: _plain(value) for name, value in row.items()}
        except (arrow.ArrowException, OSError) as error:
            raise FileRefused(f"The file is no Parquet that can be read: {error}.") from None


def _text(file: IO[bytes]) -> io.TextIOWrapper:
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


def _pass_over(text: IO[str]) -> None:
    """Read on to the end of a line that is too long."""
    while (rest := text.readline(_LONGEST_LINE)) and not rest.endswith("\n"):
        pass


def _list(start: str, text: IO[str]) -> Iterator[Mapping[str, Any] | str]:
    """Yield the objects of one JSON list, which is read whole."""
    rest = text.read(_LARGEST_LIST)
    if text.read(1):
        raise FileRefused("The file is one JSON list above 64 MiB; write one object a line.")
    try:
        listed = read_json((start + rest).encode())
    except BodyUnreadable as error:
        raise FileRefused(error.message) from None
    for row in listed:
        yield row if isinstance(row, Mapping) else _NO_OBJECT


def _object(line: str) -> Mapping[str, Any] | str:
    try:
        row = read_json(line.encode(errors="surrogatepass"))
    except BodyUnreadable:
        return _NO_OBJECT
    return row if isinstance(row, Mapping) else _NO_OBJECT


_NO_OBJECT: Final = "The line is no JSON object."


def _plain(value: Any) -> Any:
    """Return what the wire form takes: decimals as text, moments with an offset."""
    match value:
        case Decimal():
            return str(value)
        case float():
            return Decimal(repr(value))
        case datetime():
            return value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        case Mapping():
            return {key: _plain(inner) for key, inner in value.items()}
        case list():
            return [_plain(inner) for inner in value]
        case _:
            return value
