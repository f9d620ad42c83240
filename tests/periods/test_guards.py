"""What the database itself refuses, whatever the statement and whoever sends it."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import DatabaseError, IntegrityError, connection, connections, transaction
from django_tenants.utils import schema_context

from apps.core.domain.months import Month
from apps.periods import selectors, services
from apps.periods.domain.calendar import State
from tests.periods.conftest import NOW, person
from tests.periods.test_services import close, use

JANUARY = Month(2026, 1)
DECEMBER = Month(2025, 12)


def run(statement, *parameters):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def refused(statement, *parameters):
    with pytest.raises(DatabaseError) as error:
        run(statement, *parameters)
    return str(error.value)


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE periods_period SET state = 'closed' WHERE month = '2026-01-01'", "go from open"),
        ("UPDATE periods_period SET month = '2031-01-01' WHERE month = '2026-01-01'", "fixed"),
        ("UPDATE periods_period SET ends_at = ends_at + interval '1 day'", "fixed"),
        ("UPDATE periods_period SET state = 'ajar'", "periods_period_state_known|go from"),
        ("DELETE FROM periods_period", "never deleted"),
        ("TRUNCATE periods_period", "denied|refused"),
    ],
)
def test_a_period_goes_legal_ways_only(acme, statement, says):
    message = refused(statement)
    assert any(part in message for part in says.split("|")), message


def test_a_period_starts_open(acme):
    assert "starts open" in refused(
        "INSERT INTO periods_period (month, state, starts_at, ends_at, frozen_at, frozen_by, "
        "closed_by, approved_by, reopened_by, reopen_approved_by, reopen_reason) VALUES "
        "('2031-01-01', 'soft_closed', now(), now() + interval '1 day', now(), '', '', '', '', "
        "'', '')"
    )


def test_a_closed_row_never_changes_in_place(acme, ada, grace):
    close(JANUARY, ada, grace)
    assert "cannot be changed in place" in refused(
        "UPDATE periods_period SET closed_by = 'eve' WHERE month = '2026-01-01'"
    )
    assert "needs a reason and two people" in refused(
        "UPDATE periods_period SET state = 'open', frozen_at = NULL, closed_at = NULL, "
        "closed_by = '', approved_by = '' WHERE month = '2026-01-01'"
    )


def test_closing_by_raw_sql_needs_two_people_and_order(acme, ada):
    use(DECEMBER)
    services.freeze(month=JANUARY, actor=ada, now=NOW)
    one = (
        "UPDATE periods_period SET state = 'closed', closed_at = now(), closed_by = 'a', "
        "approved_by = 'a' WHERE month = '2026-01-01'"
    )
    assert "months close in order: 2024-12 comes before 2026-01" in refused(one)
    first = one.replace("2026-01-01", "2024-12-01")
    services.freeze(month=Month(2024, 12), actor=ada, now=NOW)
    assert "approver_differs_from_closer" in refused(first)
    assert "names_both_people" in refused(first.replace("approved_by = 'a'", "approved_by = ''"))
    same_user = first.replace(
        "approved_by = 'a'", "approved_by = 'b', closed_by_user = 4, approved_by_user = 4"
    )
    assert "approver_differs_from_closer" in refused(same_user)


INSERT_BILL = (
    "INSERT INTO costs_bill (public_id, provider_account_id, billing_month, period, version, "
    "source_sha256, file_name, shift_months, row_count, rejected_count, totals, diagnostics, "
    "imported_at, imported_by) SELECT gen_random_uuid(), id, %s, %s, %s, repeat('a', 64), '', 0, "
    "0, 0, '{}', '[]', now(), 'raw' FROM costs_provideraccount LIMIT 1"
)


def insert_bill(month, version):
    run(INSERT_BILL, month.first_day, month.first_day, version)


@pytest.mark.parametrize("state", [State.SOFT_CLOSED, State.CLOSED])
def test_a_frozen_or_closed_month_refuses_rows_by_raw_sql(acme, ada, grace, state):
    use(JANUARY)
    services.freeze(month=JANUARY, actor=ada, now=NOW)
    if state is State.CLOSED:
        services.lock(month=JANUARY, actor=ada, approver=grace, now=NOW)
    message = refused(INSERT_BILL, JANUARY.first_day, JANUARY.first_day, 2)
    assert f"the period 2026-01 is {state.value}" in message
    insert_bill(JANUARY + 1, 2)


def test_rows_of_no_month_are_refused(acme):
    use(JANUARY)
    message = refused(INSERT_BILL, Month(2031, 1).first_day, Month(2031, 1).first_day, 2)
    assert "the calendar has no period 2031-01-01" in message


def test_a_statement_that_writes_nothing_is_let_through(acme, ada, grace):
    close(JANUARY, ada, grace)
    run("INSERT INTO costs_bill SELECT * FROM costs_bill WHERE false")


def _as(schema, work):
    """Do work in a thread of its own, with its own connection in the tenant's schema."""
    try:
        with schema_context(schema):
            return work()
    finally:
        connections.close_all()


@pytest.mark.slow
def test_a_freeze_waits_for_writers_and_a_closed_month_never_grows(fresh_tenant):
    """Writers that hold the month race a freeze: every row is there before it, none after."""
    schema = fresh_tenant.schema
    use(JANUARY)
    stop = threading.Event()

    def write(number):
        written = 0
        while not stop.is_set():
            try:
                with transaction.atomic():
                    states = services.hold_open(months=[JANUARY])
                    if states[JANUARY] is not State.OPEN:
                        return written
                    version = 1000 * (number + 1) + written
                    insert_bill_with_digest(JANUARY, version)
                written += 1
            except IntegrityError as error:
                assert "period" in str(error), error
                return written
        return written

    def careless(number):
        """Never asks for the period: the guard alone stands in the way."""
        written = 0
        while not stop.is_set():
            try:
                with transaction.atomic():
                    insert_bill_with_digest(JANUARY, 100_000 * (number + 1) + written)
                written += 1
            except IntegrityError as error:
                assert "the period 2026-01 is soft_closed" in str(error), error
                return written
        return written

    def count():
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM costs_bill")
            return cursor.fetchone()[0]

    with ThreadPoolExecutor(6) as pool:
        writers = [pool.submit(_as, schema, lambda n=n: write(n)) for n in range(2)]
        writers += [pool.submit(_as, schema, lambda n=n: careless(n)) for n in range(2)]
        time.sleep(0.5)
        services.freeze(month=JANUARY, actor=person(1), now=NOW)
        at_freeze = count()
        time.sleep(0.2)
        stop.set()
        written = sum(writer.result(timeout=30) for writer in writers)
    assert written > 0
    assert count() == at_freeze == written + 1
    assert selectors.period(JANUARY).state is State.SOFT_CLOSED


def insert_bill_with_digest(month, version):
    statement = INSERT_BILL.replace("repeat('a', 64)", "md5(%s::text) || md5('x')")
    with connection.cursor() as cursor:
        cursor.execute(statement, [month.first_day, month.first_day, version, str(version)])


@pytest.mark.slow
def test_reopening_and_closing_the_next_month_cannot_pass_each_other(fresh_tenant):
    """Either the later month closes and the earlier stays closed, or the other way round."""
    schema = fresh_tenant.schema
    ada, grace = person(1), person(2)
    use(DECEMBER)
    use_again(JANUARY)
    close(DECEMBER, ada, grace)
    services.freeze(month=JANUARY, actor=ada, now=NOW)
    barrier = threading.Barrier(2)

    def reopen():
        barrier.wait()
        services.reopen(month=DECEMBER, actor=ada, approver=grace, reason="error", now=NOW)

    def lock():
        barrier.wait()
        services.lock(month=JANUARY, actor=ada, approver=grace, now=NOW)

    with ThreadPoolExecutor(2) as pool:
        done = [pool.submit(_as, schema, work) for work in (reopen, lock)]
        failures = [future.exception(timeout=30) for future in done]
    assert [failure is None for failure in failures].count(True) == 1
    states = (selectors.period(DECEMBER).state, selectors.period(JANUARY).state)
    assert states in {(State.CLOSED, State.CLOSED), (State.OPEN, State.SOFT_CLOSED)}


def use_again(month):
    insert_bill_with_digest(month, 1)


def test_a_month_is_held_inside_a_transaction_only(fresh_tenant):
    with pytest.raises(transaction.TransactionManagementError):
        services.hold_open(months=[JANUARY])
    with transaction.atomic():
        assert services.hold_open(months=[JANUARY]) == {JANUARY: State.OPEN}
