"""Which files may come with a dispute: those that may be attached anywhere."""

from __future__ import annotations

from collections.abc import Sequence

from apps.chargeback.domain.acceptance import AnswerInvalid, Upload
from apps.documents.domain.uploads import (
    COUNT_LIMIT,
    MEDIA_TYPES,
    SIZE_LIMIT,
    FilesRefused,
    checked_uploads,
)
from apps.documents.domain.uploads import Upload as PlainUpload

__all__ = ["COUNT_LIMIT", "MEDIA_TYPES", "SIZE_LIMIT", "checked_files"]


def checked_files(files: Sequence[Upload]) -> list[tuple[Upload, str]]:
    """Return the files with their kinds (`pdf`), named so that no header or path suffers.

    :raises AnswerInvalid: when there are too many, one is too large, empty, or no known kind.
    """
    try:
        checked = checked_uploads([PlainUpload(file.name, file.content) for file in files])
    except FilesRefused as refusal:
        raise AnswerInvalid(refusal.message, errors=refusal.errors) from refusal
    return [(Upload(name=one.name, content=one.content), one.kind) for one in checked]
