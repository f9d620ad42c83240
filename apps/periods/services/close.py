"""Freeze, close and reopen a month; every step is audited."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db import connection, transaction
from psycopg import sql

from apps.audit import services as audit
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Conflict, Forbidden, Invalid
from apps.core.domain.months import Month
from apps.periods.domain.calendar import PeriodFacts, PeriodMissing, State
from apps.periods.models import GuardedTable, Period


class WrongState(Conflict):
    """The month is not in the state that the step starts from."""

    default_code = "period_state"


class EarlierMonthOpen(Conflict):
    """An earlier month that was used is not closed yet."""

    default_code = "period_order"


class NotLatestClosed(Conflict):
    """Only the latest closed month can be reopened."""

    default_code = "period_order"


class SamePerson(Forbidden):
    """The person who prepared may not be the one who approves."""

    default_code = "same_person"


class ReasonMissing(Invalid):
    """The step is recorded with a reason, and none was given."""

    default_code = "reason_required"


@transaction.atomic
def freeze(
    *, month: Month, actor: Actor, now: datetime, price_book_version: int | None = None
) -> PeriodFacts:
    """Stop new entries of a month and pin its price book; the month's frozen rates apply now.

    Waits for every transaction that holds the month open. Repeating it on a frozen month changes
    nothing.

    :raises WrongState: when the month is closed.
    """
    actor.require(Scope.CLOSE_RUN)
    period = _locked(month)
    if period.state == State.SOFT_CLOSED.value:
        return period.facts
    _expect(period, State.OPEN)
    period.freeze(by=actor.label, at=now, price_book_version=price_book_version)
    _record(actor, "period.frozen", period, {"price_book_version": price_book_version}, now)
    return period.facts


@transaction.atomic
def unfreeze(*, month: Month, actor: Actor, reason: str, now: datetime) -> PeriodFacts:
    """Let a frozen month take entries again.

    :raises ReasonMissing: when the reason is blank.
    :raises WrongState: when the month is not frozen.
    """
    actor.require(Scope.CLOSE_RUN)
    _require_reason(reason)
    period = _locked(month)
    _expect(period, State.SOFT_CLOSED)
    period.open_again()
    _record(actor, "period.unfrozen", period, {"reason": reason.strip()}, now)
    return period.facts


@transaction.atomic
def lock(*, month: Month, actor: Actor, approver: Actor, now: datetime) -> PeriodFacts:
    """Close a frozen month for good, on the word of two people.

    Earlier months that hold no row at all were never used; they are closed along with it.

    :raises SamePerson: when `approver` is `actor`.
    :raises Forbidden: when no person stands behind the approver.
    :raises WrongState: when the month is not frozen.
    :raises EarlierMonthOpen: when an earlier month that was used is not closed.
    """
    actor.require(Scope.CLOSE_RUN)
    _require_second_person(actor, approver)
    earlier, period = _locked_up_to(month)
    _expect(period, State.SOFT_CLOSED)
    unused = [each for each in earlier if each.state != State.CLOSED.value]
    for each in unused:
        _require_unused(each, before=month)
    for each in [*unused, period]:
        _close(each, actor=actor, approver=approver, now=now)
    detail = {"approved_by": approver.label, "unused_months": [str(each) for each in unused]}
    _record(actor, "period.closed", period, detail, now)
    return period.facts


@transaction.atomic
def reopen(
    *, month: Month, actor: Actor, approver: Actor, reason: str, now: datetime
) -> PeriodFacts:
    """Open the latest closed month again, with a reason and a second person.

    Its documents stay sealed; closing it again issues replacements that name them.

    :raises ReasonMissing: when the reason is blank.
    :raises SamePerson: when `approver` is `actor`.
    :raises Forbidden: when no person stands behind the approver.
    :raises WrongState: when the month is not closed.
    :raises NotLatestClosed: when a later month is closed.
    """
    actor.require(Scope.CLOSE_RUN)
    _require_reason(reason)
    _require_second_person(actor, approver)
    period = _locked(month)
    _expect(period, State.CLOSED)
    later = Period.objects.filter(month__gt=period.month, state=State.CLOSED.value)
    if (latest := later.order_by("-month").first()) is not None:
        raise NotLatestClosed(f"{latest} is closed after {month}; reopen that one first.")
    period.reopen(by=actor.label, approved_by=approver.label, reason=reason.strip(), at=now)
    detail = {"approved_by": approver.label, "reason": reason.strip()}
    _record(actor, "period.reopened", period, detail, now)
    return period.facts


def _locked(month: Month) -> Period:
    period = Period.objects.select_for_update().filter(month=month.first_day).first()
    if period is None:
        raise PeriodMissing(f"The calendar has no period {month}.")
    return period


def _locked_up_to(month: Month) -> tuple[list[Period], Period]:
    rows = list(
        Period.objects.select_for_update().filter(month__lte=month.first_day).order_by("month")
    )
    if not rows or rows[-1].key != month:
        raise PeriodMissing(f"The calendar has no period {month}.")
    return rows[:-1], rows[-1]


def _expect(period: Period, state: State) -> None:
    if period.state != state.value:
        raise WrongState(f"{period} is {period.state}; this step starts from {state.value}.")


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise ReasonMissing("Say why; the reason is kept in the audit log.")


def _require_second_person(actor: Actor, approver: Actor) -> None:
    if not approver.is_person:
        raise Forbidden("A person has to approve; a service key cannot.", code="approver_no_person")
    if approver.user_id == actor.user_id or approver.label == actor.label:
        raise SamePerson("Another person than the one who prepared it has to approve.")


def _require_unused(period: Period, *, before: Month) -> None:
    if period.state != State.OPEN.value or _is_used(period):
        raise EarlierMonthOpen(f"Months close in order: close {period} before {before}.")


def earlier_to_close(*, month: Month) -> Month | None:
    """Return the first earlier month that must be closed before this one; None when none must.

    Locks nothing: `lock` decides.
    """
    for period in Period.objects.filter(month__lt=month.first_day).order_by("month"):
        if period.state != State.CLOSED.value and (
            period.state != State.OPEN.value or _is_used(period)
        ):
            return period.key
    return None


def _is_used(period: Period) -> bool:
    guarded = GuardedTable.objects.order_by("pk").values_list("table_name", "column_name")
    schema: str = connection.schema_name  # type: ignore[attr-defined]
    with connection.cursor() as cursor:
        for table, column in guarded:
            statement = sql.SQL("SELECT EXISTS (SELECT 1 FROM {} WHERE {} = %s)").format(
                sql.Identifier(schema, table), sql.Identifier(column)
            )
            cursor.execute(statement, [period.month])
            if cursor.fetchone()[0]:
                return True
    return False


def _close(period: Period, *, actor: Actor, approver: Actor, now: datetime) -> None:
    if period.state == State.OPEN.value:
        period.freeze(by=actor.label, at=now, price_book_version=None)
    period.close(
        by=actor.label,
        by_user=actor.user_id,
        approved_by=approver.label,
        approved_by_user=approver.user_id,
        at=now,
    )


def _record(
    actor: Actor, action: str, period: Period, detail: Mapping[str, object], now: datetime
) -> None:
    audit.record(
        actor=actor,
        action=action,
        subject="period",
        subject_id=str(period),
        detail=detail,
        at=now,
    )
