"""Signed, single-use links to set a password, salted with schema and purpose (rule 24)."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.db import connection


class LinkPurpose(StrEnum):
    """Why somebody is sent a link."""

    INVITE = "invite"
    RESET = "reset"


class LinkTokens(PasswordResetTokenGenerator):
    """Tokens good for one person of one schema until the password or the last sign-in changes.

    They expire after `settings.PASSWORD_RESET_TIMEOUT`.
    """

    def __init__(self, purpose: LinkPurpose) -> None:
        super().__init__()
        self.purpose = purpose

    def _make_hash_value(self, user: Any, timestamp: int) -> str:
        salt = f"{connection.schema_name}:{self.purpose.value}:{user.public_id}:{user.is_active}"
        return salt + super()._make_hash_value(user, timestamp)


tokens = {purpose: LinkTokens(purpose) for purpose in LinkPurpose}
