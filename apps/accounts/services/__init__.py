"""Use cases of people and keys: one module each."""

from apps.accounts.services.keys import IssuedKey, KeyRequest, issue_key, revoke_key
from apps.accounts.services.passwords import (
    PasswordRefused,
    change_password,
    password_link,
    set_password,
)
from apps.accounts.services.people import (
    LastOwner,
    PersonExists,
    PersonNotValid,
    change_role,
    check_address,
    deactivate,
    found_owner,
    invite,
    reactivate,
    set_teams,
)
from apps.accounts.services.sign_in import note_sign_in, note_sign_out

__all__ = [
    "IssuedKey",
    "KeyRequest",
    "LastOwner",
    "PasswordRefused",
    "PersonExists",
    "PersonNotValid",
    "change_password",
    "change_role",
    "check_address",
    "deactivate",
    "found_owner",
    "invite",
    "issue_key",
    "note_sign_in",
    "note_sign_out",
    "password_link",
    "reactivate",
    "revoke_key",
    "set_password",
    "set_teams",
]
