"""Enters driver values of a month: headcount, or whatever else cost is split by."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final

from django.db import IntegrityError, transaction

from apps.allocation.domain.rules import MEASURED_DRIVERS, OUTCOMES_DRIVER, Axis
from apps.allocation.models import Driver
from apps.allocation.selectors.inputs import known_receivers
from apps.audit import services as audit
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Conflict, FieldError, Unprocessable
from apps.core.domain.months import Month
from apps.periods import services as periods

_MOST: Final = Decimal(10) ** 18
_LETTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.")


class DriverRefused(Unprocessable):
    """The driver values cannot be kept; `errors` says which and why."""

    default_code = "driver_refused"


class DriverMonthClosed(Conflict):
    """The driver values of a closed month are final."""

    default_code = "period_closed"


@transaction.atomic
def set_driver_values(
    *,
    code: str,
    axis: Axis,
    month: Month,
    values: Mapping[str, Decimal],
    actor: Actor,
    now: datetime,
) -> int:
    """Enter the values of a driver by receiver and return how many changed.

    Receivers that are not named keep their value; zero withdraws one. Earlier revisions stay.

    :raises DriverRefused: when the code is reserved, a receiver unknown, or a value out of range.
    :raises DriverMonthClosed: when the month is closed.
    """
    actor.require(Scope.ALLOCATION_WRITE)
    errors = driver_errors(code=code, axis=axis, month=month, values=values)
    if errors:
        raise DriverRefused(errors[0].message, errors=tuple(errors))
    if periods.hold_open(months=[month])[month].value == "closed":
        raise DriverMonthClosed(f"{month} is closed; its driver values are final.")
    rows = [
        Driver(
            code=code,
            axis=axis.value,
            month=month.first_day,
            receiver=receiver,
            revision=revision,
            value=values[receiver],
            created_at=now,
            created_by=actor.label,
        )
        for receiver, revision in _changed(code, axis, month, values)
    ]
    if not rows:
        return 0
    try:
        with transaction.atomic():
            Driver.objects.bulk_create(rows)
    except IntegrityError as error:
        if "allocation_driver_one_per_revision" not in str(error):
            raise
        raise Conflict(
            f"Somebody entered {code} at the same moment; reload and try again.",
            code="driver_changed",
        ) from None
    audit.record(
        actor=actor,
        action="allocation_driver.entered",
        subject="period",
        subject_id=str(month),
        detail={"driver": code, "axis": axis.value, "values": {r.receiver: r.value for r in rows}},
        at=now,
    )
    return len(rows)


def _changed(
    code: str, axis: Axis, month: Month, values: Mapping[str, Decimal]
) -> list[tuple[str, int]]:
    """Return the receivers whose value differs from the kept one, with their next revision."""
    latest: dict[str, Driver] = {}
    known = Driver.objects.filter(code=code, axis=axis.value, month=month.first_day)
    for row in known.order_by("revision", "id"):
        latest[row.receiver] = row
    return [
        (receiver, latest[receiver].revision + 1 if receiver in latest else 1)
        for receiver, value in sorted(values.items())
        if receiver not in latest or latest[receiver].value != value
    ]


def driver_errors(
    *, code: str, axis: Axis, month: Month, values: Mapping[str, Decimal]
) -> list[FieldError]:
    """Return why values would be refused: of `code` first, then of `values.RECEIVER` in order."""
    return _wrong_code(code) + _wrong_values(axis, month, values)


def _wrong_code(code: str) -> list[FieldError]:
    errors = []
    if not code or len(code) > 64 or not set(code) <= _LETTERS:
        errors.append(
            FieldError("code", "code", "Use small letters, digits, dashes, dots and underscores.")
        )
    if code in (*MEASURED_DRIVERS, OUTCOMES_DRIVER):
        errors.append(FieldError("code", "reserved", f"{code} is measured by the platform itself."))
    return errors


def _wrong_values(axis: Axis, month: Month, values: Mapping[str, Decimal]) -> list[FieldError]:
    errors = []
    known = known_receivers(month)[axis]
    for receiver, value in sorted(values.items()):
        if receiver not in known:
            errors.append(
                FieldError(
                    f"values.{receiver[:64]}",
                    "unknown_receiver",
                    f"No {axis.value} is registered as {receiver[:64]}.",
                )
            )
        elif not value.is_finite() or not 0 <= value < _MOST or value != round(value, 6):
            errors.append(
                FieldError(
                    f"values.{receiver}",
                    "range",
                    "Give a number from 0 to below 10^18 with up to 6 decimals.",
                )
            )
    return errors
