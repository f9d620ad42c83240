"""API keys: how they are written, what of them is kept, and what they may do (rules 21, 22)."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from apps.core.domain.access import PERSONAL_ONLY, ROLE_SCOPES, Role, Scope

BASE62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
KEY_LABEL: Final = "key:"
"""How the label of a service key begins, where a person has an address."""
PREFIX_LENGTH: Final = 8
SECRET_LENGTH: Final = 43
"""43 base62 characters carry 256 bits, so that a plain hash at rest cannot be searched."""

_KEY: Final = re.compile(
    r"fp_(?P<slug>[a-z][a-z0-9-]{1,30})_(?P<prefix>[0-9A-Za-z]{8})_(?P<secret>[0-9A-Za-z]{43})"
)


class KeyKind(StrEnum):
    """Whether a key acts as a person or as a program."""

    PERSONAL = "personal"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class KeyText:
    """A key as it is sent; its text is a secret and never logged."""

    slug: str
    prefix: str
    secret: str

    @classmethod
    def new(cls, slug: str) -> KeyText:
        """Make a new random key for a tenant."""
        return cls(slug, _random(PREFIX_LENGTH), _random(SECRET_LENGTH))

    @classmethod
    def parse(cls, text: str) -> KeyText | None:
        """Read a key, or return None when the text is none."""
        found = _KEY.fullmatch(text)
        return cls(found["slug"], found["prefix"], found["secret"]) if found else None

    @property
    def text(self) -> str:
        """Return the key as it is shown once."""
        return f"fp_{self.slug}_{self.prefix}_{self.secret}"

    @property
    def hash(self) -> str:
        """Return the SHA-256 of the whole key, in hex: all that is stored of the secret."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def __repr__(self) -> str:
        return f"KeyText(fp_{self.slug}_{self.prefix}_…)"


def same_hash(left: str, right: str) -> bool:
    """Compare two hashes in a time that tells nothing."""
    return hmac.compare_digest(left, right)


def effective_scopes(
    kind: KeyKind, granted: Iterable[Scope], role: Role | None
) -> frozenset[Scope]:
    """Return what a key may do at this moment.

    A personal key holds what it was granted as far as its user's role still allows; a service key
    never holds what only a person may do.
    """
    scopes = frozenset(granted)
    if kind is KeyKind.SERVICE:
        return scopes - PERSONAL_ONLY
    return scopes & ROLE_SCOPES[role] if role else frozenset()


def tags_within(bound: Mapping[str, str], requested: Mapping[str, str]) -> bool:
    """Tell whether tags asked for keep everything that the asking key is bound to."""
    return all(requested.get(key) == value for key, value in bound.items())


def _random(length: int) -> str:
    return "".join(secrets.choice(BASE62) for _ in range(length))
