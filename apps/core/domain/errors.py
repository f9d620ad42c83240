"""The one family of refusals: what was refused, why, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field: a dotted path, a stable code, and a message that names the remedy."""

    field: str
    code: str
    message: str


class Refusal(Exception):
    """An anticipated refusal with a stable, documented `code`; doors translate it.

    Anything else that escapes a service is a defect.
    """

    default_code = "refused"

    def __init__(
        self, message: str, *, code: str | None = None, errors: tuple[FieldError, ...] = ()
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.errors = errors


class Invalid(Refusal):
    """The request is malformed: a field is missing or cannot be read."""

    default_code = "invalid"


class Unauthenticated(Refusal):
    """Nobody proved who they are."""

    default_code = "unauthenticated"


class Forbidden(Refusal):
    """The actor is known and may not do this."""

    default_code = "forbidden"


class Missing(Refusal):
    """There is no such thing, or none that the actor may see."""

    default_code = "not_found"


class Conflict(Refusal):
    """The thing exists in another state or with another content."""

    default_code = "conflict"


class TooLarge(Refusal):
    """The body exceeds the stated limit."""

    default_code = "too_large"


class Unprocessable(Refusal):
    """The request is well formed, yet a rule of the domain refuses it."""

    default_code = "unprocessable"


class TooMany(Refusal):
    """The caller must slow down; `retry_after` is in whole seconds."""

    default_code = "rate_limited"

    def __init__(self, message: str, *, retry_after: int, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after


class Unavailable(Refusal):
    """A thing we depend on did not answer; `permanent` tells whether a retry can help."""

    default_code = "unavailable"

    def __init__(self, message: str, *, permanent: bool = False, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.permanent = permanent
