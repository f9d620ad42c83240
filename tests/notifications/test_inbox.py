"""Inboxes, preferences and the daily digest: everybody told once, as each prefers."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core import mail
from django.db import IntegrityError, transaction

from apps.accounts import selectors as accounts
from apps.accounts.models import User
from apps.audit import selectors as audit
from apps.core.domain.access import Actor, Role, Scope, system_actor
from apps.notifications import selectors, services, tasks
from apps.notifications.domain.digest import MOST, Item, due_at, written
from apps.notifications.domain.preferences import DEFAULTS, PreferenceInvalid, Preferences
from apps.notifications.domain.topics import GROUPS, WORDS, Cadence, Medium, Severity, Topic
from apps.notifications.models import Delivery, PersonalNotice, Preference
from apps.notifications.selectors import NoInbox, NoticeMissing
from apps.notifications.services import Notice, Offer
from tests.accounts.people import bearer, person, service_key, signed_in

NOW = datetime(2026, 1, 20, 9, tzinfo=UTC)


def notice(**given: Any) -> Notice:
    facts: dict[str, Any] = {
        "topic": Topic.BUDGET_ALERT,
        "key": "budget.alert/1/80",
        "subject": "Search has used 80% of its budget",
        "text": "USD 80.00 of USD 100.00.\nSign in: {link}",
        "data": {"budget": "search"},
        "link": "/budgets/1/",
    }
    return Notice(**facts | given)


def actor_of(user: User) -> Actor:
    return accounts.actor_of_user(user)


def choose(user: User, topic: Topic, **cadences: Cadence) -> None:
    chosen = {(topic, Medium(medium)): cadence for medium, cadence in cadences.items()}
    services.set_preferences(chosen=chosen, actor=actor_of(user), now=NOW)


def mailed() -> list[str]:
    services.deliver_due(now=NOW + timedelta(days=3))
    told = sorted(one.to[0] for one in mail.outbox)
    mail.outbox.clear()
    return told


def test_every_topic_has_words_a_group_and_defaults() -> None:
    grouped = [topic for _, topics in GROUPS for topic in topics]
    assert sorted(grouped) == sorted(Topic) == sorted(WORDS)
    assert len(DEFAULTS) == len(Topic) * len(Medium)
    assert {DEFAULTS[topic, Medium.INBOX] for topic in Topic} == {Cadence.AT_ONCE}


def test_people_are_told_by_id_role_and_address_each_once(acme: Any) -> None:
    named, finance, owner = person(Role.MEMBER), person(Role.FINANCE), person(Role.OWNER)
    left = person(Role.FINANCE, email="left@people.example")
    left.is_active, left.deactivated_at = False, NOW
    left.save()
    wanted = notice(
        people=(named.pk, finance.pk),
        roles=frozenset({Role.FINANCE}),
        recipients=("Owner@People.example", "stranger@x.example"),
    )
    assert services.publish(notices=[wanted], now=NOW) == 4
    assert services.publish(notices=[wanted], now=NOW) == 0
    assert mailed() == [
        "finance@people.example",
        "member@people.example",
        "owner@people.example",
        "stranger@x.example",
    ]
    for user in (named, finance, owner):
        [entry], more = selectors.inbox(is_unread=True, limit=9, actor=actor_of(user))
        assert (entry.subject, entry.text, entry.link, more) == (
            "Search has used 80% of its budget",
            "USD 80.00 of USD 100.00.",
            "/budgets/1/",
            None,
        )
    assert PersonalNotice.objects.count() == 3
    assert selectors.unread(actor=actor_of(left)) == 0


def test_a_second_key_tells_a_second_time(acme: Any) -> None:
    user = person()
    services.publish(
        notices=[notice(people=(user.pk,)), notice(key="b", people=(user.pk,))], now=NOW
    )
    assert selectors.unread(actor=actor_of(user)) == 2
    assert mailed() == ["owner@people.example"] * 2


def test_off_at_once_and_digest_hold_for_each_medium(acme: Any) -> None:
    silent, mails, daily = (
        person(email=f"{name}@x.example") for name in ("silent", "mails", "daily")
    )
    choose(silent, Topic.BUDGET_ALERT, inbox=Cadence.OFF, email=Cadence.OFF)
    choose(mails, Topic.BUDGET_ALERT, inbox=Cadence.OFF, email=Cadence.AT_ONCE)
    choose(daily, Topic.BUDGET_ALERT, inbox=Cadence.OFF, email=Cadence.DIGEST)
    services.publish(notices=[notice(people=(silent.pk, mails.pk, daily.pk))], now=NOW)
    assert mailed() == ["mails@x.example"]
    for user in (silent, mails, daily):
        assert selectors.inbox(is_unread=False, limit=9, actor=actor_of(user)) == ([], None)
    assert services.send_digests(now=NOW + timedelta(days=1, hours=5)) == 1
    assert mailed() == ["daily@x.example"]


def test_what_is_critical_waits_for_no_digest(acme: Any) -> None:
    user = person()
    choose(user, Topic.BUDGET_ALERT, email=Cadence.DIGEST)
    services.publish(notices=[notice(people=(user.pk,), severity=Severity.CRITICAL)], now=NOW)
    assert mailed() == ["owner@people.example"]
    assert services.send_digests(now=NOW + timedelta(days=1, hours=5)) == 0


def test_a_changed_mind_does_not_tell_twice(acme: Any) -> None:
    user = person()
    choose(user, Topic.BUDGET_ALERT, email=Cadence.DIGEST)
    services.publish(notices=[notice(people=(user.pk,))], now=NOW)
    choose(user, Topic.BUDGET_ALERT, email=Cadence.AT_ONCE)
    assert services.publish(notices=[notice(people=(user.pk,))], now=NOW) == 0
    assert PersonalNotice.objects.count() == 1


def test_mails_carry_the_offers_signed_for_their_reader(acme: Any) -> None:
    user = person()
    offers = (Offer("Approve", lambda who: f"https://x/approve/{who}"),)
    wanted = notice(
        people=(user.pk,), offers=offers, link_of=lambda who: f"https://x/{who}", key="a"
    )
    services.publish(notices=[wanted], now=NOW)
    assert Delivery.objects.get().text == (
        "USD 80.00 of USD 100.00.\nSign in: https://x/owner@people.example\n\n"
        "Approve: https://x/approve/owner@people.example"
    )


@pytest.mark.parametrize(
    "link", ["https://evil.example/", "//evil.example/", "/\\evil", "budgets/"]
)
def test_a_notice_leads_nowhere_else(link: str) -> None:
    with pytest.raises(ValueError, match="path of this site"):
        notice(link=link)


def test_a_digest_is_due_at_eight_where_the_tenant_is() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    early = datetime(2026, 3, 29, 5, 59, tzinfo=UTC)  # 07:59, the night the clocks went forward
    assert due_at(early, zone=berlin) is None
    found = due_at(early + timedelta(minutes=1), zone=berlin)
    assert found is not None
    assert (found.day, found.until) == (date(2026, 3, 29), datetime(2026, 3, 29, 6, tzinfo=UTC))


def test_a_digest_names_what_happened_and_counts_the_rest() -> None:
    items = [Item(f"Notice {number}", "https://acme/x/") for number in range(MOST + 2)]
    subject, text = written(items, day="Jan 21", base="https://acme", locale="de-DE")
    assert subject == "52 Meldungen, Jan 21"
    assert "- Notice 49\n  https://acme/x/\n- und 2 weitere im Posteingang" in text
    assert text.endswith("https://acme/inbox/preferences/")
    assert written(items[:1], day="Jan 21", base="", locale="pl")[0] == "1 notice of Jan 21"


def test_the_digest_comes_once_a_day_and_what_is_later_comes_tomorrow(acme: Any) -> None:
    user, leaver = person(), person(email="leaver@x.example")
    for one in (user, leaver):
        choose(one, Topic.BUDGET_ALERT, email=Cadence.DIGEST)
    services.publish(notices=[notice(people=(user.pk, leaver.pk))], now=NOW)
    leaver.is_active, leaver.deactivated_at = False, NOW
    leaver.save()
    tomorrow = datetime(2026, 1, 21, 8, 3, tzinfo=acme.timezone)
    assert services.send_digests(now=tomorrow) == 1
    late = notice(key="late", people=(user.pk,))
    services.publish(notices=[late], now=tomorrow - timedelta(minutes=4))  # committed meanwhile
    assert services.send_digests(now=tomorrow + timedelta(hours=1)) == 0
    assert services.send_digests(now=tomorrow + timedelta(days=1)) == 1
    assert services.send_digests(now=tomorrow + timedelta(days=1)) == 0
    assert mailed() == ["owner@people.example"] * 2
    states = PersonalNotice.objects.order_by("id").values_list("person_id", "digest", "digest_on")
    assert list(states) == [
        (user.pk, "sent", date(2026, 1, 21)),
        (leaver.pk, "dropped", None),
        (user.pk, "sent", date(2026, 1, 22)),
    ]


def test_the_task_sends_the_digest_twice_gives_once(acme: Any) -> None:
    user = person()
    choose(user, Topic.BUDGET_ALERT, email=Cadence.DIGEST)
    services.publish(notices=[notice(people=(user.pk,))], now=NOW)
    tasks.digest(schema="t_acme")
    tasks.digest(schema="t_acme")
    assert Delivery.objects.filter(message__startswith="digest/").count() == 1


def test_reading_is_one_s_own(acme: Any) -> None:
    mine, yours = person(email="a@x.example"), person(email="b@x.example")
    services.publish(notices=[notice(people=(mine.pk, yours.pk))], now=NOW)
    [entry], _ = selectors.inbox(is_unread=False, limit=9, actor=actor_of(mine))
    assert services.mark_read(ids=[entry.id], actor=actor_of(yours), now=NOW) == 0
    with pytest.raises(NoticeMissing):
        selectors.inbox_entry(id=entry.id, actor=actor_of(yours))
    assert services.mark_read(ids=[entry.id], actor=actor_of(mine), now=NOW) == 1
    assert services.mark_read(ids=[entry.id], actor=actor_of(mine), now=NOW) == 0
    assert services.mark_all_read(actor=actor_of(yours), now=NOW) == 1
    for ask in (
        selectors.preferences,
        lambda actor: selectors.inbox_entry(id=entry.id, actor=actor),
    ):
        with pytest.raises(NoInbox):
            ask(actor=system_actor("tests"))


def test_preferences_are_kept_audited_and_checked(acme: Any) -> None:
    user = person()
    choose(user, Topic.BUDGET_ALERT, email=Cadence.DIGEST)
    choose(user, Topic.BUDGET_ALERT, email=Cadence.OFF)
    assert selectors.preferences(actor=actor_of(user)) == Preferences(
        {(Topic.BUDGET_ALERT, Medium.EMAIL): Cadence.OFF}
    )
    with pytest.raises(PreferenceInvalid) as refused:
        choose(user, Topic.BUDGET_ALERT, inbox=Cadence.DIGEST)
    assert refused.value.errors[0].field == "budget.alert.inbox"
    assert Preference.objects.count() == 1
    told = audit.history(subject="person", subject_id=str(user.pk))
    assert [one.action for one in told] == ["preferences.changed"] * 2


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"link": "//evil.example/"}, "link_is_inside"),
        ({"topic": "gossip"}, "topic_known"),
        ({"digest": "sent"}, "digest_has_a_day"),
        ({"in_inbox": False}, "is_somewhere"),
        ({"severity": "fatal"}, "severity_known"),
    ],
)
def test_the_database_holds_notices_to_their_shape(
    acme: Any, change: dict[str, Any], name: str
) -> None:
    user = person()
    services.publish(notices=[notice(people=(user.pk,))], now=NOW)
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        PersonalNotice.objects.update(**change)


def test_publishing_asks_the_same_number_of_queries_for_many_as_for_few(
    acme: Any, django_assert_num_queries: Any
) -> None:
    people = [person(email=f"p{number}@x.example") for number in range(12)]
    few = [notice(key=f"few-{n}", people=(people[0].pk,)) for n in range(2)]
    many = [notice(key=f"many-{n}", people=tuple(one.pk for one in people)) for n in range(9)]
    services.publish(notices=[notice(key="warm")], now=NOW)  # the tenant's address is kept
    with django_assert_num_queries(9):
        services.publish(notices=few, now=NOW)
    with django_assert_num_queries(9):
        assert services.publish(notices=many, now=NOW) == 108


def test_the_pages_show_count_list_notice_and_choices(acme: Any) -> None:
    user = person(Role.MEMBER, teams=("search",))
    services.publish(
        notices=[notice(people=(user.pk,)), notice(key="b", people=(user.pk,))], now=NOW
    )
    browser = signed_in("acme", user)
    page = browser.get("/inbox/").content.decode()
    assert 'aria-label="Inbox, 2 unread"' in page
    assert page.count("Search has used 80% of its budget") == 2
    entries, _ = selectors.inbox(is_unread=True, limit=9, actor=actor_of(user))
    shown = browser.get(f"/inbox/{entries[0].id}/").content.decode()
    assert 'href="/budgets/1/"' in shown
    assert selectors.unread(actor=actor_of(user)) == 1
    browser.post("/inbox/read/", {"selected": ["x", str(entries[1].id)]})
    assert selectors.unread(actor=actor_of(user)) == 0
    assert "Nothing matches" in browser.get("/inbox/?state=unread").content.decode()
    assert 'aria-label="Inbox"' in browser.get("/inbox/preferences/").content.decode()
    every = {f"{topic.value}.{medium.value}": "off" for topic in Topic for medium in Medium}
    assert browser.post("/inbox/preferences/", every).status_code == 302
    held = selectors.preferences(actor=actor_of(user))
    assert {held.of(topic, medium) for topic in Topic for medium in Medium} == {Cadence.OFF}
    wrong = browser.post("/inbox/preferences/", every | {"budget.alert.inbox": "digest"})
    assert "Select a valid choice" in wrong.content.decode()
    other = signed_in("acme", person(Role.FINANCE))
    assert other.get(f"/inbox/{entries[0].id}/").status_code == 404


def test_the_api_reads_one_s_own_inbox(acme: Any) -> None:
    user = person(Role.MEMBER, teams=("search",))
    services.publish(
        notices=[notice(people=(user.pk,)), notice(key="b", people=(user.pk,))], now=NOW
    )
    browser = signed_in("acme", user)
    first = browser.get("/api/v1/inbox?page_size=1").json()
    assert [one["topic"] for one in first["results"]] == ["budget.alert"]
    second = browser.get(f"/api/v1/inbox?page_size=1&cursor={first['next']}").json()
    assert second["next"] is None
    ids = {"ids": [first["results"][0]["id"]]}
    for body, read in ((ids, 1), (ids, 0), ({}, 1)):
        answer = browser.post("/api/v1/inbox/read", json.dumps(body), "application/json")
        assert answer.json() == {"read": read}
    chosen = {"preferences": {"budget.alert": {"email": "digest"}}}
    put = browser.put("/api/v1/notification-preferences", json.dumps(chosen), "application/json")
    assert put.json()["preferences"]["budget.alert"] == {"inbox": "at_once", "email": "digest"}
    chosen = {"preferences": {"gossip": {"email": "off"}}}
    put = browser.put("/api/v1/notification-preferences", json.dumps(chosen), "application/json")
    assert put.json()["errors"][0]["field"] == "preferences.gossip.email"
    robot = bearer(service_key(Scope.USAGE_READ))
    answer = browser.__class__(headers={"host": "acme.localhost", **robot}).get("/api/v1/inbox")
    assert (answer.status_code, answer.json()["code"]) == (403, "no_inbox")
