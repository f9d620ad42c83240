"""Channels and webhooks: signed, tried again, and never sent inside."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import IntegrityError, transaction
from django_tenants.utils import schema_context

from apps.audit import selectors as audit
from apps.core.domain.access import Role, system_actor
from apps.core.domain.errors import Forbidden, Unavailable
from apps.notifications import selectors, services, tasks
from apps.notifications.adapters import webhook
from apps.notifications.domain.channels import (
    ChannelDraft,
    ChannelInvalid,
    ChannelMissing,
    Kind,
    NothingToRetry,
    checked_url,
)
from apps.notifications.domain.retries import PAUSES
from apps.notifications.domain.topics import Topic
from apps.notifications.models import Channel, Delivery
from apps.notifications.services import Message, Notice
from tests.accounts.people import person, signed_in
from tests.notifications.receivers import Receiver

NOW = datetime(2026, 1, 20, 9, tzinfo=UTC)
ADMIN = system_actor("tests")


def hook(address: str, *topics: Topic, name: str = "ERP") -> services.AddedChannel:
    draft = ChannelDraft(
        kind=Kind.WEBHOOK,
        name=name,
        address=address,
        topics=frozenset(topics or {Topic.STATEMENT_ISSUED}),
    )
    return services.add_channel(draft=draft, actor=ADMIN, now=NOW)


def notice(**given: Any) -> Notice:
    facts: dict[str, Any] = {
        "topic": Topic.STATEMENT_ISSUED,
        "key": "statement.issued/1",
        "subject": "Your statement",
        "text": "Read it: {link}",
        "data": {"total": "12.00"},
        "recipients": ("Dana@x.example",),
        "link_of": lambda who: f"https://acme/{who}",
    }
    return Notice(**facts | given)


def verified(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """Check a delivery as a receiver does, by the text of Standard Webhooks."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(secret.split("_", 1)[1])
    digest = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return headers["webhook-signature"] == f"v1,{digest}"


def test_a_notice_goes_to_people_boxes_and_hooks_once(acme: Any, receiver: Receiver) -> None:
    added = hook(receiver.url)
    box = ChannelDraft(
        kind=Kind.EMAIL,
        name="AP",
        address="AP@x.example",
        topics=frozenset({Topic.STATEMENT_ISSUED}),
    )
    services.add_channel(draft=box, actor=ADMIN, now=NOW)
    assert services.publish(notices=[notice()], now=NOW) == 3
    assert services.publish(notices=[notice()], now=NOW) == 0
    assert services.publish(notices=[notice(topic=Topic.STATEMENT_DISPUTED, key="d")], now=NOW) == 1
    assert services.deliver_due(now=NOW).sent == 4
    assert sorted(one.to[0] for one in mail.outbox) == [
        "ap@x.example",
        "dana@x.example",
        "dana@x.example",
    ]
    bodies = {one.to[0]: one.body for one in mail.outbox if one.body.endswith("ap@x.example")}
    assert bodies == {"ap@x.example": "Read it: https://acme/ap@x.example"}
    [(headers, body)] = receiver.got
    assert verified(added.secret, headers, body)
    assert json.loads(body) == {
        "type": "statement.issued",
        "key": "statement.issued/1",
        "severity": "info",
        "created_at": "2026-01-20T09:00:00.000000+00:00",
        "data": {"total": "12.00", "link": f"https://acme/channel:{added.id}"},
    }


def test_a_failed_hook_is_tried_again_with_the_same_id_and_bytes(
    acme: Any, receiver: Receiver
) -> None:
    receiver.statuses = [500, 302, 204]
    hook(receiver.url)
    services.publish(notices=[notice(recipients=())], now=NOW)
    at = NOW
    for pause in (*PAUSES[:2], None):
        report = services.deliver_due(now=at)
        assert (report.sent, report.postponed) == ((0, 1) if pause else (1, 0))
        at += pause or timedelta()
    assert len({(h["webhook-id"], body) for h, body in receiver.got}) == 1
    assert len(receiver.got) == 3
    [facts] = selectors.deliveries(message="statement.issued/1")
    assert (facts.state, facts.attempts, facts.last_error) == ("sent", 3, "")


def test_gone_is_final_and_can_be_tried_again_by_hand(acme: Any, receiver: Receiver) -> None:
    receiver.statuses = [410]
    hook(receiver.url)
    services.publish(notices=[notice(recipients=())], now=NOW)
    assert services.deliver_due(now=NOW).failed == 1
    [facts] = selectors.deliveries(message="statement.issued/1")
    assert facts.last_error == "The receiver answered 410."
    services.retry(id=facts.id, actor=ADMIN, now=NOW)
    with pytest.raises(NothingToRetry):
        services.retry(id=facts.id, actor=ADMIN, now=NOW)
    assert services.deliver_due(now=NOW).sent == 1
    assert [one.action for one in audit.history(subject="delivery", subject_id=str(facts.id))] == [
        "delivery.retried"
    ]


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "10.0.0.1",
        "169.254.169.254",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1]",
        "224.0.0.1",
        "0.0.0.0",
        "100.64.0.1",
        "2130706433",
    ],
)
def test_nothing_is_delivered_inside(acme: Any, host: str) -> None:
    hook(f"https://{host}:1/x")
    services.publish(notices=[notice(recipients=())], now=NOW)
    assert services.deliver_due(now=NOW).failed == 1
    [facts] = selectors.deliveries(message="statement.issued/1")
    assert "private address" in facts.last_error


def test_a_name_is_looked_up_once_and_that_address_is_used(
    acme: Any, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asking again between the look and the connection is how rebinding gets inside."""
    asked: list[str] = []
    port = receiver.server.server_port

    def lookup(host: str, *args: Any, **options: Any) -> Any:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    hook(f"http://rebinds.example:{port}/")
    services.publish(notices=[notice(recipients=())], now=NOW)
    monkeypatch.setattr("apps.notifications.adapters.webhook.socket.getaddrinfo", lookup)
    assert services.deliver_due(now=NOW).sent == 1
    assert [host for host in asked if host == "rebinds.example"] == ["rebinds.example"]
    assert receiver.got[0][0]["host"] == f"rebinds.example:{port}"


def test_who_drips_is_cut_off(acme: Any, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.WEBHOOKS_MAY_BE_PRIVATE = True
    monkeypatch.setattr(webhook, "DEADLINE", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(Unavailable) as refused:
            webhook.post(url=url, id="1", body=b"{}", secret="whsec_eA==", timestamp=1)
    assert not refused.value.permanent


@pytest.mark.parametrize(
    "url",
    [
        "http://a.example/",
        "ftp://a.example/",
        "https://user:pw@a.example/",
        "https:///x",
        "https://a.example/#x",
        "https://a.example:99999/",
        "https://a.example/ x",
        "https://ä.example/",
        "a.example",
    ],
)
def test_only_plain_https_urls_are_channels(url: str) -> None:
    with pytest.raises(ChannelInvalid) as refused:
        checked_url(url, allow_private=False)
    assert refused.value.errors[0].field == "address"


def test_channels_are_added_once_renewed_and_retired(acme: Any) -> None:
    added = hook("https://hooks.example.com/a")
    with pytest.raises(ChannelInvalid, match="already"):
        hook("https://hooks.example.com/a")
    renewed = services.renew_secret(id=added.id, actor=ADMIN, now=NOW)
    assert renewed.secret != added.secret
    assert added.secret not in repr(added)
    services.publish(notices=[notice(recipients=())], now=NOW)
    services.retire_channel(id=added.id, actor=ADMIN, now=NOW)
    with pytest.raises(ChannelMissing):
        services.retire_channel(id=added.id, actor=ADMIN, now=NOW)
    assert services.deliver_due(now=NOW).failed == 1
    assert selectors.channels(actor=ADMIN) == []
    assert services.publish(notices=[notice(key="2", recipients=())], now=NOW) == 0
    assert hook("https://hooks.example.com/a").secret not in (added.secret, renewed.secret)
    for wrong in ({"topics": frozenset()}, {"name": " "}, {"kind": Kind.EMAIL, "address": "x"}):
        facts: dict[str, Any] = {
            "kind": Kind.WEBHOOK,
            "name": "x",
            "address": "https://b.example",
            "topics": frozenset(Topic),
        }
        with pytest.raises(ChannelInvalid):
            services.add_channel(draft=ChannelDraft(**facts | wrong), actor=ADMIN, now=NOW)
    assert Channel.objects.count() == 2


def test_the_secret_differs_between_tenants(acme: Any) -> None:
    own = webhook.secret_of(channel="c", generation=1)
    with schema_context("t_globex"):
        assert webhook.secret_of(channel="c", generation=1) != own


def test_the_database_knows_a_webhook_by_its_channel(acme: Any) -> None:
    with pytest.raises(IntegrityError, match="has_a_channel"), transaction.atomic():
        Delivery.objects.create(
            message="x", kind="webhook", recipient="https://x", due_at=NOW, created_at=NOW
        )


def test_the_pages_add_a_channel_and_try_again(acme: Any) -> None:
    owner = signed_in("acme", person(Role.OWNER))
    page = "/settings/notifications/"
    made = owner.post(
        f"{page}new/",
        {
            "kind": "webhook",
            "name": "ERP",
            "address": "https://localhost/x",
            "topics": ["statement.issued"],
        },
    )
    assert "whsec_" in made.content.decode()
    assert "https://localhost/x" in owner.get(page).content.decode()
    refused = owner.post(f"{page}new/", {"kind": "webhook", "name": "E", "address": "x"})
    assert "This field is required" in refused.content.decode()
    services.publish(notices=[notice()], now=NOW)
    services.deliver_due(now=NOW)
    listed = owner.get(f"{page}deliveries/?state=failed").content.decode()
    assert "private address" in listed
    assert "dana@x.example" not in listed
    assert "acme/dana" not in owner.get(f"{page}deliveries/").content.decode()
    [failed] = [one for one in selectors.deliveries(message="statement.issued/1") if one.is_failed]
    owner.post(f"{page}deliveries/retry/", {"selected": [str(failed.id), "x"]})
    assert Delivery.objects.get(public_id=failed.id).state == "queued"
    [channel] = selectors.channels(actor=ADMIN)
    assert "whsec_" in owner.post(f"{page}{channel.id}/renew/").content.decode()
    owner.post(f"{page}{channel.id}/retire/")
    assert selectors.channels(actor=ADMIN) == []
    finance = signed_in("acme", person(Role.FINANCE))
    assert finance.get(page).status_code == 200
    assert finance.get(f"{page}new/").status_code == 403
    assert signed_in("acme", person(Role.ANALYST)).get(page).status_code == 403


def test_only_administrators_change_channels(acme: Any) -> None:
    from apps.core.domain.access import ROLE_SCOPES, Actor

    finance = Actor("user", "maya", ROLE_SCOPES[Role.FINANCE], user_id=1, role=Role.FINANCE)
    draft = ChannelDraft(kind=Kind.EMAIL, name="x", address="a@x.example", topics=frozenset(Topic))
    with pytest.raises(Forbidden):
        services.add_channel(draft=draft, actor=finance, now=NOW)
    assert Channel.objects.count() == 0
    assert services.post(message=Message("k", "s", "t"), recipients=["a@x.example"], now=NOW) == 1


def test_one_task_delivers_more_than_a_round(acme: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "ROUND", 2)
    people = [f"p{number}@x.example" for number in range(5)]
    services.post(message=Message("k", "s", "t"), recipients=people, now=NOW)
    tasks.deliver(schema="t_acme")
    assert Delivery.objects.filter(state="sent").count() == 5
