"""The month of a finance team, told once from the first event to the sealed statement and beyond.

Given a price, two teams, events, a bill and a rule for what is shared; when the month is closed by
two people; then every cent is on a statement, and what comes late is a correction that moves none.
"""

from __future__ import annotations

import hashlib
import io
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from apps.accounts import selectors as accounts
from apps.accounts import services as account_services
from apps.allocation import selectors as allocation
from apps.allocation import services as allocations
from apps.allocation.domain.payload import read_rule
from apps.allocation.selectors import Axis
from apps.audit import selectors as audit
from apps.chargeback import selectors as chargeback
from apps.chargeback import services as chargeback_services
from apps.chargeback.domain.journal import AccountOf, JournalFacts, MappingKind
from apps.closing import selectors as closes
from apps.closing import services as closing
from apps.closing.selectors import CloseRunFacts, RunState
from apps.core.domain.access import Actor, Role, system_actor
from apps.core.domain.months import Month
from apps.costs import selectors as costs
from apps.documents import selectors as documents
from apps.ingest import services as ingest
from apps.periods import selectors as periods
from apps.periods.domain.calendar import State
from apps.periods.services import EarlierMonthOpen
from apps.rating import services as rating
from tests.allocation.base import ACTOR, enter_directory
from tests.closing.bill import bill_of
from tests.ingest.factories import contract, event, send

JANUARY, FEBRUARY = Month(2026, 1), Month(2026, 2)
FIRST = datetime(2026, 2, 3, 9, tzinfo=UTC)
SECOND = datetime(2026, 3, 3, 9, tzinfo=UTC)
SYSTEM = system_actor("tests")
Cast = dict[str, Actor]


@pytest.fixture
def cast(acme: Any, settings: Any, tmp_path: Path) -> Cast:
    """Enter the organization, its prices, its people and the rule for the shared gateway."""
    return entered(settings, tmp_path)


def entered(settings: Any, folder: Path) -> Cast:
    """Enter an organization into the current tenant; its documents are kept in a folder."""
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(folder)},
        },
    }
    enter_directory()
    contract(input_tokens="2.50", cached_input_tokens="1.25", output_tokens="10")
    people = (("anna", Role.FINANCE), ("bob", Role.APPROVER))
    for name, role in people:
        account_services.invite(
            actor=SYSTEM, email=f"{name}@example.com", name=name, role=role, teams=(), now=FIRST
        )
    rule = {
        "code": "gateway",
        "name": "Shared gateway",
        "method": "proportional",
        "driver": "tokens",
        "scope": {"service": "SageMaker", "owners": ["UNALLOCATED"]},
        "receivers": "*",
        "first_month": "2026-01",
    }
    allocations.save_rule(rule=read_rule(rule, first_month=JANUARY), actor=SYSTEM, now=FIRST)
    return {name: accounts.actor_of_person(f"{name}@example.com") for name, _ in people}


def usage(team: str, count: int, *, mark: str = "", day: int = 15, now: datetime = FIRST) -> None:
    """Send events of 0.005 USD each: 400 x 2.50 + 800 x 1.25 + 300 x 10 per million."""
    events = [
        event(
            f"{mark}{team}-{number}",
            time=f"2026-01-{day:02d}T10:20:30Z",
            tags={"team": team} if team else {},
        )
        for number in range(count)
    ]
    assert send(events, received_at=now).accepted == count


def january() -> None:
    usage("search", 100)
    usage("ads", 50)
    usage("", 20)
    bill_of({"ads": "60", "": "40"}, actor=SYSTEM)


def advance(run: Any, now: datetime) -> CloseRunFacts:
    while True:
        done = closing.advance(run=run, now=now)
        for document in done.documents:
            closing.render_document(run=run, document=document, now=now)
        if done.next is not closing.Next.AGAIN:
            return closes.close_run(run)


def close(month: Month, cast: Cast, now: datetime) -> CloseRunFacts:
    run = closing.start_close(month=month, actor=cast["anna"], now=now)
    waiting = advance(run.id, now)
    assert waiting.state is RunState.WAITING, [
        (step.name, step.message) for step in waiting.steps if step.message
    ]
    closing.approve(run=run.id, approver=cast["bob"], comment="Agreed.", now=now)
    done = advance(run.id, now)
    assert done.state is RunState.FINISHED
    return done


def by_center(month: Month) -> dict[str, Decimal]:
    sums = allocation.totals_by_cost_center(run=allocation.published(month).id)
    return {code: amounts.effective for code, amounts in sums.items()}


def files(month: Month) -> list[str]:
    """Return the digest of every PDF that was kept of a month."""
    statements = chargeback.set_of(allocation.published(month).id)
    assert statements is not None
    return [
        hashlib.sha256(
            documents.file_of(
                document=document, format=documents.Format.PDF, locale="en-US"
            ).content
        ).hexdigest()
        for document in statements.documents
    ]


def book(month: Month) -> JournalFacts:
    """Give every cost center an account and make the journal of a month."""
    for code, _ in chargeback.mapping_gaps(month=month, actor=ACTOR).centers:
        account = AccountOf(
            kind=MappingKind.COST_CENTER, key=code, account="6400", valid_from=month
        )
        chargeback_services.map_account(mapping=account, actor=ACTOR, now=FIRST)
    return chargeback_services.prepare_journal(month=month, actor=ACTOR, now=FIRST)


def test_every_cent_reaches_a_statement(cast: Cast) -> None:
    january()
    run = close(JANUARY, cast, FIRST)

    assert by_center(JANUARY) == {
        "UNALLOCATED": Decimal("0.100000000000"),
        "cc-ads": Decimal("73.583333333333"),
        "cc-search": Decimal("27.166666666667"),
    }
    statements = chargeback.set_of(allocation.published(JANUARY).id)
    assert statements is not None
    assert (statements.count, statements.total) == (3, Decimal("100.85"))
    assert list(statements.numbers) == [f"STM-2026-01-000{n}" for n in (1, 2, 3)]
    period = periods.period(JANUARY)
    assert (period.state, period.closed_by, period.approved_by) == (
        State.CLOSED,
        "anna@example.com",
        "bob@example.com",
    )
    shared = [
        line
        for line in allocation.lines_of(run=run.allocation_run, axis=Axis.TEAM, receiver="search")
        if line.kind == "shared"
    ]
    assert [(line.rule, line.driver, line.driver_value, line.driver_total) for line in shared] == [
        ("gateway", "tokens", 150_000, 225_000)
    ]
    customers = allocation.published(JANUARY).totals[Axis.CUSTOMER]
    assert customers == allocation.published(JANUARY).sources
    assert audit.faults() == []


def test_the_chain_of_sums_is_proved_by_one_command(cast: Cast) -> None:
    january()
    close(JANUARY, cast, FIRST)
    proof = closes.proof_of(month=JANUARY)
    assert proof.holds
    assert {link.difference for link in proof.links} == {Decimal(0)}
    names = " ".join(link.name for link in proof.links)
    for stage in ("rated usage", "bills", "cost base", "lines by customer", "3 statements"):
        assert stage in names
    assert "No journal has been made." in proof.notes
    booked = book(JANUARY)
    [link] = [one for one in closes.proof_of(month=JANUARY).links if "journal" in one.name]
    assert (link.name, link.difference) == (f"statements = journal {booked.batch}", Decimal(0))
    out = io.StringIO()
    call_command("reconcile", "acme", "2026-01", stdout=out)
    assert "2026-01 reconciles: difference 0.00 USD" in out.getvalue()


def test_replaying_the_month_changes_no_number(cast: Cast) -> None:
    january()
    first = close(JANUARY, cast, FIRST)
    events = [event(f"search-{n}", tags={"team": "search"}) for n in range(100)]
    assert send(events, received_at=SECOND).duplicates == 100
    assert allocation.gather(month=JANUARY).digest == first.step(closes.Step.ALLOCATE).input_hash


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE usage_rollup SET quantity = quantity + 1 WHERE period = '2026-01-01'",
        "DELETE FROM usage_rollup WHERE period = '2026-01-01'",
        "UPDATE costs_bill SET row_count = 0 WHERE period = '2026-01-01'",
        "DELETE FROM costs_billline WHERE period = '2026-01-01'",
        "UPDATE allocation_line SET effective = 0",
        "INSERT INTO allocation_driver (code, axis, month, receiver, revision, value, created_at, "
        "created_by) VALUES ('x', 'team', '2026-01-01', 'ads', 1, 1, now(), 'thief')",
        "UPDATE periods_period SET state = 'open' WHERE month = '2026-01-01'",
        "UPDATE documents_documentline SET amount = 0",
    ],
)
def test_the_closed_month_refuses_raw_sql(cast: Cast, statement: str) -> None:
    january()
    close(JANUARY, cast, FIRST)
    before = by_center(JANUARY)
    with (
        pytest.raises(IntegrityError),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert by_center(JANUARY) == before
    assert closes.proof_of(month=JANUARY).holds


def test_late_use_is_a_correction_that_moves_nothing(cast: Cast) -> None:
    january()
    close(JANUARY, cast, FIRST)
    closed, sealed = allocation.published(JANUARY), files(JANUARY)

    usage("search", 5, mark="late-", now=SECOND)
    usage("ads", 2, mark="late-", day=31, now=SECOND)

    assert allocation.published(JANUARY) == closed
    assert allocation.gather(month=JANUARY).digest == closed.input_hash
    assert closes.proof_of(month=JANUARY).holds
    assert files(JANUARY) == sealed
    close(FEBRUARY, cast, SECOND)
    assert by_center(FEBRUARY) == {
        "cc-ads": Decimal("0.010000000000"),
        "cc-search": Decimal("0.025000000000"),
    }
    lines = allocation.lines_of(run=allocation.published(FEBRUARY).id, axis=Axis.TEAM)
    assert {Month.of(line.first_day) for line in lines if line.first_day} == {JANUARY}
    # originals + corrections = what all of it costs, exactly
    together = costs.cost_base(month=JANUARY).effective + costs.cost_base(month=FEBRUARY).effective
    assert together == Decimal("100") + 177 * Decimal("0.005")
    assert closes.proof_of(month=FEBRUARY).holds


def test_months_close_in_order_and_use_after_the_freeze_goes_to_the_next(cast: Cast) -> None:
    january()
    run = closing.start_close(month=JANUARY, actor=cast["anna"], now=FIRST)
    advance(run.id, FIRST)
    usage("search", 3, mark="frozen-", now=FIRST)
    assert costs.cost_base(month=FEBRUARY).effective == Decimal("0.015")
    later = closing.start_close(month=FEBRUARY, actor=cast["anna"], now=SECOND)
    advance(later.id, SECOND)
    with pytest.raises(EarlierMonthOpen, match="close 2026-01 before 2026-02"):
        closing.approve(run=later.id, approver=cast["bob"], comment="", now=SECOND)
    assert advance(later.id, SECOND).state is RunState.WAITING
    closing.approve(run=run.id, approver=cast["bob"], comment="", now=SECOND)
    assert advance(run.id, SECOND).state is RunState.FINISHED
    closing.approve(run=later.id, approver=cast["bob"], comment="", now=SECOND)
    assert advance(later.id, SECOND).state is RunState.FINISHED


def test_an_unknown_price_blocks_until_it_is_known(cast: Cast) -> None:
    january()
    new = [
        event(
            f"new-{n}",
            model="unheard-of",
            tags={"team": "search"},
            usage={"input_tokens": 1_000_000, "output_tokens": 0},
        )
        for n in range(3)
    ]
    assert send(new, received_at=FIRST).unpriced == 3
    run = closing.start_close(month=JANUARY, actor=cast["anna"], now=FIRST)
    blocked = advance(run.id, FIRST)
    assert blocked.state is RunState.FAILED
    failed = blocked.step(closes.Step.RECONCILE)
    assert "unheard-of" in failed.message
    assert "contract price" in failed.remedy
    assert allocation.published_or_none(JANUARY) is None
    closing.cancel(run=run.id, actor=cast["anna"], reason="A price is missing.", now=FIRST)
    rating.record_contract_price(
        draft=rating.ContractDraft(
            provider="testco",
            model="unheard-of",
            meter="input_tokens",
            amount=Decimal(2),
            unit_size=1_000_000,
            currency="USD",
            valid_from=datetime(2026, 1, 1, tzinfo=UTC),
        ),
        actor=SYSTEM,
        now=FIRST,
    )
    ingest.adopt_prices(actor=SYSTEM, now=FIRST)
    close(JANUARY, cast, FIRST)
    assert allocation.published(JANUARY).sources.effective == Decimal("106.85")
