"""Puts the prices of closed months right, and brings reopened months up to date."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from apps.audit import services as audit
from apps.budgets import services as budgets
from apps.core.domain.access import Actor
from apps.core.domain.canonical import plain_decimal
from apps.core.domain.errors import Invalid
from apps.core.domain.money import EXACT
from apps.core.domain.months import Month
from apps.ingest.services.locks import again_when_moved, booking_transaction, hold
from apps.ingest.services.meanings import (
    CostChange,
    LineChange,
    change_of,
    lines_of,
    require_whole_sight,
)
from apps.periods import selectors as periods
from apps.rating import selectors as rating
from apps.usage import services as usage


class ReasonMissing(Invalid):
    """A price correction is recorded with a reason, and none was given."""

    default_code = "reason_required"


def correct_prices(
    *, month: Month, reason: str, actor: Actor, now: datetime
) -> usage.PricesCorrected:
    """Book the difference that the prices in force make to a month that is no longer open.

    The month's own rollups, documents and prices stay; the difference is booked in the next open
    month and names the month that it corrects. Repeating it books nothing.

    :raises MonthIsOpen: when the month is open: adopting prices rates it again.
    :raises ReasonMissing: when the reason is blank.
    """
    require_whole_sight(actor)
    if not reason.strip():
        raise ReasonMissing("Say why; the reason is kept with the correction.")

    def attempt() -> usage.PricesCorrected:
        sheet, calendar = usage.current_sheet()
        with booking_transaction(sheet):
            booked_in = hold([month], calendar)(month)
            order = usage.Correcting(month, booked_in, reason.strip(), actor, now)
            result = usage.book_price_corrections(order=order)
            if result.facts:
                budgets.recount(now=now)
                _record(result, order, "prices.corrected")
        return result

    return again_when_moved(attempt)


@dataclass(frozen=True, slots=True)
class PriceCorrectionForesight:
    """What correcting a month's prices would book: where, how many facts, and their sums.

    `booked_in` is None when every later month is frozen or closed too.
    """

    month: Month
    booked_in: Month | None
    version: int
    facts: int
    difference: Mapping[str, Decimal]
    lines: tuple[LineChange, ...]


def foresee_correction(*, month: Month, actor: Actor) -> PriceCorrectionForesight:
    """Return what `correct_prices` would book now; writes nothing.

    :raises MonthIsOpen: when the month is open: adopting prices rates it again.
    """
    require_whole_sight(actor)
    period = periods.period(month)
    if period.is_open:
        raise usage.MonthIsOpen(f"{month} is open; adopting prices rates it again.")
    with usage.nothing_kept():
        before = rating.price_book(version=usage.version_of(period))
        moves = usage.foresee(month=month, before=before, after=rating.price_book())
    cost = change_of(moves)
    return PriceCorrectionForesight(
        month=month,
        booked_in=_next_open(month),
        version=rating.current_version().version,
        facts=len(moves),
        difference=_difference(cost),
        lines=lines_of(moves),
    )


def _next_open(month: Month) -> Month | None:
    return next((each for each in periods.open_months() if each > month), None)


def _difference(cost: CostChange) -> dict[str, Decimal]:
    sums = {
        currency: EXACT.subtract(
            cost.after.get(currency, Decimal(0)), cost.before.get(currency, Decimal(0))
        )
        for currency in sorted({*cost.before, *cost.after})
    }
    return {currency: amount for currency, amount in sums.items() if amount}


def refresh_reopened(*, month: Month, actor: Actor, now: datetime) -> usage.Rerating:
    """Rate a month that was opened again with the prices in force, once for all.

    Its own rollups follow what was adopted while it was closed; price corrections that were
    booked for it meanwhile are taken back, so that nothing counts twice. The door that unfreezes
    or reopens a month enqueues it (`ingest.tasks.refresh_reopened`): it rebuilds from all events,
    those that came in between too, and repeating it changes nothing.
    """
    if month in usage.months_with_corrections():
        sheet, calendar = usage.current_sheet()
        with booking_transaction(sheet):
            booked_in = hold([month + 1], calendar)(month + 1)
            order = usage.Correcting(month, booked_in, "the month was reopened", actor, now)
            result = usage.undo_price_corrections(order=order)
            if result.facts:
                budgets.recount(now=now)
                _record(result, order, "prices.correction_undone")
    return again_when_moved(lambda: _rerated(month, actor, now))


def _rerated(month: Month, actor: Actor, now: datetime) -> usage.Rerating:
    """Rate a month again under the locks of budgets too, as rating audits before it ends."""
    sheet, calendar = usage.current_sheet()
    with booking_transaction(sheet):
        hold([month], calendar)
        budgets.hold_still()
        result = usage.rerate(month=month, actor=actor, now=now)
        budgets.recount(now=now)
    return result


def _record(result: usage.PricesCorrected, order: usage.Correcting, action: str) -> None:
    audit.record(
        actor=order.actor,
        action=action,
        subject="period",
        subject_id=str(result.month),
        detail={
            "booked_in": str(result.booked_in),
            "price_book_version": result.version,
            "facts": result.facts,
            "difference": {
                currency: plain_decimal(amount) for currency, amount in result.difference.items()
            },
            "reason": order.reason,
        },
        at=order.now,
    )
