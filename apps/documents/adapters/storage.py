"""Keeps the bytes of documents in Django's default storage: files under FINOPS_HOME, or S3.

Keys begin with the tenant's schema, so one tenant's files are one folder (STORAGE_URL).
"""

from __future__ import annotations

import hashlib
from typing import Final

from django.core.files.base import ContentFile
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
    """Store bytes and return their key; equal bytes are stored once, others never overwritten.

    The key is `<schema>/documents/<yyyy-mm>/<name>.<suffix>`; where other bytes lie under it, the
    digest comes before the suffix.

    :raises StoreUnreliable: when the store keeps giving another name.
    """
    folder = f"{current_schema()}/documents/{month}"
    digest = hashlib.sha256(content).hexdigest()[:16]
    for key in (f"{folder}/{name}.{suffix}", f"{folder}/{name}.{digest}.{suffix}"):
        for _ in range(_TRIES):
            if default_storage.exists(key):
                if read(key) == content:
                    return key
                break
            stored = default_storage.save(key, ContentFile(content))
            if stored == key:
                return key
            default_storage.delete(stored)  # somebody was faster; look at what they stored
    raise StoreUnreliable(f"The document store did not take {folder}/{name}; try again.")


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
