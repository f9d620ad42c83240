"""Sends everybody's digest of the day, once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import groupby

from django.db import transaction

from apps.accounts import selectors as accounts
from apps.accounts.selectors import Person
from apps.core import presentation
from apps.notifications.domain.digest import Due, Item, due_at, written
from apps.notifications.domain.notices import Message
from apps.notifications.models import Delivery, DigestState, PersonalNotice
from apps.notifications.services.publishing import queue_mail
from apps.tenants import selectors as tenants
from apps.tenants.selectors import TenantFacts


@transaction.atomic
def send_digests(*, now: datetime) -> int:
    """Queue the digest that is due today in the tenant's zone; return how many people get one.

    Safe to run at any time and by several at once: who got the day's digest gets no second one,
    and what comes later waits for tomorrow's. Who left gets none.
    """
    tenant = tenants.current()
    due = due_at(now, zone=tenant.timezone)
    if due is None:
        return 0
    rows = (
        PersonalNotice.objects.select_for_update(skip_locked=True)
        .filter(digest=DigestState.WAITING, created_at__lt=due.until)
        .order_by("person_id", "id")
    )
    grouped = {person: list(own) for person, own in groupby(rows, lambda one: one.person_id)}
    people = {one.id: one for one in accounts.addressees(ids=grouped, roles=(), emails=())}
    served = _served([_key(due, one) for one in people.values()])
    sent = 0
    for person_id, own in grouped.items():
        person = people.get(person_id)
        if person is None:
            _mark(own, DigestState.DROPPED, due)
        elif _key(due, person) not in served:
            sent += _send(own, person, due=due, tenant=tenant, now=now)
            _mark(own, DigestState.SENT, due)
    return sent


def _key(due: Due, person: Person) -> str:
    return f"digest/{due.day}/{person.public_id}"


def _served(keys: list[str]) -> set[str]:
    found = Delivery.objects.filter(message__in=keys)
    return set(found.values_list("message", flat=True))


def _send(
    own: list[PersonalNotice], person: Person, *, due: Due, tenant: TenantFacts, now: datetime
) -> int:
    base = tenants.base_url(slug=tenant.slug)
    items = [Item(one.subject, f"{base}{one.link}" if one.link else "") for one in own]
    with presentation.reading_as(locale=tenant.locale, timezone=str(tenant.timezone)):
        day = presentation.day(due.day)
    subject, text = written(items, day=day, base=base, locale=tenant.locale)
    message = Message(_key(due, person), subject, text)
    return queue_mail(message=message, recipient=person.email, now=now)


def _mark(rows: Iterable[PersonalNotice], state: DigestState, due: Due) -> None:
    ids = [one.pk for one in rows]
    PersonalNotice.objects.filter(pk__in=ids).update(
        digest=state, digest_on=due.day if state is DigestState.SENT else None
    )
