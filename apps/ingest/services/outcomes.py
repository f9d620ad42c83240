"""Takes outcomes that come after their events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from django.db import transaction

from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import FieldError, Invalid, TooLarge
from apps.usage import selectors as events
from apps.usage import services as usage

MOST: Final = 10_000
MOST_LIMITED: Final = 200
"""Of somebody limited to teams or tags: each event is looked up to see whether it is theirs."""
_TEXTS: Final = ("name", "source", "id", "trace_id", "experiment")


class OutcomeRefused(Invalid):
    """An outcome refers to nothing, or its text cannot be stored; names the item."""

    default_code = "outcome_refused"


@transaction.atomic
def accept_outcomes(
    *, outcomes: Sequence[Mapping[str, Any]], actor: Actor, received_at: datetime
) -> int:
    """Keep the outcomes that are new and return their number; all or none.

    The events, traces or experiments that they name need not be known yet; but whoever is limited
    to teams or tags names events that they may see.

    :raises OutcomeRefused: when one names neither an event, a trace nor an experiment, or not one
        of the actor's own events.
    :raises TooLarge: when there are more than 10,000, of somebody limited more than 200.
    """
    actor.require(Scope.USAGE_WRITE)
    is_limited = actor.teams is not None or bool(actor.bound_tags)
    most = MOST_LIMITED if is_limited else MOST
    if len(outcomes) > most:
        raise TooLarge(f"Send at most {most:,} outcomes at once.", code="too_many_outcomes")
    errors = tuple(error for at, one in enumerate(outcomes) for error in _problems(at, one))
    if errors:
        raise OutcomeRefused(errors[0].message, errors=errors)
    if is_limited:
        _require_own(outcomes, actor)
    drafts = [_draft(outcome) for outcome in outcomes]
    return usage.record_outcomes(outcomes=drafts, received_at=received_at)


def _require_own(outcomes: Sequence[Mapping[str, Any]], actor: Actor) -> None:
    errors = [
        FieldError(f"{at}.id", "not_yours", "Name source and id of an event that you may see.")
        for at, outcome in enumerate(outcomes)
        if not _is_seen(outcome, actor)
    ]
    if errors:
        raise OutcomeRefused(errors[0].message, errors=tuple(errors))


def _is_seen(outcome: Mapping[str, Any], actor: Actor) -> bool:
    source, event_id = outcome.get("source") or "", outcome.get("id") or ""
    if not (source and event_id) or outcome.get("trace_id") or outcome.get("experiment"):
        return False
    try:
        events.event(source=source, event_id=event_id, actor=actor)
    except events.EventMissing:
        return False
    return True


def _problems(index: int, outcome: Mapping[str, Any]) -> list[FieldError]:
    found = [
        FieldError(f"{index}.{name}", "nul", "The text holds a NUL character; remove it.")
        for name in _TEXTS
        if "\0" in (outcome.get(name) or "")
    ]
    of_event = outcome.get("source") and outcome.get("id")
    if not (of_event or outcome.get("trace_id") or outcome.get("experiment")):
        message = "Say what it came of: source and id of an event, a trace_id or an experiment."
        found.append(FieldError(f"{index}", "refers_to_nothing", message))
    return found


def _draft(outcome: Mapping[str, Any]) -> usage.OutcomeDraft:
    return usage.OutcomeDraft(
        name=outcome["name"],
        occurred_at=outcome.get("time"),
        success=outcome.get("success"),
        value=outcome.get("value"),
        source=outcome.get("source") or "",
        event_id=outcome.get("id") or "",
        trace_id=outcome.get("trace_id") or "",
        experiment=outcome.get("experiment") or "",
    )
