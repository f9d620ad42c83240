"""Keeps end users apart without knowing them: a hash keyed by tenant (rule 8)."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Final

from django.conf import settings

from apps.core.db import current_schema

_PURPOSE: Final = "usage.end_user"
_SIZE: Final = 16


def hashed() -> Callable[[str], bytes]:
    """Return the function that hashes end users of the current tenant.

    The same person has another hash in another tenant, and without the installation's secret no
    list of names can be tried against the hashes.
    """
    secret = f"{_PURPOSE}\0{current_schema()}\0{settings.SECRET_KEY}"
    key = blake2b(secret.encode(), digest_size=32).digest()
    keyed = blake2b(key=key, digest_size=_SIZE)

    def hash_of(end_user: str) -> bytes:
        seal = keyed.copy()
        seal.update(end_user.encode())
        return seal.digest()

    return hash_of
