"""Slack: blocks that a real receiver takes, nothing that mentions or hides, no address shown."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from apps.audit import selectors as audit
from apps.core.domain.access import Role, system_actor
from apps.notifications import selectors, services
from apps.notifications.domain.channels import ChannelDraft, Kind
from apps.notifications.domain.slack import slack_message
from apps.notifications.domain.topics import Severity, Topic
from apps.notifications.models import Channel, Delivery
from apps.notifications.services import Notice, Offer
from tests.accounts.people import person, signed_in
from tests.notifications.receivers import Receiver

NOW = datetime(2026, 1, 20, 9, tzinfo=UTC)
ADMIN = system_actor("tests")


def slack(address: str) -> services.AddedChannel:
    draft = ChannelDraft(
        kind=Kind.SLACK,
        name="ai-spend",
        address=address,
        topics=frozenset({Topic.APPROVAL_REQUESTED}),
    )
    return services.add_channel(draft=draft, actor=ADMIN, now=NOW)


def notice(**given: Any) -> Notice:
    facts: dict[str, Any] = {
        "topic": Topic.APPROVAL_REQUESTED,
        "key": "approval.requested/1",
        "subject": "Long context test waits for you",
        "text": "USD 61.44 for <!channel> & search.\nRead: {link}",
        "data": {},
        "severity": Severity.WARNING,
        "link": "/experiments/1/",
        "offers": (Offer("Approve", lambda who: f"https://acme/approve/{who}"),),
        "link_of": lambda who: f"https://acme/secret/{who}",
    }
    return Notice(**facts | given)


def test_a_receiver_gets_blocks_with_buttons_and_no_signed_page(
    acme: Any, receiver: Receiver
) -> None:
    added = slack(receiver.url)
    assert added.secret == ""
    assert services.publish(notices=[notice()], now=NOW) == 1
    assert services.publish(notices=[notice()], now=NOW) == 0
    assert services.deliver_due(now=NOW).sent == 1
    [(headers, body)] = receiver.got
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert "webhook-signature" not in headers
    message = json.loads(body)
    assert message["text"] == ":warning: Long context test waits for you"
    assert [block["type"] for block in message["blocks"]] == [
        "header",
        "section",
        "actions",
        "context",
    ]
    assert message["blocks"][1]["text"]["text"] == "USD 61.44 for &lt;!channel&gt; &amp; search."
    buttons = [(one["text"]["text"], one["url"]) for one in message["blocks"][2]["elements"]]
    assert buttons[0] == ("Approve", f"https://acme/approve/channel:{added.id}")
    assert buttons[1][0] == "Open"
    assert buttons[1][1].endswith("/experiments/1/")
    assert "secret" not in body.decode()


@pytest.mark.parametrize(
    ("status", "state"), [(404, "failed"), (403, "failed"), (429, "queued"), (503, "queued")]
)
def test_what_slack_answers_decides(acme: Any, receiver: Receiver, status: int, state: str) -> None:
    receiver.statuses = [status]
    slack(receiver.url)
    services.publish(notices=[notice()], now=NOW)
    services.deliver_due(now=NOW)
    [facts] = selectors.deliveries(message="approval.requested/1")
    assert (facts.state, facts.last_error) == (state, f"The receiver answered {status}.")


def test_nothing_is_posted_inside(acme: Any) -> None:
    slack("https://localhost:1/services/T0/B0/secret")
    services.publish(notices=[notice()], now=NOW)
    assert services.deliver_due(now=NOW).failed == 1
    assert "private address" in selectors.deliveries(message="approval.requested/1")[0].last_error


def test_the_address_is_shown_nowhere(acme: Any) -> None:
    address = "https://hooks.slack.com/services/T000/B000/verysecret9876"
    added = slack(address)
    services.publish(notices=[notice()], now=NOW)
    owner = signed_in("acme", person(Role.OWNER))
    here = "/settings/notifications/"
    for page in (here, f"{here}{added.id}/", f"{here}deliveries/", "/api/v1/channels"):
        shown = owner.get(page).content.decode()
        assert "ai-spend" in shown
        assert "verysecret" not in shown
    assert "https://hooks.slack.com/…9876" in owner.get(here).content.decode()
    assert "verysecret" not in Delivery.objects.get().recipient
    [entry] = audit.history(subject="channel", subject_id=str(added.id))
    assert entry.detail["address"] == "https://hooks.slack.com/…9876"
    assert Channel.objects.get().address == address


def test_long_words_are_cut_where_slack_would_refuse_them() -> None:
    message = slack_message(
        subject="s" * 400,
        text="<" * 4000,
        severity=Severity.CRITICAL,
        source="Acme & Sons",
        buttons=[(f"b{number}", "https://x") for number in range(40)],
    )
    head, section, actions, context = message["blocks"]  # type: ignore[misc]
    assert len(head["text"]["text"]) == 150
    assert len(section["text"]["text"]) <= 3000
    assert len(actions["elements"]) == 25
    assert context["elements"][0]["text"] == "Acme &amp; Sons"
