"""Signed links that open one thing without a sign-in, until they expire (rule 24)."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta
from typing import Final

from django.core import signing

from apps.core.db import current_schema
from apps.core.domain.errors import Missing

LONGEST: Final = 2000


class LinkInvalid(Missing):
    """The link was altered, is another tenant's or purpose's, or has expired."""

    default_code = "link_invalid"


def sign_link(*, purpose: str, value: str) -> str:
    """Return a token for `value` that opens only in this schema and for this purpose.

    It has letters, digits, `-`, `_` and `:` only, so that no mail program cuts it short.
    """
    return _signer(purpose).sign(urlsafe_b64encode(value.encode()).decode().rstrip("="))


def open_link(*, purpose: str, token: str, lifetime: timedelta) -> str:
    """Return the value of a token.

    :raises LinkInvalid: when it was not signed here for this purpose, or is older than that.
    """
    try:
        if len(token) > LONGEST:
            raise signing.BadSignature
        text = _signer(purpose).unsign(token, max_age=lifetime)
        return urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except signing.BadSignature:
        raise LinkInvalid(
            "This link does not work or has expired; sign in, or ask for a new one."
        ) from None


def _signer(purpose: str) -> signing.TimestampSigner:
    return signing.TimestampSigner(salt=f"apps.core.tokens:{current_schema()}:{purpose}")
