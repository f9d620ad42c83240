"""Accepts events of other vocabularies: tells what they mean, then takes the one path in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

from apps.core.domain.access import Actor, Scope
from apps.core.domain.canonical import plain_decimal
from apps.core.domain.errors import TooLarge
from apps.ingest import selectors
from apps.ingest.domain import cloudevents, lago
from apps.ingest.domain.event_mapping import EventMapping, checked_mapping, fields_of
from apps.ingest.domain.foreign import Door, ForeignEvent
from apps.ingest.domain.receipt import Receipt
from apps.ingest.services.accept import accept_events
from apps.tenants import selectors as tenants
from apps.usage.domain.checks import MOST_EVENTS, tags_problem
from apps.usage.domain.decode import draft_of
from apps.usage.domain.digest import digest_of_payload
from apps.usage.domain.drafts import Draft, Problem, Rejected, SealedDraft, write_exact
from apps.usage.domain.normalize import NotDisjoint, meters_of

_FIELDS: Final = Draft.__struct_fields__


def accept_foreign(
    *,
    items: Sequence[ForeignEvent | Rejected],
    actor: Actor,
    received_at: datetime,
    atomic: bool = False,
) -> Receipt:
    """Store what is new of events of another vocabulary; a receipt for every item.

    An event is known by what was sent, so that a mapping that changes turns no replay into a
    conflict. One without a time happened when it first arrived.

    :raises BatchRefused: when `atomic`, and an item is rejected or conflicts.
    :raises TooLarge: when there are more than 10,000.
    :raises Forbidden: when the actor lacks usage:write.
    """
    actor.require(Scope.USAGE_WRITE)
    if len(items) > MOST_EVENTS:
        raise TooLarge(
            f"{len(items):,} events are more than {MOST_EVENTS:,} a request; send them in parts.",
            code="too_many_events",
        )
    drafts = drafts_of(items=items, received_at=received_at)
    return accept_events(drafts=drafts, actor=actor, received_at=received_at, atomic=atomic)


def drafts_of(
    *, items: Sequence[ForeignEvent | Rejected], received_at: datetime
) -> list[Draft | Rejected]:
    """Return what events of another vocabulary mean by the mappings in force, in order."""
    mappings = selectors.mappings_in_force(wanted=_wanted(items))
    currency = tenants.current().currency if any(_charged(item) for item in items) else ""
    return [
        item
        if isinstance(item, Rejected)
        else _draft(item, mappings.get((item.door, item.name)), index, received_at, currency)
        for index, item in enumerate(items)
    ]


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What one sample event would be stored as: fields and meters, or the problem."""

    event: Mapping[str, Any]
    meters: Mapping[str, int | Decimal]
    problem: Problem | None


def rehearse_mapping(
    *, door: str, sample: str, fields: Mapping[str, str] | None, received_at: datetime
) -> Rehearsal:
    """Tell what a sample means by a mapping, or by default when `fields` is None; stores nothing.

    :raises MappingRefused: when the mapping cannot be understood.
    :raises BodyUnreadable: when the sample is no JSON of that door.
    """
    mapping = checked_mapping(fields) if fields is not None else None
    body = sample.encode()
    (item,) = (
        cloudevents.read_structured(body)
        if Door(door) is Door.CLOUDEVENTS
        else lago.read_one(body if b'"event"' in body else b'{"event":' + body + b"}")
    )
    if isinstance(item, Rejected):
        return Rehearsal({}, {}, item.problem)
    draft = _draft(item, mapping, 0, received_at, tenants.current().currency)
    if isinstance(draft, Rejected):
        return Rehearsal({}, {}, draft.problem)
    problem = tags_problem(draft.tags or {})
    try:
        meters, _ = meters_of(draft)
    except NotDisjoint as refused:
        return Rehearsal({}, {}, refused.problem)
    shown = msgspec.to_builtins(draft, enc_hook=write_exact)
    return Rehearsal({k: v for k, v in shown.items() if k != "sealed"}, meters, problem)


def _wanted(items: Sequence[ForeignEvent | Rejected]) -> dict[Door, set[str]]:
    wanted: dict[Door, set[str]] = {}
    for item in items:
        if isinstance(item, ForeignEvent) and "\0" not in item.name:  # no mapping's name has one
            wanted.setdefault(item.door, set()).add(item.name)
    return wanted


def _charged(item: ForeignEvent | Rejected) -> bool:
    return isinstance(item, ForeignEvent) and item.charge is not None


def _draft(
    event: ForeignEvent,
    mapping: EventMapping | None,
    index: int,
    received_at: datetime,
    currency: str,
) -> Draft | Rejected:
    fields = {**fields_of(event, mapping), "time": event.time or received_at}
    if event.charge is not None:
        fields.setdefault("reported_cost", _reported(event.charge, currency))
    draft = draft_of(fields, index=index, source=None, lax=True)
    if isinstance(draft, Rejected):
        return draft
    sealed = digest_of_payload(door=event.door, payload=_present(event.payload))
    return SealedDraft(**{name: getattr(draft, name) for name in _FIELDS}, sealed=sealed)


def _reported(charge: Decimal, currency: str) -> dict[str, str]:
    return {"amount": plain_decimal(charge), "currency": currency}


def _present(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is null, which means the same as absent."""
    return {name: value for name, value in payload.items() if value is not None}
