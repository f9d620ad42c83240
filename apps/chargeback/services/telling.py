"""Tells owners and channels what happens to statements, in the transaction in which it does."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from apps.chargeback.domain.acceptance import Acceptance, AcceptanceState, ResponseFacts
from apps.chargeback.domain.letters import Letter, written
from apps.chargeback.selectors import answers
from apps.core import presentation
from apps.core.domain.money import published
from apps.core.domain.months import Month
from apps.core.tokens import sign_link
from apps.documents.domain.states import State
from apps.notifications import services as notifications
from apps.notifications.domain.topics import Topic
from apps.tenants import selectors as tenants

LINK_PURPOSE: Final = "chargeback.statement"
LINK_LIFETIME: Final = timedelta(days=30)


def tell_issued(*, run: UUID, now: datetime) -> int:
    """Tell owners and whoever answers for a cost center that its statement is issued.

    Call it in the transaction that issues; a statement is told of once. Returns how many messages
    are queued.
    """
    rows = answers.statement_rows().filter(run=run, document__state=State.SEALED.value)
    found = answers.acceptances_of(rows, now=now)
    return _publish("issued", Topic.STATEMENT_ISSUED, found, now=now)


def tell_answer(*, found: Acceptance, said: ResponseFacts, contact: str, now: datetime) -> None:
    """Tell finance that a statement was accepted or disputed; `contact` is who takes questions."""
    topic = Topic.STATEMENT_DISPUTED if said.verdict == "disputed" else Topic.STATEMENT_ACCEPTED
    kind = "disputed" if topic is Topic.STATEMENT_DISPUTED else "accepted"
    told = (contact,) if "@" in contact and kind == "disputed" else ()
    _publish(kind, topic, [found], said=said, to=told, key=str(said.id), now=now)


def tell_resolved(*, found: Acceptance, said: ResponseFacts, raised_by: str, now: datetime) -> None:
    """Tell who raised a dispute, and channels, how it ended."""
    topic = Topic.DISPUTE_RESOLVED
    _publish("resolved", topic, [found], said=said, to=(raised_by,), key=str(said.id), now=now)


def remind(*, now: datetime) -> int:
    """Remind owners whose days for questions end soon, or ended without an answer.

    Each statement once before its days end and, when the policy lets it stay open, once after.
    Safe to repeat; returns how many messages were queued.
    """
    days = timedelta(days=answers.policy().reminder_days)
    waiting = [
        one
        for one in answers.acceptances_of(answers.waiting_rows(), now=now)
        if one.due_at is not None
        and one.state in (AcceptanceState.AWAITING, AcceptanceState.OVERDUE)
        and one.due_at - days <= now
    ]
    return sum(
        _publish(
            "reminder",
            Topic.STATEMENT_REMINDER,
            [one],
            key=f"{one.statement}/{one.state.value}/{one.due_at:%Y-%m-%d}",
            now=now,
        )
        for one in waiting
    )


def statement_link(*, statement: UUID, recipient: str) -> str:
    """Return the address that opens a statement's PDF for 30 days without a sign-in."""
    token = sign_link(purpose=LINK_PURPOSE, value=f"{statement}|{recipient}")
    return f"{_base()}/statements/shared/{token}/"


def _publish(
    kind: str,
    topic: Topic,
    found: Iterable[Acceptance],
    *,
    now: datetime,
    said: ResponseFacts | None = None,
    to: tuple[str, ...] | None = None,
    key: str = "",
) -> int:
    tenant, base = tenants.current(), _base()
    with presentation.reading_as(locale=tenant.locale, timezone=str(tenant.timezone)):
        notices = [
            _notice(kind, topic, one, base=base, locale=tenant.locale, said=said, to=to, key=key)
            for one in found
        ]
    return notifications.publish(notices=notices, now=now)


def _notice(
    kind: str,
    topic: Topic,
    one: Acceptance,
    *,
    base: str,
    locale: str,
    said: ResponseFacts | None,
    to: tuple[str, ...] | None,
    key: str,
) -> notifications.Notice:
    page = f"{base}/statements/{one.month}/{one.cost_center}/acceptance/"
    ended = said.resolution if said is not None else None
    letter = Letter(
        number=one.number,
        name=one.name,
        month=presentation.month(one.month),
        total=presentation.money(one.total, one.currency),
        due=presentation.moment(one.due_at) if one.due_at else "",
        page=page,
        comment=ended.reason if ended else said.comment if said else "",
        outcome=ended.outcome if ended else "",
    )
    subject, text = written(kind, letter, locale=locale)
    own = tuple(address for address in (one.owner_email, *one.responders) if address)
    statement = one.statement
    return notifications.Notice(
        topic=topic,
        key=f"{topic.value}/{key or statement}",
        subject=subject,
        text=text,
        data=_data(one, page=page, said=said),
        recipients=own if to is None else to,
        link_of=(lambda who: statement_link(statement=statement, recipient=who))
        if kind in ("issued", "reminder")
        else None,
    )


def _data(one: Acceptance, *, page: str, said: ResponseFacts | None) -> dict[str, object]:
    month: Month = one.month
    data: dict[str, object] = {
        "statement": one.statement,
        "number": one.number,
        "period": str(month),
        "cost_center": one.cost_center,
        "total": published(one.total),
        "currency": one.currency,
        "state": one.state.value,
        "due_at": one.due_at,
        "page": page,
    }
    if said is None:
        return data
    return data | {"response": said.id, "response_state": said.state, "line": said.position}


def _base() -> str:
    return tenants.base_url(slug=tenants.current().slug)
