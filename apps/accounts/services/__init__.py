"""Use cases of people and keys: one module each."""

from apps.accounts.selectors import KeyMissing
from apps.accounts.services.answers import (
    Answer,
    KeyInFlight,
    KeyNotUsable,
    KeyReused,
    answer_once,
    forget_answers,
)
from apps.accounts.services.keys import (
    IssuedKey,
    KeyNotValid,
    KeyRequest,
    issue_key,
    limit_key,
    revoke_key,
)
from apps.accounts.services.passwords import (
    LinkNotValid,
    PasswordRefused,
    change_password,
    issue_invitation,
    password_link,
    set_password,
)
from apps.accounts.services.people import (
    LastOwner,
    PersonExists,
    PersonNotValid,
    change_access,
    change_person,
    check_address,
    deactivate,
    found_owner,
    invite,
    reactivate,
)
from apps.accounts.services.sign_in import note_sign_in, note_sign_out
from apps.accounts.services.throttle import (
    Caller,
    RateLimited,
    Turnstile,
    charge_events,
    current_caller,
    default_limits,
    tenant_limits,
)
from apps.accounts.tokens import LinkPurpose, PasswordLink

__all__ = [
    "Answer",
    "Caller",
    "IssuedKey",
    "KeyInFlight",
    "KeyMissing",
    "KeyNotUsable",
    "KeyNotValid",
    "KeyRequest",
    "KeyReused",
    "LastOwner",
    "LinkNotValid",
    "LinkPurpose",
    "PasswordLink",
    "PasswordRefused",
    "PersonExists",
    "PersonNotValid",
    "RateLimited",
    "Turnstile",
    "answer_once",
    "change_access",
    "change_password",
    "change_person",
    "charge_events",
    "check_address",
    "current_caller",
    "deactivate",
    "default_limits",
    "forget_answers",
    "found_owner",
    "invite",
    "issue_invitation",
    "issue_key",
    "limit_key",
    "note_sign_in",
    "note_sign_out",
    "password_link",
    "reactivate",
    "revoke_key",
    "set_password",
    "tenant_limits",
]
