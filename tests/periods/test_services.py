"""The life of a month, told through the services; refusals leave everything as it was."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction

from apps.audit import selectors as audit
from apps.core.domain.access import Role, system_actor
from apps.core.domain.errors import Forbidden, Invalid
from apps.core.domain.months import Month
from apps.periods import selectors, services
from apps.periods.domain.calendar import PeriodMissing, State
from apps.periods.domain.fx import MissingRate, RateKind
from apps.periods.models import FxRate, GuardedTable, Period
from tests.periods.conftest import NOW, person

JANUARY = Month(2026, 1)
DECEMBER = Month(2025, 12)


def snapshot():
    return (
        list(Period.objects.order_by("pk").values_list()),
        list(FxRate.objects.order_by("pk").values_list()),
        audit.head(),
    )


def close(month, actor, approver):
    services.freeze(month=month, actor=actor, now=NOW)
    return services.lock(month=month, actor=actor, approver=approver, now=NOW)


def test_a_new_tenant_has_twenty_open_months_bounded_by_its_timezone(acme):
    calendar = selectors.calendar()
    assert [str(period.month) for period in calendar.periods[::19]] == ["2024-12", "2026-07"]
    assert {period.state for period in calendar.periods} == {State.OPEN}
    assert calendar.period(JANUARY).starts_at.isoformat() == "2026-01-01T05:00:00+00:00"
    assert calendar.period(Month(2026, 7)).starts_at.isoformat() == "2026-07-01T04:00:00+00:00"


def test_opening_again_adds_nothing_and_gaps_are_filled(acme):
    assert services.open_calendar(first=JANUARY, last=Month(2026, 7)) == ()
    added = services.open_calendar(first=Month(2026, 9), last=Month(2026, 9))
    assert [str(month) for month in added] == ["2026-08", "2026-09"]
    assert services.extend_calendar(now=NOW) == ()
    before = snapshot()
    with pytest.raises(Invalid):
        services.open_calendar(first=JANUARY, last=DECEMBER)
    assert snapshot() == before


def test_a_month_is_frozen_closed_and_audited(acme, ada, grace):
    frozen = services.freeze(month=JANUARY, actor=ada, now=NOW, price_book_version=7)
    assert (frozen.state, frozen.price_book_version) == (State.SOFT_CLOSED, 7)
    assert services.freeze(month=JANUARY, actor=ada, now=NOW, price_book_version=9) == frozen
    closed = services.lock(month=JANUARY, actor=ada, approver=grace, now=NOW)
    assert closed.state is State.CLOSED
    assert (closed.closed_by, closed.approved_by) == (ada.label, grace.label)
    assert closed.closed_at == NOW
    assert selectors.latest_closed() == closed
    assert JANUARY not in selectors.open_months()
    told = [entry.action for entry in audit.history(subject="period", subject_id="2026-01")]
    assert sorted(told) == ["period.closed", "period.frozen"]


def test_earlier_months_that_were_never_used_close_along(acme, ada, grace):
    close(JANUARY, ada, grace)
    states = {period.state for period in selectors.calendar().periods[:13]}
    assert states == {State.CLOSED}


def test_an_earlier_month_that_was_used_has_to_be_closed_first(acme, ada, grace):
    use(DECEMBER)
    services.freeze(month=JANUARY, actor=ada, now=NOW)
    before = snapshot()
    with pytest.raises(services.EarlierMonthOpen) as refused:
        services.lock(month=JANUARY, actor=ada, approver=grace, now=NOW)
    assert "close 2025-12 before 2026-01" in refused.value.message
    assert snapshot() == before
    close(DECEMBER, ada, grace)
    assert services.lock(month=JANUARY, actor=ada, approver=grace, now=NOW).state is State.CLOSED


def use(month):
    """Leave a row in a guarded table, as the import of a bill would."""
    from apps.costs.models import Bill, ProviderAccount

    account = ProviderAccount.objects.create(code="cloud", name="Cloud", created_at=NOW)
    Bill.objects.create(
        provider_account=account,
        billing_month=month.first_day,
        period=month.first_day,
        version=1,
        source_sha256="0" * 64,
        row_count=0,
        rejected_count=0,
        totals={},
        diagnostics=[],
        imported_at=NOW,
        imported_by="test",
    )


def test_guarded_tables_are_entered_by_their_migrations(acme):
    tables = set(GuardedTable.objects.values_list("table_name", flat=True))
    assert {"costs_bill", "costs_billline"} <= tables


def test_nobody_approves_alone(acme, ada, grace):
    services.freeze(month=JANUARY, actor=ada, now=NOW)
    before = snapshot()
    with pytest.raises(services.SamePerson):
        services.lock(month=JANUARY, actor=ada, approver=ada, now=NOW)
    with pytest.raises(Forbidden):
        services.lock(month=JANUARY, actor=ada, approver=system_actor("close"), now=NOW)
    assert snapshot() == before


def test_the_same_person_behind_a_key_is_the_same_person(acme, ada):
    from dataclasses import replace

    services.freeze(month=JANUARY, actor=ada, now=NOW)
    key = replace(ada, kind="key", label="key of ada")
    with pytest.raises(services.SamePerson):
        services.lock(month=JANUARY, actor=key, approver=ada, now=NOW)


@pytest.mark.parametrize("role", [Role.MEMBER, Role.ANALYST, Role.APPROVER])
def test_who_may_not_run_the_close_may_not_freeze(acme, role):
    before = snapshot()
    with pytest.raises(Forbidden):
        services.freeze(month=JANUARY, actor=person(9, role), now=NOW)
    assert snapshot() == before


def test_steps_start_from_their_state_only(acme, ada, grace):
    before = snapshot()
    with pytest.raises(services.WrongState):
        services.lock(month=JANUARY, actor=ada, approver=grace, now=NOW)
    with pytest.raises(services.WrongState):
        services.unfreeze(month=JANUARY, actor=ada, reason="late usage", now=NOW)
    with pytest.raises(services.WrongState):
        services.reopen(month=JANUARY, actor=ada, approver=grace, reason="error", now=NOW)
    with pytest.raises(PeriodMissing):
        services.freeze(month=Month(2031, 1), actor=ada, now=NOW)
    assert snapshot() == before
    close(JANUARY, ada, grace)
    with pytest.raises(services.WrongState):
        services.freeze(month=JANUARY, actor=ada, now=NOW)


def test_unfreezing_needs_a_reason(acme, ada):
    services.freeze(month=JANUARY, actor=ada, now=NOW)
    before = snapshot()
    with pytest.raises(services.ReasonMissing):
        services.unfreeze(month=JANUARY, actor=ada, reason="  ", now=NOW)
    assert snapshot() == before
    assert services.unfreeze(month=JANUARY, actor=ada, reason="late", now=NOW).is_open


def test_only_the_latest_closed_month_reopens_with_reason_and_second_person(acme, ada, grace):
    use(DECEMBER)
    close(DECEMBER, ada, grace)
    close(JANUARY, ada, grace)
    before = snapshot()
    with pytest.raises(services.NotLatestClosed):
        services.reopen(month=DECEMBER, actor=ada, approver=grace, reason="error", now=NOW)
    with pytest.raises(services.SamePerson):
        services.reopen(month=JANUARY, actor=ada, approver=ada, reason="error", now=NOW)
    with pytest.raises(services.ReasonMissing):
        services.reopen(month=JANUARY, actor=ada, approver=grace, reason="", now=NOW)
    assert snapshot() == before
    reopened = services.reopen(month=JANUARY, actor=ada, approver=grace, reason="error", now=NOW)
    assert reopened.is_open
    row = Period.objects.get(month=JANUARY.first_day)
    assert (row.reopened_by, row.reopen_approved_by, row.reopen_reason) == (
        ada.label,
        grace.label,
        "error",
    )


def test_a_month_before_a_closed_one_is_never_added(acme, ada, grace):
    close(JANUARY, ada, grace)
    before = snapshot()
    with pytest.raises(services.PeriodNotOpen):
        services.open_calendar(first=Month(2024, 10), last=Month(2024, 11))
    assert snapshot() == before


def test_holding_tells_states_and_missing_months(acme, ada):
    services.freeze(month=DECEMBER, actor=ada, now=NOW)
    with transaction.atomic():
        held = services.hold_open(months=[JANUARY, DECEMBER, JANUARY])
    assert held == {DECEMBER: State.SOFT_CLOSED, JANUARY: State.OPEN}
    with pytest.raises(PeriodMissing):
        services.hold_open(months=[Month(2031, 1)])


# Exchange rates


def enter(month, text, kind, actor, quote="USD", base="EUR"):
    return services.set_rate(
        month=month,
        base=base,
        quote=quote,
        rate=Decimal(text),
        kind=kind,
        source="demo rates, entered by hand",
        rate_on=date(2026, 1, 30),
        actor=actor,
        now=NOW,
    )


def test_the_budget_rate_applies_until_the_freeze_and_the_frozen_one_from_then_on(acme, ada):
    enter(JANUARY, "1.08", RateKind.BUDGET, ada)
    enter(JANUARY, "1.1025", RateKind.FROZEN, ada)
    assert selectors.fx(JANUARY).provisional
    assert selectors.fx(JANUARY).rate("EUR", "USD").rate == Decimal("1.08")
    services.freeze(month=JANUARY, actor=ada, now=NOW)
    assert not selectors.fx(JANUARY).provisional
    assert selectors.fx(JANUARY).rate("EUR", "USD").rate == Decimal("1.1025")
    assert selectors.fx(JANUARY + 1).rate("EUR", "USD").rate == Decimal("1.08")


def test_without_a_frozen_rate_the_frozen_month_misses_it(acme, ada):
    enter(JANUARY, "1.08", RateKind.BUDGET, ada)
    services.freeze(month=JANUARY, actor=ada, now=NOW)
    with pytest.raises(MissingRate):
        selectors.fx(JANUARY).rate("EUR", "USD")


def test_a_correction_is_a_revision_and_the_same_again_is_none(acme, ada):
    enter(JANUARY, "1.08", RateKind.FROZEN, ada)
    assert enter(JANUARY, "1.080", RateKind.FROZEN, ada).revision == 1
    assert enter(JANUARY, "1.09", RateKind.FROZEN, ada).revision == 2
    assert FxRate.objects.count() == 2
    services.freeze(month=JANUARY, actor=ada, now=NOW)
    assert selectors.fx(JANUARY).rate("EUR", "USD").rate == Decimal("1.09")


def test_a_month_stops_taking_rates(acme, ada, grace):
    services.freeze(month=JANUARY, actor=ada, now=NOW)
    before = snapshot()
    with pytest.raises(services.PeriodNotOpen):
        enter(JANUARY, "1.08", RateKind.BUDGET, ada)
    assert snapshot() == before
    enter(JANUARY, "1.1", RateKind.FROZEN, ada)
    services.lock(month=JANUARY, actor=ada, approver=grace, now=NOW)
    before = snapshot()
    with pytest.raises(services.PeriodNotOpen):
        enter(JANUARY, "1.2", RateKind.FROZEN, ada)
    assert snapshot() == before


def test_a_wrong_rate_changes_nothing(acme, ada):
    before = snapshot()
    with pytest.raises(services.RateRefused) as refused:
        enter(JANUARY, "0", RateKind.BUDGET, ada)
    assert [error.field for error in refused.value.errors] == ["rate"]
    with pytest.raises(Forbidden):
        enter(JANUARY, "1", RateKind.BUDGET, person(3, Role.MEMBER))
    assert snapshot() == before


@pytest.mark.parametrize(
    "statement", ["UPDATE periods_fxrate SET rate = 2", "DELETE FROM periods_fxrate"]
)
def test_an_entered_rate_refuses_change_by_raw_sql(acme, ada, statement):
    enter(JANUARY, "1.08", RateKind.FROZEN, ada)
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert FxRate.objects.get().rate == Decimal("1.08")
