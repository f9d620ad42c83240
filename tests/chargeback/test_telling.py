"""Owners are told of statements once, in time, with a link that opens one PDF."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.core import mail
from django.db import transaction
from django_tenants.utils import schema_context

from apps.accounts import selectors as accounts
from apps.allocation.domain.facts import RunFacts
from apps.chargeback import selectors, tasks
from apps.chargeback import services as chargeback
from apps.chargeback.domain.acceptance import Decision, DisputeDraft, Lapse, Outcome, Policy
from apps.chargeback.domain.facts import Terms
from apps.chargeback.domain.letters import LETTERS, Letter, written
from apps.core.domain.access import Actor, Role
from apps.core.tokens import LinkInvalid, open_link, sign_link
from apps.notifications import selectors as outbox
from apps.notifications import services as notifications
from apps.notifications.domain.channels import ChannelDraft, Kind
from apps.notifications.domain.topics import Topic
from apps.notifications.models import Delivery
from tests.accounts.people import browser, person
from tests.chargeback.conftest import NOW, OCTOBER, SYSTEM, usual_lines

pytestmark = pytest.mark.usefixtures("store")
AT = NOW + timedelta(days=1)


@pytest.fixture
def issue(allocate: Callable[..., RunFacts], people: dict[str, Actor]) -> Callable[[], Any]:
    run = allocate(usual_lines())
    chargeback.draft_statements(month=OCTOBER, run=run.id, actor=people["maya"], now=NOW)
    return lambda: chargeback.issue_statements(
        month=OCTOBER, actor=people["maya"], approver=people["jonas"], now=NOW
    )


@pytest.fixture
def dana(people: dict[str, Actor]) -> Actor:
    person(Role.MEMBER, email="dana@acme.example")
    return accounts.actor_of_person("dana@acme.example")


def told() -> list[tuple[str, str]]:
    return [(one.to[0], one.subject) for one in mail.outbox]


def test_owners_and_the_named_are_told_once(issue: Callable[[], Any]) -> None:
    chargeback.name_responder(
        cost_center="CC-4100", email="lee@acme.example", is_named=True, actor=SYSTEM, now=NOW
    )
    issue()
    issue()
    assert notifications.deliver_due(now=NOW).sent == 3
    assert sorted(told()) == [
        (
            "dana@acme.example",
            "Statement STM-2026-10-0001: Search & Discovery, October 2026, USD 166.51",
        ),
        (
            "lee@acme.example",
            "Statement STM-2026-10-0001: Search & Discovery, October 2026, USD 166.51",
        ),
        (
            "ravi@acme.example",
            "Statement STM-2026-10-0002: Customer Assistant, October 2026, USD 68.33",
        ),
    ]


def test_a_month_that_is_not_issued_tells_nobody(issue: Callable[[], Any]) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        issue()
        raise RuntimeError
    assert Delivery.objects.count() == 0


def test_the_link_opens_one_pdf_here_for_thirty_days(issue: Callable[[], Any]) -> None:
    issued = issue()
    notifications.deliver_due(now=NOW)
    [body] = [one.body for one in mail.outbox if one.to == ["dana@acme.example"]]
    found = re.search(r"https?://[^/]+(/statements/shared/\S+)", body)
    assert found is not None
    anybody = browser("acme")
    answer = anybody.get(found[1])
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/pdf")
    assert answer["Cache-Control"] == "private, no-store"
    assert answer.content.startswith(b"%PDF-")
    altered = found[1][:-3] + ("A/" if found[1][-2] != "A" else "B/")
    assert anybody.get(altered).status_code == 404
    assert browser("globex").get(found[1]).status_code == 404
    other = sign_link(purpose="chargeback.export", value=f"{issued.documents[0]}|x")
    assert anybody.get(f"/statements/shared/{other}/").status_code == 404
    missing = sign_link(purpose=chargeback.LINK_PURPOSE, value=f"{uuid4()}|x")
    assert anybody.get(f"/statements/shared/{missing}/").status_code == 404
    with time_machine.travel(timedelta(days=31) + _now(), tick=False):
        assert anybody.get(found[1]).status_code == 404


def _now() -> Any:
    from django.utils import timezone

    return timezone.now()


def test_links_are_of_one_schema_and_purpose(acme: Any) -> None:
    token = sign_link(purpose="a", value="x")
    assert open_link(purpose="a", token=token, lifetime=timedelta(1)) == "x"
    for purpose, schema in (("b", "t_acme"), ("a", "t_globex")):
        with schema_context(schema), pytest.raises(LinkInvalid):
            open_link(purpose=purpose, token=token, lifetime=timedelta(1))
    with pytest.raises(LinkInvalid):
        open_link(purpose="a", token="x" * 5000, lifetime=timedelta(1))


def test_reminders_come_once_before_the_end_and_not_after_an_answer(
    issue: Callable[[], Any], dana: Actor
) -> None:
    issued = issue()
    due = selectors.acceptance(issued.documents[0], actor=SYSTEM, now=AT).due_at
    assert due is not None
    notifications.deliver_due(now=NOW)
    mail.outbox.clear()
    assert chargeback.remind(now=due - timedelta(days=3, seconds=1)) == 0
    chargeback.accept(id=issued.documents[0], comment="", actor=dana, now=AT)
    soon = due - timedelta(days=3)
    assert chargeback.remind(now=soon) == 1
    assert chargeback.remind(now=soon + timedelta(hours=1)) == 0
    notifications.deliver_due(now=soon)
    [(who, subject)] = told()
    assert who == "ravi@acme.example"
    assert subject.startswith("Reminder: statement STM-2026-10-0002 waits for you until")
    chargeback.set_policy(policy=Policy(Lapse.STAY_OPEN, 3), actor=SYSTEM, now=NOW)
    assert chargeback.remind(now=due) == 1
    assert chargeback.remind(now=due + timedelta(days=9)) == 0


def test_finance_is_told_of_a_dispute_and_the_owner_of_its_end(
    people: dict[str, Actor], allocate: Callable[..., RunFacts], dana: Actor
) -> None:
    terms = Terms(
        dispute_contact="finops@acme.example",
        dispute_days=10,
        recovery_account="4711",
        recovery_name="Platform",
    )
    chargeback.set_terms(terms=terms, actor=SYSTEM, now=NOW)
    run = allocate(usual_lines())
    chargeback.draft_statements(month=OCTOBER, run=run.id, actor=people["maya"], now=NOW)
    issued = chargeback.issue_statements(
        month=OCTOBER, actor=people["maya"], approver=people["jonas"], now=NOW
    )
    box = ChannelDraft(
        kind=Kind.EMAIL,
        name="AP",
        address="ap@acme.example",
        topics=frozenset({Topic.STATEMENT_DISPUTED, Topic.DISPUTE_RESOLVED}),
    )
    notifications.add_channel(draft=box, actor=SYSTEM, now=NOW)
    notifications.deliver_due(now=NOW)
    mail.outbox.clear()
    own = issued.documents[0]
    draft = DisputeDraft(comment="Not {link} ours.")
    said = chargeback.dispute(id=own, draft=draft, actor=dana, now=AT)
    notifications.deliver_due(now=AT)
    assert told() == [
        ("ap@acme.example", "Statement STM-2026-10-0001 is disputed"),
        ("finops@acme.example", "Statement STM-2026-10-0001 is disputed"),
    ]
    assert "Not (link) ours." in mail.outbox[0].body
    mail.outbox.clear()
    chargeback.resolve(
        id=own,
        dispute=said.id,
        decision=Decision(outcome=Outcome.REJECTED, reason="It is."),
        actor=people["maya"],
        now=AT,
    )
    notifications.deliver_due(now=AT)
    assert told() == [
        ("ap@acme.example", "Your dispute of statement STM-2026-10-0001: rejected"),
        ("dana@acme.example", "Your dispute of statement STM-2026-10-0001: rejected"),
    ]
    assert outbox.deliveries(message=f"statement.issued/{own}")[0].state == "sent"


def test_the_follow_up_task_twice_gives_once(issue: Callable[[], Any]) -> None:
    issued = issue()
    due = selectors.acceptance(issued.documents[0], actor=SYSTEM, now=AT).due_at
    assert due is not None
    with time_machine.travel(due, tick=False):
        for _ in range(2):
            tasks.follow_up(schema="t_acme")
    assert Delivery.objects.filter(message__startswith="statement.reminder/").count() == 2
    states = {
        one.state.value
        for one in selectors.acceptances(month=OCTOBER, state=None, actor=SYSTEM, now=due)
    }
    assert states == {"lapsed"}


@pytest.mark.parametrize("locale", ["en-US", "de-DE", "fr-FR", "ja-JP"])
def test_letters_are_whole_in_every_language(locale: str) -> None:
    letter = Letter(
        number="STM-1",
        name="A {x}",
        month="M",
        total="T",
        due="D",
        page="P",
        comment="C",
        outcome="rejected",
    )
    for kind in LETTERS:
        subject, text = written(kind, letter, locale=locale)
        assert "STM-1" in subject
        assert "{" not in subject + text.replace("{link}", "")
        assert "P" in text
