"""What can go wrong: with one event, with a call to the API."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class EventError:
    """An event that is not stored, and why; handed to `on_error`.

    `code` is the server's (`conflict`, `time_in_future`, ...), or `queue_full`, `not_sent`,
    `not_valid` of this library.
    """

    id: str
    source: str
    code: str
    field: str | None
    message: str
    event: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)


class EventNotValid(ValueError):
    """An event cannot be written as JSON; raised by clients made with `strict=True` only."""


class ApiError(Exception):
    """The server refused a call; `code` is stable, `retry_after` is in seconds."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str,
        errors: Sequence[Mapping[str, Any]] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.errors = list(errors)
        self.retry_after = retry_after
