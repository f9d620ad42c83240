"""The life of an experiment request, and which step may follow which."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from apps.budgets.domain.tags import TagState
from apps.core.domain.errors import Conflict, Forbidden, Missing


class State(StrEnum):
    """Where a request stands."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    CHANGES_REQUESTED = "changes_requested"
    APPROVED = "approved"
    RUNNING = "running"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    REVOKED = "revoked"
    COMPLETED = "completed"


NEXT: Final[Mapping[State, frozenset[State]]] = MappingProxyType(
    {
        State.DRAFT: frozenset({State.SUBMITTED, State.WITHDRAWN}),
        State.SUBMITTED: frozenset(
            {
                State.APPROVED,
                State.REJECTED,
                State.CHANGES_REQUESTED,
                State.WITHDRAWN,
                State.EXPIRED,
            }
        ),
        State.CHANGES_REQUESTED: frozenset({State.SUBMITTED, State.WITHDRAWN, State.EXPIRED}),
        State.APPROVED: frozenset({State.RUNNING, State.REVOKED, State.COMPLETED}),
        State.RUNNING: frozenset({State.REVOKED, State.COMPLETED}),
        State.REJECTED: frozenset(),
        State.WITHDRAWN: frozenset(),
        State.EXPIRED: frozenset(),
        State.REVOKED: frozenset(),
        State.COMPLETED: frozenset(),
    }
)
"""Every move that there is; a trigger holds the same table."""

EDITABLE: Final = frozenset({State.DRAFT, State.CHANGES_REQUESTED})
FUNDED: Final = frozenset({State.APPROVED, State.RUNNING})
OVER: Final = frozenset(state for state, after in NEXT.items() if not after)


TAGS: Final[Mapping[State, TagState]] = MappingProxyType(
    {
        **dict.fromkeys(NEXT, TagState.NOT_APPROVED),
        **dict.fromkeys(FUNDED, TagState.OPEN),
        State.REVOKED: TagState.CLOSED,
        State.COMPLETED: TagState.CLOSED,
    }
)
"""What each state says about use under the tag of the request."""


class RoundState(StrEnum):
    """Where one submission stands; a request's first one, or that of an amendment."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    CHANGES_REQUESTED = "changes_requested"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class StepState(StrEnum):
    """Where one step of a submission stands."""

    WAITING = "waiting"
    OPEN = "open"
    PASSED = "passed"
    STOPPED = "stopped"
    SKIPPED = "skipped"


class Verdict(StrEnum):
    """What an approver may say."""

    APPROVE = "approve"
    REJECT = "reject"
    REQUEST_CHANGES = "request_changes"


class ExperimentMissing(Missing):
    """There is no such experiment request, or none that the actor may see."""

    default_code = "experiment_not_found"


class NotInState(Conflict):
    """The request stands elsewhere by now."""

    default_code = "experiment_state"


class NotYours(Forbidden):
    """Only the people of the request may do this."""

    default_code = "experiment_not_yours"


def check_move(*, code: str, state: State, to: State) -> None:
    """Pass when a request may go from one state to another.

    :raises NotInState: saying where it stands.
    """
    if to not in NEXT[state]:
        raise NotInState(f"{code} is {words(state)}; it cannot become {words(to)}.")


def words(state: str) -> str:
    """Return a state as people read it."""
    return str(state).replace("_", " ")
