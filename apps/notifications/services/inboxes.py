"""What people do with their own inbox and preferences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from apps.audit import services as audit
from apps.core.domain.access import Actor
from apps.notifications.domain.preferences import checked_choices
from apps.notifications.domain.topics import Cadence, Medium, Topic
from apps.notifications.models import PersonalNotice, Preference
from apps.notifications.selectors import NoInbox


def mark_read(*, ids: Sequence[UUID], actor: Actor, now: datetime) -> int:
    """Mark notices of the actor's own inbox as read; return how many were unread.

    Ids of others' notices name nothing. Reading is no act that the audit keeps.

    :raises NoInbox: when no person is behind the actor.
    """
    return _unread(actor).filter(public_id__in=ids).update(read_at=now)


def mark_all_read(*, actor: Actor, now: datetime) -> int:
    """Mark the whole of the actor's own inbox as read; return how many were unread.

    :raises NoInbox: when no person is behind the actor.
    """
    return _unread(actor).filter(created_at__lte=now).update(read_at=now)


def set_preferences(
    *, chosen: Mapping[tuple[Topic, Medium], Cadence], actor: Actor, now: datetime
) -> None:
    """Keep what the actor wants to be told of; what is not named stays as it was.

    :raises NoInbox: when no person is behind the actor.
    :raises PreferenceInvalid: when the inbox is asked for a digest.
    """
    if actor.user_id is None:
        raise NoInbox
    rows = [
        Preference(
            person_id=actor.user_id,
            topic=topic.value,
            medium=medium.value,
            cadence=cadence.value,
        )
        for (topic, medium), cadence in sorted(checked_choices(chosen).items())
    ]
    with transaction.atomic():
        Preference.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["person", "topic", "medium"],
            update_fields=["cadence"],
        )
        audit.record(
            actor=actor,
            action="preferences.changed",
            subject="person",
            subject_id=str(actor.user_id),
            detail={f"{one.topic} by {one.medium}": one.cadence for one in rows},
            at=now,
        )


def _unread(actor: Actor) -> QuerySet[PersonalNotice]:
    if actor.user_id is None:
        raise NoInbox
    return PersonalNotice.objects.filter(
        person_id=actor.user_id, in_inbox=True, read_at__isnull=True
    )
