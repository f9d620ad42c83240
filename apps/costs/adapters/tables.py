"""Reads a delivered file: plain or gzip, UTF-8, comma-separated, bounded while it is unpacked."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import IO, Final

from apps.core.domain.errors import Invalid, TooLarge

UNPACKED_LIMIT: Final = 4 * 1024**3
"""Bytes of text that one file may hold."""

_CHUNK: Final = 1024 * 1024
_GZIP: Final = b"\x1f\x8b"


class FileRefused(Invalid):
    """The file cannot be read as a table."""

    default_code = "file_unreadable"


def digest(file: IO[bytes]) -> str:
    """Return the SHA-256 of a seekable file, in hex; leaves it at its start."""
    file.seek(0)
    seal = sha256()
    while chunk := file.read(_CHUNK):
        seal.update(chunk)
    file.seek(0)
    return seal.hexdigest()


@contextmanager
def rows(file: IO[bytes]) -> Iterator[Iterator[tuple[int, list[str]]]]:
    """Yield numbered rows of the file, the header first; a number is the line a row starts on.

    The file is read from its start and stays open.

    :raises FileRefused: while reading, when gzip is broken or cut off, a byte is no UTF-8, or a
        quote is never closed; names the line.
    :raises TooLarge: when it unpacks to more than the limit.
    """
    file.seek(0)
    packed = file.read(2) == _GZIP
    file.seek(0)
    raw: IO[bytes] = gzip.GzipFile(fileobj=file) if packed else file  # type: ignore[assignment]
    text = io.TextIOWrapper(_Bounded(raw), encoding="utf-8-sig", newline="")  # type: ignore[type-var]
    try:
        yield _numbered(text)
    finally:
        text.detach()


def _numbered(text: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(text, strict=True)
    started = 1
    try:
        for cells in reader:
            if cells:
                yield started, cells
            started = reader.line_num + 1
    except UnicodeDecodeError as error:
        raise FileRefused(
            f"After line {started - 1} a byte is no UTF-8; export the file as UTF-8.",
            code="encoding",
        ) from error
    except csv.Error as error:
        raise FileRefused(
            f"Line {started} is no comma-separated row: {error}.", code="csv"
        ) from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise FileRefused(
            "The gzip file is broken or cut off; send it again whole.", code="gzip"
        ) from error


class _Bounded(io.RawIOBase):
    """Counts what is read and stops a file that unpacks without end."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self._read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        chunk = self._raw.read(len(buffer))
        self._read += len(chunk)
        if self._read > UNPACKED_LIMIT:
            raise TooLarge(f"The file unpacks to more than {UNPACKED_LIMIT} bytes; split it.")
        buffer[: len(chunk)] = chunk
        return len(chunk)
