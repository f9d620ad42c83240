"""The schedule of closes: working days, reminders told once, one close a month, nothing twice."""

from __future__ import annotations

import json
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client

from apps.audit import selectors as audit
from apps.closing import selectors, services, tasks
from apps.closing.domain.policy import (
    Limits,
    Policy,
    PolicyRefused,
    Schedule,
    check_policy,
)
from apps.closing.models import ClosePolicy, CloseRun
from apps.closing.selectors import RunState, Step
from apps.core.domain.access import Actor, Role, Scope
from apps.core.domain.errors import Forbidden
from apps.core.domain.months import Month
from apps.notifications.models import PersonalNotice
from tests.accounts.people import bearer, person, service_key, signed_in
from tests.allocation.base import MONTH, Costs

BERLIN, UTC_ZONE = ZoneInfo("Europe/Berlin"), ZoneInfo("UTC")
NEW_YORK = ZoneInfo("America/New_York")
JANUARY = Month(2026, 1)
ON = Policy(Schedule(is_on=True))
SET_AT = datetime(2026, 1, 10, tzinfo=UTC)
People = dict[str, Actor]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def local(text: str) -> datetime:
    """Return a moment on the clock of acme, which is in New York."""
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).astimezone(UTC)


# Days


@pytest.mark.parametrize(
    ("month", "number", "day"),
    [
        (Month(2026, 1), 1, "2026-02-02"),  # the first is a Sunday
        (Month(2026, 1), 3, "2026-02-04"),
        (Month(2026, 1), 6, "2026-02-09"),
        (Month(2026, 4), 1, "2026-05-01"),
        (Month(2026, 4), 2, "2026-05-04"),
        (Month(2025, 12), 20, "2026-01-28"),
    ],
)
def test_working_days_are_counted_in_the_month_after(month: Month, number: int, day: str) -> None:
    schedule = Schedule(working_day=number, due_working_day=20)
    assert schedule.starts_at(month, UTC_ZONE) == at(f"{day}T09:00")


def test_the_hour_is_the_tenants_whatever_the_season() -> None:
    schedule = Schedule(working_day=1, at=time(9))
    assert schedule.starts_at(Month(2026, 1), BERLIN) == at("2026-02-02T08:00")
    assert schedule.starts_at(Month(2026, 6), BERLIN) == at("2026-07-01T07:00")


def test_reminders_count_working_days_backwards() -> None:
    schedule = Schedule(working_day=1, reminder_days=2)
    assert schedule.reminds_at(Month(2026, 1), UTC_ZONE) == at("2026-01-29T09:00")


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        (Policy(Schedule(working_day=0)), "working_day"),
        (Policy(Schedule(working_day=7)), "due_working_day"),
        (Policy(Schedule(due_working_day=21)), "due_working_day"),
        (Policy(Schedule(reminder_days=11)), "reminder_days"),
        (Policy(Schedule(at=time(9, 0, 30))), "at"),
        (Policy(limits=Limits(coverage_percent=Decimal(101))), "coverage_percent"),
        (Policy(limits=Limits(bill_percent=Decimal("0.001"))), "bill_percent"),
        (Policy(limits=Limits(blocking=frozenset({"books"}))), "blocking"),
    ],
)
def test_what_cannot_hold_is_refused_by_field(policy: Policy, field: str) -> None:
    with pytest.raises(PolicyRefused) as refused:
        check_policy(policy)
    assert [error.field for error in refused.value.errors] == [field]


# What a schedule does


@pytest.fixture
def scheduled(people: People, costs: Costs) -> Policy:
    """Closes begin on the third working day at nine, since the tenth of January."""
    return services.set_policy(wanted=ON, actor=people["anna"], now=SET_AT)


def told(topic: str = "close.reminder") -> list[str]:
    rows = PersonalNotice.objects.filter(message__startswith=f"{topic}/2026-01/")
    return sorted(set(rows.values_list("message", flat=True)))


def test_without_a_schedule_nothing_begins(people: People, costs: Costs) -> None:
    assert selectors.policy() == Policy()
    assert services.follow_schedule(now=local("2026-02-04T10:00")) == []
    assert not CloseRun.objects.exists()


def test_a_close_is_announced_begun_once_and_called_late(scheduled: Policy) -> None:
    assert services.follow_schedule(now=local("2026-01-30T08:59")) == []
    assert told() == []
    for moment in ("2026-02-02T09:00", "2026-02-03T15:00", "2026-02-04T08:59"):
        assert services.follow_schedule(now=local(moment)) == []
    assert told() == ["close.reminder/2026-01/before/2026-02-04T1400"]
    (begun,) = services.follow_schedule(now=local("2026-02-04T09:02"))
    run = selectors.close_run(begun)
    assert (run.month, run.state, run.started_by) == (JANUARY, RunState.RUNNING, "close schedule")
    assert services.follow_schedule(now=local("2026-02-04T09:05")) == []
    assert services.follow_schedule(now=local("2026-02-06T09:05")) == []
    assert CloseRun.objects.count() == 1
    for moment in ("2026-02-09T09:01", "2026-02-09T18:00", "2026-02-10T08:00", "2026-02-14T10:00"):
        services.follow_schedule(now=local(moment))
    assert [key for key in told() if "/late/" in key] == ["close.reminder/2026-01/late/2026-02-09"]
    services.follow_schedule(now=local("2026-02-10T09:00"))
    assert len([key for key in told() if "/late/" in key]) == 2


def test_who_set_the_schedule_does_not_approve_alone(people: People, costs: Costs) -> None:
    services.set_policy(wanted=ON, actor=people["olga"], now=SET_AT)
    now = local("2026-02-04T09:02")
    (begun,) = services.follow_schedule(now=now)
    for preparer in (None, people["anna"]):
        if preparer is not None:
            services.prepare_again(run=begun, actor=preparer, now=now)
        while services.advance(run=begun, now=now).next is services.Next.AGAIN:
            pass
        if preparer is None:
            with pytest.raises(services.SamePerson, match="prepare it again before you do"):
                services.approve(run=begun, approver=people["olga"], comment="", now=now)
    approved = services.approve(run=begun, approver=people["olga"], comment="", now=now)
    assert (approved.started_by, approved.prepared_by) == (
        "close schedule",
        people["anna"].label,
    )


def test_a_person_approves_what_the_schedule_prepared(scheduled: Policy, people: People) -> None:
    now = local("2026-02-04T09:02")
    (begun,) = services.follow_schedule(now=now)
    while services.advance(run=begun, now=now).next is services.Next.AGAIN:
        pass
    assert selectors.close_run(begun).state is RunState.WAITING
    assert told("close.review")
    services.approve(run=begun, approver=people["bob"], comment="", now=now)
    while services.advance(run=begun, now=now).next is services.Next.AGAIN:
        pass
    assert selectors.close_run(begun).step(Step.LOCK).state == "done"
    assert told("period.closed")
    services.follow_schedule(now=local("2026-02-10T09:00"))
    assert not [key for key in told() if "/late/" in key]


def test_a_cancelled_close_is_not_begun_again(scheduled: Policy, people: People) -> None:
    now = local("2026-02-04T09:02")
    (begun,) = services.follow_schedule(now=now)
    services.cancel(run=begun, actor=people["anna"], reason="bill is late", now=now)
    assert services.follow_schedule(now=now + timedelta(hours=1)) == []
    assert CloseRun.objects.count() == 1


def test_a_new_schedule_begins_nothing_that_lies_before_it(people: People, costs: Costs) -> None:
    late = local("2026-02-04T09:01")
    services.set_policy(wanted=ON, actor=people["anna"], now=late)
    assert services.follow_schedule(now=late + timedelta(days=1)) == []
    assert not CloseRun.objects.exists()
    assert told() == []


def test_other_limits_or_reminders_keep_the_schedule_going(
    scheduled: Policy, people: People
) -> None:
    now = local("2026-02-04T09:01")
    changed = Policy(
        Schedule(is_on=True, reminder_days=3), Limits(coverage_percent=Decimal("90.5"))
    )
    kept = services.set_policy(wanted=changed, actor=people["anna"], now=now)
    assert kept.scheduled_since == SET_AT
    assert len(services.follow_schedule(now=now)) == 1


def test_saying_the_same_changes_nothing(scheduled: Policy, people: People) -> None:
    trail = audit.head()
    assert services.set_policy(wanted=ON, actor=people["anna"], now=SET_AT) == scheduled
    assert (ClosePolicy.objects.count(), audit.head()) == (1, trail)


def test_who_may_not_close_sets_nothing(people: People) -> None:
    with pytest.raises(Forbidden):
        services.set_policy(wanted=ON, actor=people["lee"], now=SET_AT)
    assert not ClosePolicy.objects.exists()


def test_the_task_of_a_tenant_starts_what_is_due(
    scheduled: Policy, acme: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    monkeypatch.setattr(tasks.advance, "delay", lambda **order: sent.append(order["run"]))
    monkeypatch.setattr("django.utils.timezone.now", lambda: local("2026-02-04T09:02"))
    tasks.follow_schedule(schema=acme.schema)
    tasks.follow_schedule(schema=acme.schema)
    assert sent == [str(CloseRun.objects.get().public_id)]


# What a tenant lets block


def prepared(people: People) -> Any:
    now = local("2026-02-04T09:02")
    run = services.start_close(month=MONTH, actor=people["anna"], now=now)
    while services.advance(run=run.id, now=now).next is services.Next.AGAIN:
        pass
    return selectors.close_run(run.id)


def test_limits_decide_what_asks_for_attention_and_what_blocks(
    people: People, costs: Costs
) -> None:
    """7.001 of 407.014 has no owner: 98.3 % has."""
    strict = Policy(limits=Limits(coverage_percent=Decimal(99), blocking=frozenset({"coverage"})))
    services.set_policy(wanted=strict, actor=people["anna"], now=SET_AT)
    failed = prepared(people)
    assert failed.state is RunState.FAILED
    assert failed.step(Step.ATTRIBUTE).message == "98.3 % of the cost has an owner."
    assert "99 %" in failed.step(Step.ATTRIBUTE).remedy
    lax = Policy(limits=Limits(coverage_percent=Decimal(98), blocking=frozenset({"coverage"})))
    services.set_policy(wanted=lax, actor=people["anna"], now=SET_AT)
    assert prepared(people).state is RunState.WAITING


# Doors


def test_the_api_reads_and_sets(people: People) -> None:
    client = Client(headers={"host": "acme.localhost"})
    head = bearer(service_key(Scope.CLOSE_RUN, Scope.BILLING_READ))
    url = "/api/v1/close-policy"
    assert client.get(url, headers=head).json()["is_on"] is False
    sent = {"is_on": True, "at": "07:30", "bill_percent": "2.5", "blocking": ["imports"]}
    done = client.put(url, json.dumps(sent), content_type="application/json", headers=head)
    assert done.status_code == 200, done.content
    assert client.get(url, headers=head).json() == done.json()
    assert done.json() | {"scheduled_since": ""} == {
        "is_on": True,
        "working_day": 3,
        "at": "07:30",
        "reminder_days": 2,
        "due_working_day": 6,
        "unpriced_percent": "1",
        "coverage_percent": "95",
        "bill_percent": "2.5",
        "change_percent": "20",
        "blocking": ["imports"],
        "scheduled_since": "",
    }
    wrong = {"working_day": 9, "due_working_day": 8}
    refused = client.put(url, json.dumps(wrong), content_type="application/json", headers=head)
    assert (refused.status_code, refused.json()["code"]) == (422, "close_policy_refused")
    assert refused.json()["errors"][0]["field"] == "due_working_day"
    reader = bearer(service_key(Scope.BILLING_READ))
    assert client.put(url, "{}", content_type="application/json", headers=reader).status_code == 403


def test_the_page_sets_and_the_month_shows_it(people: People) -> None:
    client = signed_in("acme", person(Role.FINANCE, email="fay@acme.example"))
    page = client.get("/month/schedule/").content.decode()
    assert "Too little of the cost has an owner" in page
    sent = {
        "is_on": "on",
        "working_day": "4",
        "at": "08:15",
        "reminder_days": "1",
        "due_working_day": "5",
        "unpriced_percent": "1",
        "coverage_percent": "97.5",
        "bill_percent": "5",
        "change_percent": "20",
        "blocking": ["disputes", "coverage"],
    }
    assert client.post("/month/schedule/", sent).status_code == 302
    kept = selectors.policy()
    assert (kept.schedule.working_day, kept.schedule.at) == (4, time(8, 15))
    assert kept.limits.blocking == {"disputes", "coverage"}
    assert "Begins by itself" in client.get(f"/month/{MONTH}/").content.decode()
    again = client.post("/month/schedule/", sent | {"due_working_day": "3"})
    assert "on or after the day it starts" in again.content.decode()
    reader = signed_in("acme", person(Role.ANALYST, email="ann@acme.example"))
    assert reader.get("/month/schedule/").status_code == 403


def test_a_policy_never_changes(scheduled: Policy) -> None:
    for verb in ("DELETE FROM {table}", "UPDATE {table} SET working_day = 4"):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(verb.format(table="closing_closepolicy"))
