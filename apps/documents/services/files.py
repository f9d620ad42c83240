"""Files beside documents: what came with them or was made from them, kept like renditions."""

from __future__ import annotations

import hashlib
from io import SEEK_END
from typing import BinaryIO

from apps.core.domain.months import Month
from apps.documents.adapters import storage
from apps.documents.domain.facts import KeptFile


def keep_file(*, month: Month, name: str, suffix: str, content: bytes) -> KeptFile:
    """Store bytes under `<schema>/documents/<yyyy-mm>/<name>.<suffix>` and return their record.

    Equal bytes are stored once and others never overwritten. Keep the record in the transaction
    that follows: a crash between the two loses nothing and leaves an unused file.

    :raises StoreUnreliable: when the store does not take them.
    """
    key = storage.put(month=month, name=name, suffix=suffix, content=content)
    return KeptFile(key=key, sha256=hashlib.sha256(content).hexdigest(), size=len(content))


def keep_stream(*, month: Month, name: str, suffix: str, file: BinaryIO) -> KeptFile:
    """Store a file of any size as `keep_file` stores bytes; it is read in pieces, twice.

    :raises StoreUnreliable: when the store does not take it.
    """
    file.seek(0)
    sha256 = storage.sha256_of(file)
    size = file.seek(0, SEEK_END)
    key = storage.put_file(month=month, name=name, suffix=suffix, file=file, sha256=sha256)
    return KeptFile(key=key, sha256=sha256, size=size)
