"""Reads a request body of events: its form, its encoding, and never more than the limit."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Final

import zstandard
from django.http import HttpRequest, UnreadablePostError

from apps.core.domain.errors import Invalid, TooLarge
from apps.usage.domain.checks import MOST_BYTES
from apps.usage.domain.decode import Form

_CHUNK: Final = 64 * 1024
_GZIP: Final = 31
FORMS: Final = {
    "": Form.JSON,
    "application/json": Form.JSON,
    "text/json": Form.JSON,
    "application/x-ndjson": Form.LINES,
    "application/ndjson": Form.LINES,
    "application/jsonl": Form.LINES,
    "application/x-jsonlines": Form.LINES,
}
_UTF8: Final = {"", "utf-8", "utf8", "us-ascii"}


class BodyBroken(Invalid):
    """The body cannot be decompressed."""

    default_code = "body_broken"


class ContentRefused(Invalid):
    """The content type, charset or encoding is none that we take."""

    default_code = "content_type"


def form_of(request: HttpRequest) -> Form:
    """Return the form that the content type names.

    :raises ContentRefused: when it names another, or a charset that is not UTF-8.
    """
    kind = media_type_of(request)
    form = FORMS.get(kind)
    if form is None:
        raise ContentRefused(
            f"The content type {kind!r} is not taken; send application/json, or "
            "application/x-ndjson for one event a line."
        )
    return form


def media_type_of(request: HttpRequest) -> str:
    """Return the media type in lower case, without its parameters.

    :raises ContentRefused: when they name a charset that is not UTF-8.
    """
    kind, _, parameters = (request.META.get("CONTENT_TYPE") or "").partition(";")
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip(' "').lower() not in _UTF8:
            raise ContentRefused(
                f"The charset {value.strip()!r} is not taken; encode the body as UTF-8.",
                code="charset",
            )
    return kind.strip().lower()


def body_of(request: HttpRequest) -> bytes:
    """Return the decompressed body; reads at most 16 MiB of it, compressed or not.

    :raises TooLarge: when it is longer.
    :raises BodyBroken: when it ends early or cannot be decompressed.
    :raises ContentRefused: when the content encoding is unknown.
    """
    encoding = (request.META.get("HTTP_CONTENT_ENCODING") or "").strip().lower()
    length = request.META.get("CONTENT_LENGTH") or ""
    if length.isdigit() and int(length[:12]) > MOST_BYTES:
        raise _too_large()
    reader = _READERS.get(encoding)
    if reader is None:
        raise ContentRefused(
            f"The content encoding {encoding!r} is not taken; send gzip, zstd or none.",
            code="content_encoding",
        )
    parts: list[bytes] = []
    size = 0
    for part in reader(_sent(request)):
        size += len(part)
        if size > MOST_BYTES:
            raise _too_large()
        parts.append(part)
    return b"".join(parts)


def _sent(request: HttpRequest) -> Iterator[bytes]:
    size = 0
    try:
        while part := request.read(_CHUNK):
            size += len(part)
            if size > MOST_BYTES:
                raise _too_large()
            yield part
    except (UnreadablePostError, OSError):
        raise BodyBroken("The connection ended before the body did; send it again.") from None


def _plain(parts: Iterator[bytes]) -> Iterator[bytes]:
    yield from parts


def _gunzip(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Decompress gzip as it comes, several members one after another too."""
    stream = zlib.decompressobj(_GZIP)
    started = False
    for part in parts:
        rest = part
        while rest:
            if stream.eof:
                stream = zlib.decompressobj(_GZIP)
            started = True
            try:
                yield stream.decompress(rest, _CHUNK)
            except zlib.error as error:
                raise _broken("gzip", error) from None
            rest = stream.unconsumed_tail or stream.unused_data
    if started and not stream.eof:
        raise BodyBroken("The gzip body ends in the middle; send it whole.")


def _unzstd(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Decompress zstd as it comes; windows above 8 MiB are refused."""
    whole = b"".join(parts)
    if not whole:
        return
    unpacked = zstandard.ZstdDecompressor(max_window_size=8 * 1024 * 1024)
    size = 0
    try:
        with unpacked.stream_reader(whole, read_across_frames=True) as stream:
            while part := stream.read(_CHUNK):
                size += len(part)
                yield part
        expected = zstandard.frame_content_size(whole)
    except zstandard.ZstdError as error:
        raise _broken("zstd", error) from None
    if size < expected:
        raise BodyBroken("The zstd body ends in the middle; send it whole.")


_READERS: Final[dict[str, Callable[[Iterator[bytes]], Iterator[bytes]]]] = {
    "": _plain,
    "identity": _plain,
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "zstd": _unzstd,
}


def _broken(kind: str, error: Exception) -> BodyBroken:
    return BodyBroken(f"The body is no {kind} that can be read ({error}); send it again.")


def _too_large() -> TooLarge:
    return TooLarge(
        f"The body is longer than {MOST_BYTES // 1024 // 1024} MiB when decompressed; send the "
        "events in parts.",
        code="body_too_large",
    )
