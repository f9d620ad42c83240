"""What an experiment's request says about the use of its tag."""

from __future__ import annotations

from enum import StrEnum


class TagState(StrEnum):
    """Whether use under the tag of a request may be paid from its grant; told by its state.

    A tag that no request has is not known here, and nothing speaks against its use.
    """

    NOT_APPROVED = "not_approved"
    OPEN = "open"
    CLOSED = "closed"
