"""What blocks a close and what only asks for attention."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from apps.closing.domain.checklist import (
    ChecklistBlocked,
    UnpricedUse,
    Verdict,
    check_accruals,
    check_adjustments,
    check_backfills,
    check_bills,
    check_books,
    check_coverage,
    check_disputes,
    check_imports,
    check_mapping,
    check_order,
    check_over,
    check_rates,
    check_unpriced,
    check_variance,
    dearest_prices,
    escalated,
    merged_use,
    require_unblocked,
)
from apps.closing.domain.policy import Limits
from apps.closing.domain.proof import Link, Proof
from apps.closing.domain.steps import ORDER, Step, StepState, from_on, next_step
from apps.closing.web.parts import checks_of
from apps.core.domain.months import Month

PASSED, ATTENTION, BLOCKED = Verdict.PASSED, Verdict.ATTENTION, Verdict.BLOCKED


@pytest.mark.parametrize(
    ("worst", "effective", "verdict"),
    [
        (None, "1000", BLOCKED),
        ("10.01", "1000", BLOCKED),
        ("10", "1000", ATTENTION),
        ("0.01", "0", BLOCKED),
    ],
)
def test_unpriced_use_blocks_above_one_percent(
    worst: str | None, effective: str, verdict: Verdict
) -> None:
    use = UnpricedUse("acme/new-model", 3, None if worst is None else Decimal(worst))
    check = check_unpriced(unpriced=[use], effective=Decimal(effective), currency="USD")
    assert check.verdict is verdict
    assert "acme/new-model" in check.message
    assert check.remedy


def test_no_unpriced_use_passes() -> None:
    check = check_unpriced(unpriced=[], effective=Decimal(0), currency="USD")
    assert check.verdict is PASSED


def test_missing_rates_block_by_name() -> None:
    check = check_rates(missing=["USD/EUR"])
    assert (check.verdict, "USD/EUR" in check.message) == (BLOCKED, True)
    assert check_rates(missing=[]).verdict is PASSED


def test_differing_books_block() -> None:
    assert check_books(differences=["events and 2 rollups"]).verdict is BLOCKED
    assert check_books(differences=[]).verdict is PASSED


def test_homeless_teams_and_unknown_receivers_block() -> None:
    check = check_mapping(teams=["lost"], receivers=["gone"])
    assert check.verdict is BLOCKED
    assert "lost" in check.message
    assert "gone" in check.message
    assert check_mapping(teams=[], receivers=[]).verdict is PASSED


@pytest.mark.parametrize(
    ("owned", "unregistered", "verdict"),
    [("95", [], PASSED), ("94.9", [], ATTENTION), ("100", ["team x"], ATTENTION)],
)
def test_coverage_never_blocks(owned: str, unregistered: list[str], verdict: Verdict) -> None:
    check = check_coverage(owned=Decimal(owned), total=Decimal(100), unregistered=unregistered)
    assert check.verdict is verdict


def test_coverage_of_nothing_passes() -> None:
    assert check_coverage(owned=Decimal(0), total=Decimal(0), unregistered=[]).verdict is PASSED


@pytest.mark.parametrize(
    ("before", "verdict"),
    [(None, PASSED), ("0", PASSED), ("90", PASSED), ("80", ATTENTION), ("130", ATTENTION)],
)
def test_a_big_change_asks_for_attention(before: str | None, verdict: Verdict) -> None:
    known = None if before is None else Decimal(before)
    assert check_variance(before=known, now=Decimal(100), currency="USD").verdict is verdict


def test_bills_that_differ_ask_for_attention() -> None:
    near = [("openai", Decimal(100), Decimal(105))]
    far = [("openai", Decimal(100), Decimal("105.01")), ("aws", Decimal(0), Decimal(1))]
    assert check_bills(variances=near, currency="USD").verdict is PASSED
    check = check_bills(variances=far, currency="USD")
    assert check.verdict is ATTENTION
    assert "openai by USD +5.01" in check.message


def test_bills_to_come_are_named_with_what_stands_in() -> None:
    check = check_accruals(accrued=[("google", Decimal("1234.567"))], currency="USD")
    assert check.verdict is ATTENTION
    assert "google with USD 1,234.57" in check.message
    assert check_accruals(accrued=[], currency="USD").verdict is PASSED


def test_a_running_month_asks_for_attention() -> None:
    assert check_over(month="2026-01", is_over=False).verdict is ATTENTION
    assert check_over(month="2026-01", is_over=True).verdict is PASSED


def test_only_what_blocks_stops_the_close() -> None:
    fine = [check_rates(missing=[]), check_over(month="2026-01", is_over=False)]
    require_unblocked(fine)
    with pytest.raises(ChecklistBlocked, match="USD/EUR") as caught:
        require_unblocked([*fine, check_rates(missing=["USD/EUR"])])
    assert "Settings" in caught.value.remedy
    assert len(caught.value.checks) == 3


def test_the_next_step_is_the_first_that_is_not_done() -> None:
    states = [(step, StepState.DONE) for step in ORDER[:3]]
    states += [(step, StepState.PENDING) for step in ORDER[3:]]
    assert next_step(states) is Step.ALLOCATE
    assert next_step([(step, StepState.DONE) for step in ORDER]) is None
    assert from_on(Step.LOCK) == (Step.LOCK, Step.RENDER)


def test_a_proof_holds_only_without_any_difference() -> None:
    link = Link("lines", Decimal("10.004"), Decimal("10.00"), "USD", allowed=Decimal("0.004"))
    month = Month(2026, 1)
    assert link.difference == 0
    assert Proof(month, "USD", (link,)).holds
    assert not Proof(month, "USD", (link,), faults=("a rollup differs",)).holds
    off = Link("lines", Decimal(10), Decimal("9.999999999999"), "USD")
    assert not Proof(month, "USD", (link, off)).holds


def test_the_worst_case_takes_the_dearest_price_of_each_meter() -> None:
    lines = [
        ("input_tokens", Decimal(1000), Decimal("0.0025")),
        ("input_tokens", Decimal(1000), Decimal("0.0100")),
        ("requests", Decimal(7), Decimal(0)),
        ("output_tokens", Decimal(0), Decimal(0)),
    ]
    assert dearest_prices(lines) == {"input_tokens": Decimal("0.00001")}
    known = UnpricedUse("new", 3, Decimal("0.5"))
    assert merged_use([known, UnpricedUse("new", 3, Decimal("0.25"))]) == UnpricedUse(
        "new", 3, Decimal("0.75")
    )
    assert merged_use([known, UnpricedUse("new", 3, None)]).worst_case is None


def test_what_has_no_price_leads_to_the_page_that_solves_it() -> None:
    use = UnpricedUse("a model", 1, None)
    checks = [
        check_unpriced(unpriced=unpriced, effective=Decimal(1), currency="USD").as_json()
        for unpriced in ([use], [])
    ]
    run: Any = SimpleNamespace(checklist=checks, month=Month(2026, 1))
    blocked, passed = checks_of(run)
    assert (blocked.url, passed.url) == ("/usage/unpriced/?month=2026-01", "")


def test_an_undecided_adjustment_blocks() -> None:
    assert check_adjustments(undecided=0).verdict is PASSED
    one = check_adjustments(undecided=1)
    assert (one.verdict, one.message) == (BLOCKED, "1 adjustment waits for a decision.")
    assert check_adjustments(undecided=2).message == "2 adjustments wait for a decision."


def test_an_earlier_open_month_asks_for_attention() -> None:
    assert check_order(earlier="").verdict is PASSED
    found = check_order(earlier="2025-12")
    assert (found.verdict, found.message) == (
        ATTENTION,
        "2025-12 is not closed yet; months close in order.",
    )


def test_open_disputes_ask_for_attention_and_never_block() -> None:
    assert check_disputes(disputes=[]).verdict is PASSED
    check = check_disputes(disputes=["STM-2026-09-0001 Search", "STM-2026-09-0002 Ads"])
    assert check.verdict is ATTENTION
    assert check.message == ("2 disputes are open: STM-2026-09-0001 Search, STM-2026-09-0002 Ads.")
    assert check_disputes(disputes=["STM-1 A"]).message.startswith("A dispute is open")


def test_pending_imports_and_backfills_ask_for_attention() -> None:
    assert check_imports(pending=[]).verdict is PASSED
    assert check_backfills(backfills=[]).verdict is PASSED
    imports, backfills = check_imports(pending=["oct.csv"]), check_backfills(backfills=["gateway"])
    assert (imports.verdict, backfills.verdict) == (Verdict.ATTENTION, Verdict.ATTENTION)
    assert "oct.csv" in imports.message
    assert "gateway" in backfills.message
    assert imports.remedy
    assert backfills.remedy


def test_a_tenant_lets_what_asks_for_attention_block_and_nothing_else() -> None:
    checks = [
        check_imports(pending=["a"]),
        check_imports(pending=[]),
        check_backfills(backfills=["b"]),
    ]
    found = escalated(checks, Limits(blocking=frozenset({"imports"})))
    assert [check.verdict for check in found] == [Verdict.BLOCKED, PASSED, Verdict.ATTENTION]


def test_every_check_that_does_not_pass_leads_to_where_it_is_settled() -> None:
    """Books are for the operator, and the calendar settles itself."""
    asking = [
        check_order(earlier="2025-12"),
        check_rates(missing=["EUR/USD"]),
        check_unpriced(unpriced=[UnpricedUse("x", 1, None)], effective=Decimal(1), currency="USD"),
        check_bills(variances=[("azure", Decimal(1), Decimal(2))], currency="USD"),
        check_variance(before=Decimal(1), now=Decimal(2), currency="USD"),
        check_disputes(disputes=["STM-1"]),
        check_imports(pending=["a"]),
        check_backfills(backfills=["b"]),
        check_adjustments(undecided=1),
        check_mapping(teams=["ads"], receivers=[]),
        check_coverage(owned=Decimal(1), total=Decimal(2), unregistered=[]),
    ]
    run: Any = SimpleNamespace(checklist=[c.as_json() for c in asking], month=Month(2026, 1))
    shown = checks_of(run)
    assert len(shown) == len(asking)
    assert all(check.text for check in shown)
    urls = {check.url for check in shown}
    assert "" not in urls
    assert "/month/2025-12/" in urls
