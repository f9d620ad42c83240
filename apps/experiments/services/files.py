"""Files that explain a request; the bytes lie with the documents."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

from django.db import transaction

from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import FieldError, Unprocessable
from apps.core.domain.months import Month
from apps.documents import services as documents
from apps.experiments.domain.states import OVER, NotInState, State, words
from apps.experiments.models import Attachment
from apps.experiments.services.holding import locked, require_own
from apps.experiments.services.rounds import today
from apps.experiments.services.writing import record

SIZE_LIMIT: Final = 5 * 1024 * 1024
COUNT_LIMIT: Final = 5
MEDIA_TYPES: Final = {
    "pdf": ("application/pdf", b"%PDF-"),
    "png": ("image/png", b"\x89PNG\r\n"),
    "jpg": ("image/jpeg", b"\xff\xd8\xff"),
    "xlsx": (
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        b"PK\x03\x04",
    ),
    "csv": ("text/csv", b""),
    "txt": ("text/plain", b""),
    "md": ("text/plain", b""),
}
_SAFE: Final = re.compile(r"[^A-Za-z0-9._ -]+")


class FileRefused(Unprocessable):
    """The file cannot be kept."""

    default_code = "file_refused"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it came."""

    name: str
    content: bytes


def attach(*, id: UUID, upload: Upload, actor: Actor, now: datetime) -> Attachment:
    """Keep a file with a request that is not over.

    :raises FileRefused: when it is no known kind, too large, or one too many.
    :raises NotYours: when the request is another's.
    """
    actor.require(Scope.EXPERIMENTS_WRITE)
    name, kind = _checked(upload)
    with transaction.atomic():
        row = locked(id=id, actor=actor)
        require_own(row, actor)
        if State(row.state) in OVER:
            raise NotInState(f"{row.code} is {words(row.state)}; nothing is added to it any more.")
        if row.attachments.count() >= COUNT_LIMIT:
            raise _refused("count", f"A request has at most {COUNT_LIMIT} files.")
        kept = documents.keep_file(
            month=Month.of(today(now)),
            name=f"{row.code}-{uuid4()}",
            suffix=kind,
            content=upload.content,
        )
        attachment = Attachment.objects.create(
            request=row,
            name=name,
            media_type=MEDIA_TYPES[kind][0],
            size=kept.size,
            sha256=kept.sha256,
            storage_key=kept.key,
            created_at=now,
            created_by=actor.label,
        )
        record("experiment.file_added", row, actor, now, name=name, sha256=kept.sha256)
    return attachment


def _checked(upload: Upload) -> tuple[str, str]:
    """Return a name from which no header or path suffers, and the kind, told by first bytes."""
    plain = upload.name.rsplit("/", 1)[-1].rsplit("\\", 1)[-1]
    name = _SAFE.sub("_", plain).strip(" .")[-120:]
    kind = name.rsplit(".", 1)[-1].lower().replace("jpeg", "jpg") if "." in name else ""
    if kind not in MEDIA_TYPES:
        raise _refused("kind", f"{name or 'The file'} is none of {', '.join(MEDIA_TYPES)}.")
    if not 0 < len(upload.content) <= SIZE_LIMIT:
        raise _refused("size", f"{name} must have 1 byte to {SIZE_LIMIT // 1024 // 1024} MiB.")
    start = MEDIA_TYPES[kind][1]
    if not upload.content.startswith(start) or (not start and not _is_text(upload.content)):
        raise _refused("content", f"{name} does not hold what its name says.")
    return name, kind


def _is_text(content: bytes) -> bool:
    try:
        return "\x00" not in content.decode("utf-8")
    except UnicodeDecodeError:
        return False


def _refused(code: str, message: str) -> FileRefused:
    return FileRefused(f"file: {message}", errors=(FieldError("file", code, message),))
