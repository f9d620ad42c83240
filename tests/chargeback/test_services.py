"""Statements drafted from a real run, issued by two people, replaced after a reopening."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from apps.allocation.domain.facts import RunFacts
from apps.audit import selectors as audit
from apps.chargeback import selectors
from apps.chargeback import services as chargeback
from apps.chargeback.domain.results import (
    ApproverIsPreparer,
    MonthIsClosed,
    NothingToIssue,
    RunNotPublished,
    TotalsDiffer,
)
from apps.chargeback.models import Statement
from apps.core.domain.access import Actor
from apps.core.domain.errors import Forbidden
from apps.documents import selectors as documents
from apps.documents.domain.states import State
from apps.documents.models import Document
from apps.periods import services as periods
from tests.chargeback.conftest import NOW, OCTOBER, SEPTEMBER, cost_line, usual_lines

Allocate = Callable[..., RunFacts]
People = dict[str, Actor]


@pytest.fixture
def run(allocate: Allocate) -> RunFacts:
    return allocate(usual_lines())


def draft(run: RunFacts, people: People) -> chargeback.StatementSet:
    return chargeback.draft_statements(month=run.month, run=run.id, actor=people["maya"], now=NOW)


def issue(people: People, **given: Any) -> chargeback.StatementSet:
    facts = {"month": OCTOBER, "actor": people["maya"], "approver": people["jonas"], "now": NOW}
    return chargeback.issue_statements(**(facts | given))


def test_statements_sum_to_the_period(run: RunFacts, people: People) -> None:
    """Three cost centers; 244.840833333333 in all, rounded once to 244.84."""
    drafted = draft(run, people)
    assert run.sources.effective == Decimal("244.840833333333")
    assert (drafted.count, drafted.total, drafted.billed) == (
        3,
        Decimal("244.84"),
        Decimal("244.84"),
    )
    seen = selectors.statements(month=OCTOBER, actor=people["maya"])
    assert [(s.cost_center, str(s.total), s.state) for s in seen] == [
        ("CC-4100", "166.51", "draft"),
        ("CC-4200", "68.33", "draft"),
        ("UNALLOCATED", "10.00", "draft"),
    ]
    own = seen[0]
    assert {name: str(amount) for name, amount in own.sections.items() if amount} == {
        "direct": "140.01",
        "shared": "25.00",
        "correction": "1.50",
    }
    block = selectors.statement(own.id, actor=people["maya"]).payload["reconciliation"]
    assert block["effective"]["difference"] == block["billed"]["difference"] == "0.00"
    assert block["effective"]["cost_base"] == "244.840833333333"


def test_a_statement_can_be_recomputed_by_its_reader(run: RunFacts, people: People) -> None:
    draft(run, people)
    payload = selectors.statement_of(
        month=OCTOBER, cost_center="CC-4100", actor=people["ana"]
    ).payload
    [shared] = [line for line in payload["lines"] if line["section"] == "shared"]
    assert (shared["rule"], shared["driver"]) == ("AI gateway", "requests")
    assert (shared["driver_value"], shared["driver_total"]) == ("3000", "4000")
    assert shared["pool_total"] == "33.333333333333"
    assert shared["exact"] == "25.000000000000"
    [late] = [line for line in payload["lines"] if line["section"] == "correction"]
    assert (late["original_month"], late["amount"]) == ("2026-09", "1.50")
    assert payload["unit_costs"]["requests"] == "3000"
    assert payload["unit_costs"]["per_1000_requests"] == "55.503333"
    assert [row["experiment"] for row in payload["experiments"]] == ["exp-1"]
    assert [(row["customer"], row["amount"]) for row in payload["customers"]] == [
        ("globex", "100.00"),
        ("", "66.51"),
    ]


def test_drafting_twice_gives_the_same_drafts(run: RunFacts, people: People) -> None:
    first = draft(run, people)
    assert draft(run, people) == first
    assert Document.objects.count() == 3


def test_another_run_replaces_the_drafts(run: RunFacts, people: People, allocate: Allocate) -> None:
    first = draft(run, people)
    again = allocate([*usual_lines(), cost_line("u9", "7", tags={"team": "assistant"})])
    second = draft(again, people)
    assert second.total == Decimal("251.84")
    assert {documents.document(id).state for id in first.documents} == {State.VOID}
    assert {documents.document(id).state for id in second.documents} == {State.DRAFT}
    with pytest.raises(RunNotPublished):
        draft(run, people)


def test_equal_inputs_give_equal_statements(
    run: RunFacts, people: People, allocate: Allocate
) -> None:
    first = draft(run, people)
    changed = allocate([*usual_lines(), cost_line("u9", "7", tags={"team": "assistant"})])
    draft(changed, people)
    back = allocate(list(reversed(usual_lines())))
    assert back.id != run.id
    again = draft(back, people)
    payloads = [
        {**documents.document(id).payload, "run": None}
        for id in (*first.documents, *again.documents)
    ]
    assert payloads[:3] == payloads[3:]


def test_issuing_numbers_and_seals(run: RunFacts, people: People) -> None:
    drafted = draft(run, people)
    issued = issue(people)
    assert issued.numbers == ("STM-2026-10-0001", "STM-2026-10-0002", "STM-2026-10-0003")
    assert issued.data_hashes == drafted.data_hashes
    facts = documents.document(issued.documents[0])
    assert facts.state is State.SEALED
    assert facts.issue is not None
    assert (facts.issue.prepared_by, facts.issue.approved_by) == ("Maya", "Jonas")
    assert facts.issue.audit_sequence > 0
    trail = audit.history(subject="period", subject_id="2026-10")
    assert [entry.action for entry in trail][-2:] == ["statements.drafted", "statements.issued"]
    assert trail[-1].detail["last"] == "STM-2026-10-0003"
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_issuing_twice_gives_the_same_numbers(run: RunFacts, people: People) -> None:
    draft(run, people)
    assert issue(people) == issue(people)
    assert Document.objects.filter(state="sealed").count() == 3


@pytest.mark.parametrize(
    ("actor", "approver", "refusal"),
    [
        ("maya", "maya", ApproverIsPreparer),
        ("ana", "jonas", Forbidden),
        ("lee", "jonas", Forbidden),
    ],
)
def test_two_people_are_needed(
    run: RunFacts, people: People, actor: str, approver: str, refusal: type[Exception]
) -> None:
    draft(run, people)
    before = len(audit.history(subject="period", subject_id="2026-10"))
    with pytest.raises(refusal):
        issue(people, actor=people[actor], approver=people[approver])
    assert Document.objects.filter(state="sealed").count() == 0
    assert len(audit.history(subject="period", subject_id="2026-10")) == before


def test_a_machine_approves_nothing(run: RunFacts, people: People) -> None:
    from tests.chargeback.conftest import SYSTEM

    draft(run, people)
    with pytest.raises(ApproverIsPreparer):
        issue(people, approver=SYSTEM)
    assert Document.objects.filter(state="sealed").count() == 0


def test_the_one_who_drafted_cannot_approve_for_another(run: RunFacts, people: People) -> None:
    draft(run, people)
    with pytest.raises(ApproverIsPreparer):
        from tests.chargeback.conftest import SYSTEM

        issue(people, actor=SYSTEM, approver=people["maya"])


def test_nothing_is_issued_without_drafts(run: RunFacts, people: People) -> None:
    with pytest.raises(NothingToIssue):
        issue(people)


def test_a_total_that_was_tampered_with_is_not_issued(run: RunFacts, people: People) -> None:
    drafted = draft(run, people)
    Document.objects.filter(public_id=drafted.documents[0]).update(total=Decimal("166.52"))
    with pytest.raises(TotalsDiffer):
        issue(people)
    assert Document.objects.filter(state="sealed").count() == 0


def test_an_unknown_run_is_refused(run: RunFacts, people: People) -> None:
    with pytest.raises(RunNotPublished):
        chargeback.draft_statements(month=OCTOBER, run=uuid4(), actor=people["maya"], now=NOW)
    assert Document.objects.count() == 0


def test_a_closed_month_takes_no_statement(run: RunFacts, people: People) -> None:
    draft(run, people)
    periods.freeze(month=OCTOBER, actor=people["maya"], now=NOW)
    issue(people)
    periods.lock(month=OCTOBER, actor=people["maya"], approver=people["jonas"], now=NOW)
    row = Statement.objects.order_by("id").first()
    assert row is not None
    with pytest.raises(IntegrityError, match="2026-10 is closed"), transaction.atomic():
        Statement.objects.create(
            document_id=row.document_id + 1000,
            month=row.month,
            cost_center="X",
            run=uuid4(),
            billed=0,
            created_at=NOW,
            created_by="x",
        )
    for sql in (
        "UPDATE chargeback_statement SET cost_center = 'X'",
        "DELETE FROM chargeback_statement",
    ):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)


def test_a_closed_month_refuses_a_late_draft(
    run: RunFacts, people: People, allocate: Allocate
) -> None:
    periods.freeze(month=OCTOBER, actor=people["maya"], now=NOW)
    periods.lock(month=OCTOBER, actor=people["maya"], approver=people["jonas"], now=NOW)
    with pytest.raises(MonthIsClosed):
        draft(run, people)
    assert Document.objects.count() == 0


def test_a_reopened_month_gets_replacements_that_name_the_old_numbers(
    run: RunFacts, people: People, allocate: Allocate
) -> None:
    draft(run, people)
    periods.freeze(month=OCTOBER, actor=people["maya"], now=NOW)
    first = issue(people)
    periods.lock(month=OCTOBER, actor=people["maya"], approver=people["jonas"], now=NOW)
    old = {id: documents.document(id) for id in first.documents}
    periods.reopen(
        month=OCTOBER,
        actor=people["maya"],
        approver=people["jonas"],
        reason="bill came late",
        now=NOW,
    )
    again = allocate(usual_lines()[:4])
    draft(again, people)
    second = issue(people)
    assert second.numbers == ("STM-2026-10-0004", "STM-2026-10-0005", "STM-2026-10-0006")
    new = [documents.document(id) for id in second.documents]
    assert [facts.supersedes_number for facts in new] == list(first.numbers)
    assert {id: documents.document(id) for id in first.documents} == old
    seen = selectors.statements(month=OCTOBER, actor=people["maya"])
    assert [s.number for s in seen] == list(second.numbers)


def test_the_next_month_compares_with_this_one(people: People, allocate: Allocate) -> None:
    september = allocate(usual_lines(SEPTEMBER)[:4], month=SEPTEMBER)
    draft(september, people)
    issue(people, month=SEPTEMBER)
    draft(allocate(usual_lines()), people)
    payload = selectors.statement_of(
        month=OCTOBER, cost_center="CC-4100", actor=people["maya"]
    ).payload
    change = payload["change"]
    assert change["previous"]["number"] == "STM-2026-09-0001"
    assert (change["previous"]["total"], change["amount"]) == ("140.01", "26.50")
    steps = {step["step"]: Decimal(step["amount"]) for step in change["bridge"]}
    assert sum(steps.values()) == Decimal("26.50")
    assert (steps["shared"], steps["corrections"]) == (Decimal("25.00"), Decimal("1.50"))
    assert [point["month"] for point in payload["trend"]] == ["2026-09", "2026-10"]


def test_a_cost_center_that_stops_spending_gets_a_statement_of_zero(
    people: People, allocate: Allocate
) -> None:
    draft(allocate(usual_lines(SEPTEMBER)[:4], month=SEPTEMBER), people)
    drafted = draft(allocate(usual_lines()[:1]), people)
    totals = {
        s.cost_center: s.total for s in selectors.statements(month=OCTOBER, actor=people["maya"])
    }
    assert totals == {
        "CC-4100": Decimal("100.00"),
        "CC-4200": Decimal("0.00"),
        "UNALLOCATED": Decimal("0.00"),
    }
    assert drafted.total == Decimal("100.00")


def test_an_explanation_leads_from_the_line_to_its_sources(run: RunFacts, people: People) -> None:
    draft(run, people)
    detail = selectors.statement_of(month=OCTOBER, cost_center="CC-4100", actor=people["maya"])
    for line in detail.payload["lines"]:
        explained = selectors.explanation(
            id=detail.facts.id, position=line["position"], actor=people["maya"]
        )
        if line["section"] == "rounding":
            assert explained.sources == ()
            continue
        assert explained.exact == Decimal(line["exact"])
        assert len({source.key for source in explained.sources}) == line["sources"]
    [position] = [one["position"] for one in detail.payload["lines"] if one["section"] == "shared"]
    explained = selectors.explanation(id=detail.facts.id, position=position, actor=people["maya"])
    assert explained.rule is not None
    assert explained.rule["code"] == "gateway"
    [source] = explained.sources
    assert (source.key, source.share) == ("b1", Decimal("0.75"))
    [hop] = source.hops
    assert (hop.driver, Decimal(hop.value), Decimal(hop.total)) == ("requests", 3000, 4000)


def test_a_member_sees_only_cost_centers_of_own_teams(run: RunFacts, people: People) -> None:
    from dataclasses import replace

    draft(run, people)
    lee = people["lee"]
    with pytest.raises(Forbidden):
        selectors.statements(month=OCTOBER, actor=replace(lee, scopes=frozenset()))
    assert [s.cost_center for s in selectors.statements(month=OCTOBER, actor=lee)] == ["CC-4100"]
    assert [m.count for m in selectors.months(actor=lee)] == [1]
    other = selectors.statement_of(month=OCTOBER, cost_center="CC-4200", actor=people["maya"])
    for ask in (
        lambda: selectors.statement(other.facts.id, actor=lee),
        lambda: selectors.statement_of(month=OCTOBER, cost_center="CC-4200", actor=lee),
        lambda: selectors.explanation(id=other.facts.id, position=1, actor=lee),
    ):
        with pytest.raises(selectors.StatementMissing):
            ask()


@pytest.mark.parametrize("centers", [1, 8])
def test_a_list_costs_one_query_however_long(
    allocate: Allocate, people: People, django_assert_num_queries: Any, centers: int
) -> None:
    from apps.directory import services as directory
    from apps.directory.domain.entries import CostCenterFacts, TeamFacts
    from tests.chargeback.conftest import SYSTEM

    teams = [f"team-{number}" for number in range(centers)]
    directory.ensure_entries(
        actor=SYSTEM,
        now=NOW,
        cost_centers=[CostCenterFacts(f"CC-{team}", team) for team in teams],
        teams=[TeamFacts(team, team, f"CC-{team}") for team in teams],
    )
    lines = [cost_line(f"u{team}", "1.23", tags={"team": team}) for team in teams]
    draft(allocate(lines), people)
    with django_assert_num_queries(1):
        assert len(selectors.statements(month=OCTOBER, actor=people["maya"])) == centers + 1
    with django_assert_num_queries(1):
        assert [one.count for one in selectors.months(actor=people["maya"])] == [centers + 1]


def test_markup_is_a_line_of_its_own_and_statements_still_sum(
    allocate: Allocate, people: People
) -> None:
    """Ten percent on what the assistant is charged: +6.00 there, -6.00 on MARKUP."""
    from datetime import date

    from apps.allocation import services as allocation
    from apps.allocation.domain.rules import Axis, Method, Receivers, Rule, Scope
    from tests.chargeback.conftest import SYSTEM

    allocation.save_rule(
        rule=Rule(
            code="platform-fee",
            name="Platform fee",
            axis=Axis.TEAM,
            method=Method.MARKUP,
            scope=Scope(),
            receivers=Receivers(codes=("assistant",)),
            percent=Decimal(10),
            valid_from=date(2026, 1, 1),
        ),
        actor=SYSTEM,
        now=NOW,
    )
    draft(allocate([cost_line("u1", "60", tags={"team": "assistant"})]), people)
    seen = {s.cost_center: s for s in selectors.statements(month=OCTOBER, actor=people["maya"])}
    assert {code: str(one.total) for code, one in seen.items()} == {
        "CC-4200": "66.00",
        "MARKUP": "-6.00",
        "UNALLOCATED": "0.00",
    }
    assert str(seen["CC-4200"].sections["markup"]) == "6.00"
    payload = selectors.statement(seen["CC-4200"].id, actor=people["maya"]).payload
    assert payload["reconciliation"]["effective"]["markup"] == "0.000000000000"
    credit = selectors.statement(seen["MARKUP"].id, actor=people["maya"]).payload["postings"]
    assert (credit[0]["debit"], credit[1]["credit"]) == ("6.00", "6.00")


@pytest.mark.slow
def test_two_workers_that_draft_at_once_give_one_set(fresh_tenant: Any) -> None:
    import threading
    from unittest.mock import patch

    from django.db import connection as database
    from django_tenants.utils import schema_context

    from apps.allocation import services as allocation
    from apps.allocation.selectors import inputs
    from apps.costs.domain.lines import CostBase, sealed
    from tests.chargeback.conftest import SYSTEM

    periods.extend_calendar(now=NOW)
    base = sealed(
        CostBase(
            month=OCTOBER,
            currency="USD",
            lines=(cost_line("u1", "10", tags={"team": "search"}),),
            unpriced=(),
            missing_rates=(),
            provisional_fx=False,
        )
    )
    with patch.object(inputs.costs, "cost_base", lambda *, month: base):
        run = allocation.run(month=OCTOBER, actor=SYSTEM, now=NOW)
    sets: list[chargeback.StatementSet] = []
    faults: list[BaseException] = []
    start = threading.Barrier(4)

    def work() -> None:
        try:
            with schema_context(fresh_tenant.schema):
                start.wait()
                sets.append(
                    chargeback.draft_statements(month=OCTOBER, run=run.id, actor=SYSTEM, now=NOW)
                )
        except BaseException as fault:
            faults.append(fault)
        finally:
            database.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert len(sets) == 4
    assert len(set(sets)) == 1
    assert Document.objects.count() == sets[0].count
