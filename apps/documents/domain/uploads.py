"""Which files people may attach: known kinds, told by their first bytes, of bounded size."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from apps.core.domain.errors import FieldError, Unprocessable

SIZE_LIMIT: Final = 5 * 1024 * 1024
COUNT_LIMIT: Final = 3

MEDIA_TYPES: Final = {
    "pdf": "application/pdf",
    "png": "image/png",
    "jpg": "image/jpeg",
    "csv": "text/csv",
    "txt": "text/plain",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_STARTS: Final = {
    "pdf": b"%PDF-",
    "png": b"\x89PNG\r\n",
    "jpg": b"\xff\xd8\xff",
    "xlsx": b"PK\x03\x04",
}
_SAFE: Final = re.compile(r"[^A-Za-z0-9._ -]+")


class FilesRefused(Unprocessable):
    """A file cannot be attached; `errors` says why."""

    default_code = "files_refused"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it came."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class CheckedUpload:
    """A file that may be kept: a name that harms no header and no path, and its kind (`pdf`)."""

    name: str
    kind: str
    content: bytes

    @property
    def media_type(self) -> str:
        """Return the type to serve it as."""
        return MEDIA_TYPES[self.kind]


def checked_uploads(files: Sequence[Upload]) -> list[CheckedUpload]:
    """Return files that may be kept.

    :raises FilesRefused: when there are too many, one is too large, empty, or no known kind.
    """
    if len(files) > COUNT_LIMIT:
        raise _refused("count", f"files: attach at most {COUNT_LIMIT} files.")
    return [_checked(one) for one in files]


def _checked(file: Upload) -> CheckedUpload:
    name = _SAFE.sub("_", file.name.rsplit("/", 1)[-1].rsplit("\\", 1)[-1]).strip(" .")[-120:]
    kind = name.rsplit(".", 1)[-1].lower().replace("jpeg", "jpg") if "." in name else ""
    if kind not in MEDIA_TYPES:
        raise _refused("kind", f"files: {name or 'a file'} is none of {', '.join(MEDIA_TYPES)}.")
    if not 0 < len(file.content) <= SIZE_LIMIT:
        most = SIZE_LIMIT // 1024 // 1024
        raise _refused("size", f"files: {name} must have 1 byte to {most} MiB.")
    if not _is_kind(kind, file.content):
        raise _refused("content", f"files: {name} does not hold what its name says.")
    return CheckedUpload(name, kind, file.content)


def _is_kind(kind: str, content: bytes) -> bool:
    if kind in _STARTS:
        return content.startswith(_STARTS[kind])
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return "\x00" not in text


def _refused(code: str, message: str) -> FilesRefused:
    return FilesRefused(message, errors=(FieldError("files", code, message),))
