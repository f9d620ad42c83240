"""Set the exchange rates of a month."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

from django.db import IntegrityError, transaction

from apps.audit import services as audit
from apps.core.domain.access import Actor, Scope
from apps.core.domain.canonical import plain_decimal
from apps.core.domain.errors import Conflict, FieldError, Unprocessable
from apps.core.domain.months import Month
from apps.periods.domain.calendar import State
from apps.periods.domain.fx import FxRateFacts, RateKind, refusals_of_rate
from apps.periods.models import FxRate
from apps.periods.services.calendar import PeriodNotOpen, hold_open


class RateRefused(Unprocessable):
    """A field of the rate cannot be right."""

    default_code = "rate_refused"


class RateJustEntered(Conflict):
    """Somebody entered the same pair at the same moment."""

    default_code = "rate_just_entered"


@transaction.atomic
def set_rate(
    *,
    month: Month,
    base: str,
    quote: str,
    rate: Decimal,
    kind: RateKind,
    source: str,
    rate_on: date,
    actor: Actor,
    now: datetime,
) -> FxRateFacts:
    """Enter a rate: one unit of `base` is worth `rate` units of `quote`, with up to 12 decimals.

    Entered rates never change; entering a pair again adds a revision, and the last one counts.
    Entering what already counts adds nothing. A budget rate is taken while the month is open, a
    frozen one until it is closed.

    :raises RateRefused: when a currency, the rate or the source cannot be right; names the field.
    :raises RateJustEntered: when somebody enters the same pair at this moment.
    :raises PeriodNotOpen: when the month no longer takes a rate of that kind.
    :raises PeriodMissing: when the calendar lacks the month.
    """
    actor.require(Scope.PRICES_WRITE)
    entered = FxRateFacts(month, base, quote, rate, kind, source.strip(), rate_on)
    _refuse(refusals_of_rate(entered))
    _require_writable(month, kind)
    latest = _latest(entered)
    if latest is not None and _says_the_same(latest.facts, entered):
        return latest.facts
    revised = replace(entered, revision=1 if latest is None else latest.revision + 1)
    _insert(revised, actor=actor, now=now)
    _record(revised, actor=actor, now=now)
    return revised


def _refuse(errors: tuple[FieldError, ...]) -> None:
    if errors:
        raise RateRefused(errors[0].message, errors=errors)


def _require_writable(month: Month, kind: RateKind) -> None:
    state = hold_open(months=[month])[month]
    if state is State.CLOSED or (kind is RateKind.BUDGET and state is not State.OPEN):
        raise PeriodNotOpen(f"{month} is {state.value} and takes no {kind.value} rate any more.")


def _latest(rate: FxRateFacts) -> FxRate | None:
    return (
        FxRate.objects.filter(
            month=rate.month.first_day, base=rate.base, quote=rate.quote, kind=rate.kind.value
        )
        .order_by("-revision")
        .first()
    )


def _insert(rate: FxRateFacts, *, actor: Actor, now: datetime) -> None:
    try:
        with transaction.atomic():
            FxRate.objects.create(
                month=rate.month.first_day,
                base=rate.base,
                quote=rate.quote,
                rate=rate.rate,
                kind=rate.kind.value,
                revision=rate.revision,
                source=rate.source,
                rate_on=rate.rate_on,
                entered_by=actor.label,
                created_at=now,
            )
    except IntegrityError as error:
        raise RateJustEntered(
            f"Another rate from {rate.base} to {rate.quote} was entered for {rate.month} at this "
            "moment; look at it before you enter yours."
        ) from error


def _record(rate: FxRateFacts, *, actor: Actor, now: datetime) -> None:
    audit.record(
        actor=actor,
        action="fx_rate.set",
        subject="period",
        subject_id=str(rate.month),
        detail={
            "pair": f"{rate.base}/{rate.quote}",
            "rate": plain_decimal(rate.rate),
            "kind": rate.kind.value,
            "revision": rate.revision,
            "source": rate.source,
            "rate_on": rate.rate_on.isoformat(),
        },
        at=now,
    )


def _says_the_same(one: FxRateFacts, other: FxRateFacts) -> bool:
    return (one.rate, one.source, one.rate_on) == (other.rate, other.source, other.rate_on)
