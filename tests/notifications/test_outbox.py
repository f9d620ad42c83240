"""The outbox: told once, tried again, never lost."""

from __future__ import annotations

import smtplib
from datetime import UTC, datetime, timedelta

import pytest
from django.core import mail
from django.db import IntegrityError, transaction

from apps.notifications import selectors, services, tasks
from apps.notifications.adapters import email
from apps.notifications.domain.retries import PAUSES, next_attempt
from apps.notifications.models import Delivery
from apps.notifications.services import Message

NOW = datetime(2026, 1, 20, 9, tzinfo=UTC)
MESSAGE = Message("statement.issued/2026-01/CC-1", "Your statement\r\nBcc: x@y", "USD 12.00")


def test_pauses_grow_and_end():
    assert [next_attempt(failed=n, at=NOW) for n in (1, 2)] == [
        NOW + timedelta(minutes=1),
        NOW + timedelta(minutes=5),
    ]
    assert next_attempt(failed=len(PAUSES) + 1, at=NOW) is None


def test_a_message_is_told_to_each_recipient_once(acme):
    assert services.post(message=MESSAGE, recipients=["b@x.example", "a@x.example"], now=NOW) == 2
    again = ["a@x.example", " a@x.example", "c@x.example", ""]
    assert services.post(message=MESSAGE, recipients=again, now=NOW) == 1
    assert services.deliver_due(now=NOW).sent == 3
    assert sorted(each.to[0] for each in mail.outbox) == [
        "a@x.example",
        "b@x.example",
        "c@x.example",
    ]
    assert mail.outbox[0].subject == "Your statement Bcc: x@y"
    assert services.deliver_due(now=NOW).sent == 0
    assert len(mail.outbox) == 3


def test_the_database_keeps_one_delivery_a_message_and_recipient(acme):
    services.post(message=MESSAGE, recipients=["a@x.example"], now=NOW)
    row = Delivery.objects.get()
    with pytest.raises(IntegrityError), transaction.atomic():
        Delivery.objects.create(
            message=row.message, recipient=row.recipient, due_at=NOW, created_at=NOW
        )


def test_a_failure_is_tried_again_and_given_up_in_the_end(acme, monkeypatch):
    def refuse(self, *args, **kwargs):
        raise smtplib.SMTPServerDisconnected("gone")

    services.post(message=MESSAGE, recipients=["a@x.example"], now=NOW)
    monkeypatch.setattr("django.core.mail.EmailMessage.send", refuse)
    now = NOW
    for pause in PAUSES:
        assert services.deliver_due(now=now).postponed == 1
        assert services.deliver_due(now=now).postponed == 0
        now += pause
    assert services.deliver_due(now=now).failed == 1
    (told,) = selectors.deliveries(message=MESSAGE.key)
    assert (told.state, told.attempts) == ("failed", 6)
    assert "gone" in told.last_error


def test_a_refused_address_is_given_up_at_once(acme, monkeypatch):
    def refuse(self, *args, **kwargs):
        raise smtplib.SMTPRecipientsRefused({"a@x.example": (550, b"no such user")})

    services.post(message=MESSAGE, recipients=["a@x.example"], now=NOW)
    monkeypatch.setattr("django.core.mail.EmailMessage.send", refuse)
    assert services.deliver_due(now=NOW).failed == 1


@pytest.mark.parametrize(
    ("error", "permanent"),
    [
        (smtplib.SMTPDataError(451, b"later"), False),
        (smtplib.SMTPDataError(554, b"never"), True),
        (ConnectionRefusedError("down"), False),
        (smtplib.SMTPRecipientsRefused({"a": (450, b"busy"), "b": (550, b"none")}), False),
    ],
)
def test_what_the_mail_server_says_decides_whether_to_try_again(monkeypatch, error, permanent):
    def refuse(self, *args, **kwargs):
        raise error

    monkeypatch.setattr("django.core.mail.EmailMessage.send", refuse)
    with pytest.raises(email.Unavailable) as refused:
        email.send(recipient="a@x.example", subject="s", text="t")
    assert refused.value.permanent is permanent


def test_the_task_delivers_its_tenant_s_outbox_twice_gives_once(acme):
    services.post(message=MESSAGE, recipients=["a@x.example"], now=NOW)
    tasks.deliver(schema=acme.schema)
    tasks.deliver(schema=acme.schema)
    assert len(mail.outbox) == 1
    assert selectors.deliveries(message=MESSAGE.key)[0].state == "sent"
