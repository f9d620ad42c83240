"""The close step by step: what each step leaves behind, who may do what, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction

from apps.allocation import selectors as allocation
from apps.allocation import services as allocations
from apps.allocation.domain.transfers import AdjustmentDraft
from apps.allocation.selectors import Axis
from apps.audit import selectors as audit
from apps.chargeback.selectors import set_of
from apps.closing import selectors, services
from apps.closing.models import Approval, CloseRun
from apps.closing.selectors import CloseRunFacts, RunState, Step, StepState
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Forbidden
from apps.documents import selectors as documents
from apps.periods import selectors as periods
from apps.periods.domain.calendar import State
from apps.periods.services import EarlierMonthOpen
from tests.accounts.people import issued_by
from tests.allocation.base import MONTH, NOW, Costs, line
from tests.ingest.factories import event, send

People = dict[str, Actor]


def advance_all(run: UUID) -> CloseRunFacts:
    """Do what the tasks do, until the close waits or is over."""
    while True:
        result = services.advance(run=run, now=NOW)
        for document in result.documents:
            services.render_document(run=run, document=document, now=NOW)
        if result.next is not services.Next.AGAIN:
            return selectors.close_run(run)


def start(people: People, who: str = "anna") -> CloseRunFacts:
    return services.start_close(month=MONTH, actor=people[who], now=NOW)


def prepared(people: People) -> CloseRunFacts:
    return advance_all(start(people).id)


def closed(people: People) -> CloseRunFacts:
    run = prepared(people)
    services.approve(run=run.id, approver=people["bob"], comment="Agreed.", now=NOW)
    return advance_all(run.id)


def state_of(run: CloseRunFacts, step: Step) -> StepState:
    return run.step(step).state


def test_a_month_is_prepared_approved_and_locked(costs: Costs, people: People) -> None:
    run = prepared(people)
    assert run.state is RunState.WAITING
    assert [step.state for step in run.steps[:5]] == [StepState.DONE] * 5
    assert state_of(run, Step.REVIEW) is StepState.WAITING
    assert periods.period(MONTH).state is State.SOFT_CLOSED
    published = allocation.published(MONTH)
    assert run.allocation_run == published.id
    assert run.step(Step.ALLOCATE).output_hash == published.output_hash

    services.approve(run=run.id, approver=people["bob"], comment="Agreed.", now=NOW)
    done = advance_all(run.id)
    assert done.state is RunState.FINISHED
    assert {step.state for step in done.steps} == {StepState.DONE}
    assert (done.started_by, done.approved_by) == ("anna@example.com", "bob@example.com")
    period = periods.period(MONTH)
    assert (period.state, period.closed_by, period.approved_by) == (
        State.CLOSED,
        "anna@example.com",
        "bob@example.com",
    )
    statements = set_of(published.id)
    assert statements is not None
    assert statements.count == len(statements.numbers) == 3
    assert statements.total == Decimal("407.01")


def test_the_trail_names_everybody(costs: Costs, people: People) -> None:
    closed(people)
    trail = [
        (entry.action, entry.actor)
        for entry in audit.history(subject="period", subject_id=str(MONTH))
    ]
    anna, bob = "anna@example.com", "bob@example.com"
    assert trail == [
        ("close.started", anna),
        ("period.frozen", anna),
        ("period.reconciled", anna),
        ("allocation.published", anna),
        ("statements.drafted", anna),
        ("close.approved", bob),
        ("statements.issued", anna),
        ("period.closed", anna),
    ]
    assert audit.faults() == []


def test_starting_twice_gives_one_close(costs: Costs, people: People) -> None:
    assert start(people).id == start(people).id == start(people, "olga").id
    assert CloseRun.objects.count() == 1


def test_advancing_a_waiting_close_does_nothing(costs: Costs, people: People) -> None:
    run = prepared(people)
    again = services.advance(run=run.id, now=NOW)
    assert again.next is services.Next.STOP
    assert again.run == run


def test_a_closed_month_cannot_be_closed_again(costs: Costs, people: People) -> None:
    closed(people)
    with pytest.raises(services.AlreadyClosed):
        start(people)
    assert CloseRun.objects.count() == 1


def test_a_future_month_cannot_be_closed(costs: Costs, people: People) -> None:
    with pytest.raises(services.MonthNotBegun):
        services.start_close(month=MONTH + 2, actor=people["anna"], now=NOW)
    assert not CloseRun.objects.exists()


@pytest.mark.parametrize("who", ["bob", "lee"])
def test_who_may_not_close_cannot_start(costs: Costs, people: People, who: str) -> None:
    with pytest.raises(Forbidden):
        start(people, who)
    assert not CloseRun.objects.exists()


def test_the_preparer_cannot_approve(costs: Costs, people: People) -> None:
    run = advance_all(start(people, "olga").id)
    trail = audit.head()
    with pytest.raises(services.SamePerson):
        services.approve(run=run.id, approver=people["olga"], comment="", now=NOW)
    shell = Actor("shell", "shell:root", frozenset())
    with pytest.raises(services.SamePerson):
        services.approve(run=run.id, approver=people["olga"], comment="", now=NOW, through=shell)
    assert selectors.close_run(run.id) == run
    assert audit.head() == trail


def test_only_the_result_that_was_looked_at_is_approved(costs: Costs, people: People) -> None:
    looked_at = prepared(people)
    costs.lines.append(line("d", "5", team="ads"))
    services.prepare_again(run=looked_at.id, actor=people["anna"], now=NOW)
    waiting = advance_all(looked_at.id)
    assert waiting.result_hash != looked_at.result_hash
    with pytest.raises(services.PreviewStale, match="prepared the close again"):
        services.approve(
            run=waiting.id,
            approver=people["bob"],
            comment="",
            now=NOW,
            seen=looked_at.result_hash,
        )
    services.approve(
        run=waiting.id, approver=people["bob"], comment="", now=NOW, seen=waiting.result_hash
    )
    assert advance_all(waiting.id).state is RunState.FINISHED


@pytest.mark.parametrize("who", ["anna", "lee"])
def test_who_may_not_decide_cannot_approve(costs: Costs, people: People, who: str) -> None:
    run = prepared(people)
    with pytest.raises(Forbidden):
        services.approve(run=run.id, approver=people[who], comment="", now=NOW)
    assert selectors.close_run(run.id) == run


def test_a_service_key_never_approves(costs: Costs, people: People) -> None:
    run = prepared(people)
    key = Actor("key", "key:gateway", frozenset({Scope.APPROVALS_DECIDE}))
    with pytest.raises(Forbidden) as caught:
        services.approve(run=run.id, approver=key, comment="", now=NOW)
    assert caught.value.code == "approver_no_person"
    assert selectors.close_run(run.id) == run


@pytest.mark.parametrize("is_again", [False, True])
def test_whoever_issued_the_key_that_prepared_a_close_does_not_approve_it(
    costs: Costs, people: People, is_again: bool
) -> None:
    key = issued_by(people["olga"], Scope.CLOSE_RUN)
    if is_again:
        run = services.prepare_again(run=prepared(people).id, actor=key, now=NOW)
    else:
        run = services.start_close(month=MONTH, actor=key, now=NOW)
    run = advance_all(run.id)
    with pytest.raises(services.SamePerson):
        services.approve(run=run.id, approver=people["olga"], comment="", now=NOW)
    services.approve(run=run.id, approver=people["bob"], comment="Agreed.", now=NOW)
    assert advance_all(run.id).state is RunState.FINISHED


def test_a_running_close_cannot_be_approved(costs: Costs, people: People) -> None:
    run = start(people)
    with pytest.raises(services.CloseState):
        services.approve(run=run.id, approver=people["bob"], comment="", now=NOW)
    assert not Approval.objects.exists()


def test_a_stale_preview_is_not_approved_but_prepared_again(costs: Costs, people: People) -> None:
    run = prepared(people)
    costs.lines[0] = costs.lines[0]._replace(effective=Decimal(999), billed=Decimal(999))
    with pytest.raises(services.PreviewStale):
        services.approve(run=run.id, approver=people["bob"], comment="", now=NOW)
    assert selectors.close_run(run.id) == run
    services.prepare_again(run=run.id, actor=people["anna"], now=NOW)
    again = advance_all(run.id)
    assert again.state is RunState.WAITING
    assert again.result_hash != run.result_hash
    services.approve(run=run.id, approver=people["bob"], comment="", now=NOW)
    assert advance_all(run.id).state is RunState.FINISHED
    assert allocation.published(MONTH).sources.effective == Decimal("1106.010000000000")


def test_who_prepares_it_again_does_not_approve_it(costs: Costs, people: People) -> None:
    """Another's name on the start is no second pair of eyes on what was made anew since."""
    run = prepared(people)
    owner = people["olga"]
    services.prepare_again(run=run.id, actor=owner, now=NOW)
    again = advance_all(run.id)
    assert (again.started_by, again.prepared_by) == ("anna@example.com", owner.label)
    with pytest.raises(services.SamePerson, match=owner.label):
        services.approve(run=run.id, approver=owner, comment="", now=NOW)
    row = CloseRun.objects.get(public_id=run.id)
    with pytest.raises(IntegrityError, match="another preparer"), transaction.atomic():
        Approval.objects.create(
            run=row,
            preparer=row.started_by,
            preparer_user=row.started_by_user,
            approver=owner.label,
            approver_user=owner.user_id,
            via="user",
            result_hash=row.result_hash,
            created_at=NOW,
        )
    services.approve(run=run.id, approver=people["bob"], comment="", now=NOW)
    assert advance_all(run.id).state is RunState.FINISHED
    assert periods.period(MONTH).closed_by == owner.label


def test_missing_owners_block_and_say_what_to_do(
    costs: Costs, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apps.directory import services as directory
    from apps.directory.domain.entries import TeamFacts

    directory.ensure_entries(
        actor=people["olga"], now=NOW, teams=[TeamFacts(code="lost", name="Lost")]
    )
    costs.lines.append(line("d", "5", team="lost"))
    run = prepared(people)
    assert run.state is RunState.FAILED
    failed = run.step(Step.ATTRIBUTE)
    assert failed.state is StepState.FAILED
    assert "lost" in failed.message
    assert "cost center" in failed.remedy
    verdicts = {check["code"]: check["verdict"] for check in run.checklist}
    assert verdicts["mapping"] == "blocked"
    costs.lines.pop()
    assert start(people).state is RunState.RUNNING
    fixed = advance_all(run.id)
    assert fixed.state is RunState.WAITING
    assert fixed.step(Step.ATTRIBUTE).attempts == 2
    assert {c["code"]: c["verdict"] for c in fixed.checklist}["mapping"] == "passed"


def test_an_unexpected_error_fails_the_step_and_keeps_nothing(
    costs: Costs, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(people)
    for _ in range(3):
        services.advance(run=run.id, now=NOW)

    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("apps.allocation.services.run", broken)
    with pytest.raises(ZeroDivisionError):
        services.advance(run=run.id, now=NOW)
    failed = selectors.close_run(run.id)
    assert failed.state is RunState.FAILED
    assert state_of(failed, Step.ALLOCATE) is StepState.FAILED
    assert allocation.published_or_none(MONTH) is None
    monkeypatch.undo()
    assert not connection.needs_rollback


def test_cancelling_opens_the_month_again(costs: Costs, people: People) -> None:
    run = prepared(people)
    with pytest.raises(services.ReasonMissing):
        services.cancel(run=run.id, actor=people["anna"], reason=" ", now=NOW)
    cancelled = services.cancel(run=run.id, actor=people["anna"], reason="A bill is late.", now=NOW)
    assert cancelled.state is RunState.CANCELLED
    assert periods.period(MONTH).state is State.OPEN
    second = prepared(people)
    assert second.id != run.id
    services.approve(run=second.id, approver=people["bob"], comment="", now=NOW)
    assert advance_all(second.id).state is RunState.FINISHED


def test_a_locked_month_is_not_cancelled(costs: Costs, people: People) -> None:
    run = closed(people)
    with pytest.raises(services.CloseState):
        services.cancel(run=run.id, actor=people["anna"], reason="Too late.", now=NOW)
    assert periods.period(MONTH).state is State.CLOSED


def test_the_same_month_gives_the_same_result(costs: Costs, people: People) -> None:
    first = prepared(people)
    services.prepare_again(run=first.id, actor=people["anna"], now=NOW)
    second = advance_all(first.id)
    assert second.result_hash == first.result_hash
    assert second.allocation_run == first.allocation_run


def test_the_database_refuses_an_approval_by_the_preparer(costs: Costs, people: People) -> None:
    run = prepared(people)
    row = CloseRun.objects.get(public_id=run.id)
    words = {
        "run": row,
        "preparer": row.started_by,
        "preparer_user": row.started_by_user,
        "approver": "bob@example.com",
        "approver_user": people["bob"].user_id,
        "via": "user",
        "result_hash": row.result_hash,
        "created_at": NOW,
    }
    for change, hint in (
        ({"approver": row.started_by}, "by_another_person"),
        ({"approver_user": row.started_by_user}, "by_another_person"),
        ({"preparer": "somebody"}, "another preparer"),
        ({"result_hash": "0" * 64}, "another preparer or result"),
    ):
        with pytest.raises(IntegrityError, match=hint), transaction.atomic():
            Approval.objects.create(**(words | change))
    assert not Approval.objects.exists()


@pytest.mark.parametrize(
    ("statement", "hint"),
    [
        ("UPDATE closing_closerun SET state = 'finished', finished_at = now()", "approval"),
        ("UPDATE closing_closerun SET started_by = 'bob@example.com'", "never changes"),
    ],
)
def test_the_database_refuses_to_finish_without_approval(
    costs: Costs, people: People, statement: str, hint: str
) -> None:
    run = prepared(people)
    with (
        pytest.raises(IntegrityError, match=hint),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert selectors.close_run(run.id) == run


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE closing_closerun SET state = 'running', finished_at = NULL",
        "UPDATE closing_closestep SET message = 'forged'",
        "DELETE FROM closing_closestep",
        "DELETE FROM closing_closerun",
        "UPDATE closing_approval SET comment = 'forged'",
        "DELETE FROM closing_approval",
        "UPDATE documents_document SET total = 0",
        "UPDATE periods_period SET state = 'open', closed_at = NULL, frozen_at = NULL, "
        "closed_by = '', approved_by = '' WHERE state = 'closed'",
    ],
)
def test_a_finished_close_refuses_raw_sql(costs: Costs, people: People, statement: str) -> None:
    run = closed(people)
    with (
        pytest.raises(IntegrityError),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert selectors.close_run(run.id) == run
    assert periods.period(MONTH).state is State.CLOSED


def test_reopening_takes_two_people_and_a_reason(costs: Costs, people: People) -> None:
    closed(people)
    anna, bob, olga = people["anna"], people["bob"], people["olga"]
    with pytest.raises(services.ReopenMissing):
        services.reopen(month=MONTH, actor=bob, now=NOW)
    with pytest.raises(services.ReasonMissing):
        services.request_reopen(month=MONTH, reason="", actor=anna, now=NOW)
    services.request_reopen(month=MONTH, reason="The bill was wrong.", actor=olga, now=NOW)
    with pytest.raises(services.ReopenPending):
        services.request_reopen(month=MONTH, reason="Again.", actor=anna, now=NOW)
    with pytest.raises(services.SamePerson):
        services.reopen(month=MONTH, actor=olga, now=NOW)
    assert periods.period(MONTH).state is State.CLOSED
    services.reopen(month=MONTH, actor=bob, now=NOW)
    assert periods.period(MONTH).state is State.OPEN


@pytest.mark.parametrize("extra", ["10", "0"])
def test_closing_again_issues_replacements(costs: Costs, people: People, extra: str) -> None:
    """Changed or not: another close prints other people, so it has numbers of its own (rule 10)."""
    first = closed(people)
    assert first.allocation_run is not None
    before = set_of(first.allocation_run)
    services.request_reopen(month=MONTH, reason="A bill.", actor=people["anna"], now=NOW)
    services.reopen(month=MONTH, actor=people["bob"], now=NOW)
    if Decimal(extra):
        costs.lines.append(line("late", extra, team="ads"))
    second = closed(people)
    assert second.state is RunState.FINISHED
    assert second.allocation_run is not None
    after = set_of(second.allocation_run)
    assert before is not None
    assert after is not None
    assert set_of(first.allocation_run) == before
    assert not set(before.numbers) & set(after.numbers)
    assert after.total - before.total == Decimal(extra)
    again = documents.document(after.documents[0])
    assert again.supersedes in before.documents


def test_only_the_latest_closed_month_is_reopened(costs: Costs, people: People) -> None:
    with pytest.raises(services.NothingToReopen):
        services.request_reopen(month=MONTH, reason="Why.", actor=people["anna"], now=NOW)
    key = Actor("key", "key:x", frozenset({Scope.CLOSE_RUN}))
    with pytest.raises(Forbidden):
        services.request_reopen(month=MONTH, reason="Why.", actor=key, now=NOW)


def test_deadlocks_are_tried_again(
    costs: Costs, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import OperationalError

    from apps.closing.services import advancing

    class Deadlock(Exception):
        sqlstate = "40P01"

    calls = []

    def unlucky(work: Callable[..., Any]) -> Callable[..., Any]:
        def do(*given: Any) -> Any:
            calls.append(1)
            if len(calls) < 3:
                raise OperationalError("deadlock detected") from Deadlock()
            return work(*given)

        return do

    run = start(people)
    monkeypatch.setattr(
        advancing, "WORK", {**advancing.WORK, Step.FREEZE: unlucky(advancing.WORK[Step.FREEZE])}
    )
    services.advance(run=run.id, now=NOW)
    assert len(calls) == 3
    assert state_of(selectors.close_run(run.id), Step.FREEZE) is StepState.DONE


def test_an_adjustment_is_decided_before_the_month_is_closed(costs: Costs, people: People) -> None:
    draft = AdjustmentDraft(Axis.TEAM, "ads", "search", Decimal(5), "Ran search's batch")
    asked = allocations.request_adjustment(month=MONTH, draft=draft, actor=people["anna"], now=NOW)
    stopped = prepared(people)
    assert stopped.state is RunState.FAILED
    assert "1 adjustment waits for a decision" in stopped.step(Step.ATTRIBUTE).message
    allocations.approve_adjustment(id=asked.id, comment="", actor=people["bob"], now=NOW)
    done = closed(people)
    assert done.state is RunState.FINISHED
    assert done.allocation_run is not None
    moved = allocation.totals_by_receiver(run=done.allocation_run, axis=Axis.TEAM)
    assert moved["search"].effective == Decimal("105.009")
    statements = set_of(done.allocation_run)
    assert statements is not None
    assert statements.total == Decimal("407.01")
    papers = documents.documents(statements.documents).values()
    told = [
        (line["heading"], line["amount"])
        for paper in papers
        for line in paper.payload["lines"]
        if line["section"] == "adjustment"
    ]
    assert sorted(told) == [
        ("Ran search's batch (adj-2026-01-1)", "-5.00"),
        ("Ran search's batch (adj-2026-01-1)", "5.00"),
    ]


def test_a_month_is_not_approved_before_an_earlier_one_is_closed(
    costs: Costs, people: People
) -> None:
    send([event("before", time="2025-12-15T10:00:00Z")])
    run = prepared(people)
    assert run.state is RunState.WAITING
    told = {check["code"]: check["verdict"] for check in run.checklist}
    assert told["order"] == "attention"
    with pytest.raises(EarlierMonthOpen, match="close 2025-12 before 2026-01"):
        services.approve(run=run.id, approver=people["bob"], comment="", now=NOW)
    assert selectors.close_run(run.id).state is RunState.WAITING
    assert not Approval.objects.exists()
