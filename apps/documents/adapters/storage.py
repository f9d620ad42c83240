"""Keeps the bytes of documents in Django's default storage: files under FINOPS_HOME, or S3.

Keys begin with the tenant's schema, so one tenant's files are one folder (STORAGE_URL).
"""

from __future__ import annotations

import hashlib
from io import BytesIO
from typing import BinaryIO, Final, cast

from django.core.files.base import File
from django.core.files.storage import default_storage

from apps.core.db import current_schema
from apps.core.domain.errors import Missing, Unavailable
from apps.core.domain.months import Month

_TRIES: Final = 3


class StoredFileMissing(Missing):
    """The document store lost a file that is on record."""

    default_code = "stored_file_missing"


class StoreUnreliable(Unavailable):
    """The document store did not keep what it was given."""

    default_code = "store_unreliable"


def put(*, month: Month, name: str, suffix: str, content: bytes) -> str:
    """Store bytes and return their key; see `put_file`.

    :raises StoreUnreliable: when the store keeps giving another name.
    """
    digest = hashlib.sha256(content).hexdigest()
    return put_file(month=month, name=name, suffix=suffix, file=BytesIO(content), sha256=digest)


def put_file(*, month: Month, name: str, suffix: str, file: BinaryIO, sha256: str) -> str:
    """Store a file and return its key; equal bytes are stored once, others never overwritten.

    The key is `<schema>/documents/<yyyy-mm>/<name>.<suffix>`; where other bytes lie under it, the
    digest comes before the suffix. The file is read in pieces, from its beginning.

    :raises StoreUnreliable: when the store keeps giving another name.
    """
    folder = f"{current_schema()}/documents/{month}"
    for key in (f"{folder}/{name}.{suffix}", f"{folder}/{name}.{sha256[:16]}.{suffix}"):
        for _ in range(_TRIES):
            if default_storage.exists(key):
                if digest_of(key) == sha256:
                    return key
                break
            file.seek(0)
            stored = default_storage.save(key, File(file))
            if stored == key:
                return key
            default_storage.delete(stored)  # somebody was faster; look at what they stored
    raise StoreUnreliable(f"The document store did not take {folder}/{name}; try again.")


def digest_of(key: str) -> str:
    """Return the SHA-256 of what lies under a key of the current tenant, read in pieces.

    :raises StoredFileMissing: when there is nothing, or the key is another tenant's.
    """
    with opened(key) as file:
        return sha256_of(file)


def sha256_of(file: BinaryIO) -> str:
    """Return the SHA-256 of what is left to read of a file, in pieces of a mebibyte."""
    digest = hashlib.sha256()
    while piece := file.read(1 << 20):
        digest.update(piece)
    return digest.hexdigest()


def opened(key: str) -> BinaryIO:
    """Return the file under a key of the current tenant, to be read and closed.

    :raises StoredFileMissing: when there is none, or the key is another tenant's.
    """
    if not key.startswith(f"{current_schema()}/"):
        raise StoredFileMissing("There is no such file.")
    try:
        return cast("BinaryIO", default_storage.open(key))
    except FileNotFoundError:
        raise StoredFileMissing(f"The file {key} is on record but not in the store.") from None


def read(key: str) -> bytes:
    """Return the bytes under a key of the current tenant.

    :raises StoredFileMissing: when there are none, or the key is another tenant's.
    """
    if not key.startswith(f"{current_schema()}/"):
        raise StoredFileMissing("There is no such file.")
    try:
        with default_storage.open(key) as file:
            content: bytes = file.read()
            return content
    except FileNotFoundError:
        raise StoredFileMissing(f"The file {key} is on record but not in the store.") from None
