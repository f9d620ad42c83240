"""Writes FOCUS rows as CSV or Parquet, piece by piece."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from typing import Any, Final

from apps.chargeback.domain.focus_columns import COST_PLACES, FileFormat, FocusColumn, Type
from apps.core.domain.canonical import plain_decimal
from apps.core.domain.money import EXACT
from apps.documents.domain.cells import inert

ROWS: Final = {FileFormat.CSV: 2000, FileFormat.PARQUET: 5000}
"""Rows of a piece; of Parquet a piece is a row group, and small ones make large files."""

_CONVERTED: Final = 500
"""Rows of Parquet that are held as Python objects at a time."""

_QUANTUM: Final = Decimal(1).scaleb(-COST_PLACES)
MEDIA_TYPES: Final = {
    FileFormat.CSV: "text/csv; charset=utf-8",
    FileFormat.PARQUET: "application/vnd.apache.parquet",
}


def pieces_of(
    rows: Iterable[Mapping[str, Any]], columns: Sequence[FocusColumn], format: FileFormat
) -> Iterator[bytes]:
    """Yield a file in pieces of `ROWS` rows; only one piece is held at a time."""
    if format is FileFormat.CSV:
        return _csv(iter(rows), columns)
    return _parquet(iter(rows), columns)


def _csv(rows: Iterator[Mapping[str, Any]], columns: Sequence[FocusColumn]) -> Iterator[bytes]:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([column.name for column in columns])
    while True:
        piece = list(islice(rows, ROWS[FileFormat.CSV]))
        for row in piece:
            writer.writerow([_text(column, row.get(column.name)) for column in columns])
        yield out.getvalue().encode()
        out.seek(0)
        out.truncate()
        if len(piece) < ROWS[FileFormat.CSV]:
            return


def _text(column: FocusColumn, value: Any) -> str:
    """Return a cell; nothing is an empty one, moments are in UTC to the second."""
    if value is None:
        return ""
    if column.type is Type.DECIMAL:
        return plain_decimal(_decimal(value))
    if column.type is Type.MOMENT:
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return inert(str(value))


def _decimal(value: Decimal) -> Decimal:
    return value.quantize(_QUANTUM, context=EXACT)


class _Sink(io.RawIOBase):
    """A file that gives away what was written to it."""

    def __init__(self) -> None:
        super().__init__()
        self._held = bytearray()
        self._at = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def write(self, data: Any) -> int:
        self._held += data
        self._at += len(data)
        return len(data)

    def taken(self) -> bytes:
        """Return what was written since the last time."""
        given, self._held = bytes(self._held), bytearray()
        return given


def _parquet(rows: Iterator[Mapping[str, Any]], columns: Sequence[FocusColumn]) -> Iterator[bytes]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {
        Type.DECIMAL: pa.decimal128(38, COST_PLACES),
        Type.MOMENT: pa.timestamp("us", tz="UTC"),
    }
    schema = pa.schema([(one.name, types.get(one.type, pa.string())) for one in columns])
    sink = _Sink()
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        is_last = False
        while not is_last:
            batches = []
            for _ in range(ROWS[FileFormat.PARQUET] // _CONVERTED):
                piece = list(islice(rows, _CONVERTED))
                batches.append(_batch(piece, columns, schema))
                if len(piece) < _CONVERTED:
                    is_last = True
                    break
            writer.write_table(pa.Table.from_batches(batches, schema))
            yield sink.taken()
    yield sink.taken()


def _batch(piece: Sequence[Mapping[str, Any]], columns: Sequence[FocusColumn], schema: Any) -> Any:
    """Return rows in Arrow's form, which takes a tenth of what they take in Python's."""
    import pyarrow as pa

    values = [
        pa.array([_value(one, row.get(one.name)) for row in piece], type=schema.field(at).type)
        for at, one in enumerate(columns)
    ]
    return pa.RecordBatch.from_arrays(values, schema=schema)


def _value(column: FocusColumn, value: Any) -> Decimal | datetime | str | None:
    """Return what Parquet holds; no text is nothing, as in CSV."""
    if value is None:
        return None
    if column.type is Type.DECIMAL:
        return _decimal(value)
    if column.type is Type.MOMENT:
        moment: datetime = value.astimezone(UTC)
        return moment
    return str(value) or None
