"""Runs the allocation of a month: read, decide, write, publish, in one transaction."""

from __future__ import annotations

import hashlib
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from apps.allocation.adapters.copying import write_axis, write_sources
from apps.allocation.adapters.texts import as_amount
from apps.allocation.domain.facts import RunFacts
from apps.allocation.domain.proof import ENGINE_VERSION, Sealer, source_totals
from apps.allocation.domain.rules import Axis
from apps.allocation.models import Run, RunState
from apps.allocation.selectors.inputs import Inputs, drivers_json, gather
from apps.allocation.selectors.rules import rules_json
from apps.allocation.selectors.runs import run_facts
from apps.allocation.services.turns import take_turn
from apps.audit import services as audit
from apps.core.breath import without_collections
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Conflict, Unprocessable
from apps.core.domain.money import EXACT
from apps.core.domain.months import Month
from apps.periods import services as periods


class MonthIsClosed(Conflict):
    """A closed month is never allocated again."""

    default_code = "period_closed"


class RatesMissing(Unprocessable):
    """The cost base cannot be converted completely."""

    default_code = "missing_rate"


@transaction.atomic
def run(*, month: Month, actor: Actor, now: datetime, sealed: UUID | None = None) -> RunFacts:
    """Allocate a month and publish the result in place of the one before.

    With unchanged inputs the published run stays and is returned, so repeating is free; runs of
    one month wait for each other. The database refuses a run that does not conserve. `sealed`
    names a run whose statements are issued: it is never taken again, so that a reopened month is
    closed on a run of its own.

    :raises MonthIsClosed: when the month is closed.
    :raises RatesMissing: when the month lacks an exchange rate that its cost needs.
    :raises DriverIsZero: when a rule with the policy `fail` has no driver value.
    :raises TrappedCost: when rules of one level leak nothing.
    """
    actor.require(Scope.ALLOCATION_WRITE)
    with without_collections():
        return _run(month, actor, now, sealed)


def _run(month: Month, actor: Actor, now: datetime, sealed: UUID | None) -> RunFacts:
    _hold(month)
    inputs = gather(month=month)
    require_rates(inputs)
    before = Run.objects.filter(month=month.first_day, state=RunState.PUBLISHED).first()
    if before is not None and _stands(before, inputs, sealed):
        return run_facts(before)
    row = write_run(inputs, actor=actor, now=now)
    if before is not None:
        before.supersede(at=now)
    row.publish(at=now)
    audit.record(
        actor=actor,
        action="allocation.published",
        subject="period",
        subject_id=str(month),
        detail={
            "run": row.public_id,
            "replaces": before.public_id if before is not None else None,
            "input_hash": row.input_hash,
            "output_hash": row.output_hash,
            "effective": row.effective,
        },
        at=now,
    )
    return run_facts(row)


def _stands(before: Run, inputs: Inputs, sealed: UUID | None) -> bool:
    return before.public_id != sealed and before.input_hash == inputs.digest


def require_rates(inputs: Inputs) -> None:
    """Pass when every amount could be converted to the tenant's currency.

    :raises RatesMissing: naming the pairs when not.
    """
    missing = [f"{pair.base}/{pair.quote}" for pair in inputs.base.missing_rates]
    if missing:
        raise RatesMissing(
            f"{inputs.month} lacks the exchange rate {', '.join(missing)}; enter it under "
            "Settings, Exchange rates."
        )


def _hold(month: Month) -> None:
    """Keep the month from being closed, and other runs of it waiting, until we are done."""
    take_turn(month)
    states = periods.hold_open(months=[month])
    if states[month].value == "closed":
        raise MonthIsClosed(f"{month} is closed; its allocation is final. Reopen the month first.")


def write_run(inputs: Inputs, *, actor: Actor, now: datetime, what_if: str = "") -> Run:
    """Write a run as a draft with all its rows; `what_if` names what it supposes, if it does.

    :raises NotConserved: when lines do not sum to sources, a defect of the engine.
    """
    row = _draft(inputs, actor=actor, now=now, what_if=what_if)
    sources = write_sources(run=row.pk, inputs=inputs)
    sealers = [write_axis(run=row.pk, inputs=inputs, axis=axis, sources=sources) for axis in Axis]
    for sealer in sealers:
        sealer.check()
    row.output_hash = _digest(sealers)
    row.line_count = sum(sealer.count for sealer in sealers)
    row.save(update_fields=["output_hash", "line_count"])
    return row


def _draft(inputs: Inputs, *, actor: Actor, now: datetime, what_if: str) -> Run:
    totals = source_totals(inputs.sources)
    rounding = inputs.rounding
    row = Run(
        month=inputs.month.first_day,
        currency=inputs.base.currency,
        input_hash=inputs.digest,
        output_hash="",
        sources_hash=inputs.sources_hash,
        engine_version=ENGINE_VERSION,
        source_count=len(inputs.sources),
        line_count=0,
        billed=Decimal(as_amount(totals.billed)),
        effective=Decimal(as_amount(totals.effective)),
        rounding=EXACT.divide(Decimal(rounding.numerator), Decimal(rounding.denominator)),
        is_what_if=bool(what_if),
        name=what_if,
        provisional_fx=inputs.base.provisional_fx,
        rules=rules_json(inputs.rules),
        drivers=_drivers_used(inputs),
        created_at=now,
        created_by=actor.label,
    )
    row.save(force_insert=True)
    return row


def _drivers_used(inputs: Inputs) -> dict[str, object]:
    """Return the values that rules of the run could split by, measured ones included."""
    return {
        axis.value: _plain(drivers_json(allocation.drivers))
        for axis, allocation in inputs.allocations.items()
    }


def _plain(values: dict[str, dict[str, dict[str, Decimal]]]) -> dict[str, object]:
    return {
        name: {
            code: {receiver: f"{value:f}" for receiver, value in found.items()}
            for code, found in drivers.items()
        }
        for name, drivers in values.items()
    }


def _digest(sealers: list[Sealer]) -> str:
    seal = hashlib.sha256()
    for sealer in sealers:
        seal.update(sealer.digest().encode())
    return seal.hexdigest()
