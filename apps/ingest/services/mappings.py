"""Tells what events of other vocabularies mean: records a mapping, retires one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction

from apps.audit import services as audit
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Conflict, FieldError, Missing
from apps.ingest.domain.event_mapping import MappingRefused, checked_mapping
from apps.ingest.domain.foreign import Door
from apps.ingest.models import EventMapping

MOST_IN_FORCE: Final = 1_000


class EventMappingMissing(Missing):
    """There is no such mapping in force."""

    default_code = "event_mapping_not_found"


class MappedMeanwhile(Conflict):
    """Somebody else told the meaning of the same events at the same moment."""

    default_code = "event_mapping_moved"


def record_mapping(
    *, door: str, name: str, fields: Mapping[str, str], actor: Actor, now: datetime
) -> UUID:
    """Say what events of a type mean from now on; the mapping before it is retired.

    Events that are stored stay as they are; amend them, or send them under new ids.

    :raises MappingRefused: when the mapping cannot be understood, or there are 1,000 already.
    :raises MappedMeanwhile: when another mapping of the same name was recorded meanwhile.
    :raises Forbidden: when the actor lacks usage:correct.
    """
    actor.require(Scope.USAGE_CORRECT)
    door, name = _known_door(door), _known_name(name)
    mapping = checked_mapping(fields)
    try:
        with transaction.atomic():
            before = _in_force(door, name)
            if before is not None:
                _retire(before, actor, now)
            elif EventMapping.objects.filter(retired_at=None).count() >= MOST_IN_FORCE:
                raise _refused("name", "too_many", f"At most {MOST_IN_FORCE:,} types are mapped.")
            row = EventMapping.objects.create(
                door=door,
                name=name,
                fields=dict(mapping.fields),
                created_by=actor.label,
                created_at=now,
            )
            _told(row, "event_mapping.recorded", actor, now)
    except IntegrityError as error:
        if "one_in_force" in str(error):
            raise MappedMeanwhile("Somebody mapped these events just now; look again.") from None
        raise
    return row.public_id


def retire_mapping(*, mapping: UUID, actor: Actor, now: datetime) -> None:
    """End a mapping: such events are understood by default again, from now on.

    :raises EventMappingMissing: when it is not in force.
    :raises Forbidden: when the actor lacks usage:correct.
    """
    actor.require(Scope.USAGE_CORRECT)
    with transaction.atomic():
        row = (
            EventMapping.objects.select_for_update()
            .filter(public_id=mapping, retired_at=None)
            .first()
        )
        if row is None:
            raise EventMappingMissing("There is no such mapping in force; look at the list.")
        _retire(row, actor, now)
        _told(row, "event_mapping.retired", actor, now)


def _in_force(door: str, name: str) -> EventMapping | None:
    rows = EventMapping.objects.select_for_update()
    return rows.filter(door=door, name=name, retired_at=None).first()


def _retire(row: EventMapping, actor: Actor, now: datetime) -> None:
    row.retired_at = max(now, row.created_at)
    row.retired_by = actor.label
    row.save(update_fields=["retired_at", "retired_by"])


def _known_door(door: str) -> str:
    try:
        return Door(door).value
    except ValueError:
        known = ", ".join(one.value for one in Door)
        raise _refused("door", "choice", f"The door is one of {known}.") from None


def _known_name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > 200 or "\0" in name:
        message = "Name the type or code of the events, at most 200 characters."
        raise _refused("name", "missing", message)
    return name


def _refused(field: str, code: str, message: str) -> MappingRefused:
    return MappingRefused(message, errors=(FieldError(field, code, message),))


def _told(row: EventMapping, action: str, actor: Actor, now: datetime) -> None:
    audit.record(
        actor=actor,
        action=action,
        subject="event_mapping",
        subject_id=str(row.public_id),
        detail={"door": row.door, "name": row.name, "fields": row.fields},
        at=now,
    )
