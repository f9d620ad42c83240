"""Compare the stages of a month and keep what was found."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from apps.audit import services as audit
from apps.core.domain.access import Actor, Scope
from apps.core.domain.months import Month
from apps.costs.domain.checks import ReconcileReport
from apps.costs.models import ProviderAccount, Reconciliation
from apps.costs.selectors.reconciliation import reconciliation
from apps.periods import services as calendar
from apps.periods.domain.calendar import State


@transaction.atomic
def reconcile(*, month: Month, actor: Actor, now: datetime) -> ReconcileReport:
    """Prove events = rollups = cost base, bills = their charges; keep each account's variance.

    Of a closed month nothing is kept: what was found at its close stands. Whoever stands above
    adds allocation and statements.

    :raises PeriodMissing: when the calendar has no such month.
    """
    actor.require(Scope.COSTS_READ)
    state = calendar.hold_open(months=[month])[month]
    report = reconciliation(month=month)
    if state is not State.CLOSED:
        _keep(report, actor=actor, now=now)
        audit.record(
            actor=actor,
            action="period.reconciled",
            subject="period",
            subject_id=str(month),
            detail={
                "sound": report.is_sound,
                "base_hash": report.base_hash,
                "differences": {
                    f"{check.name} {check.currency}": check.difference
                    for check in report.checks
                    if check.difference
                },
                "differing_rollups": len(report.differing_rollups),
            },
            at=now,
        )
    return report


def _keep(report: ReconcileReport, *, actor: Actor, now: datetime) -> None:
    ids = dict(ProviderAccount.objects.values_list("code", "pk"))
    Reconciliation.objects.bulk_create(
        Reconciliation(
            period=report.month.first_day,
            provider_account_id=ids[found.account],
            currency=report.currency,
            metered=found.metered,
            billed=found.billed,
            truth=found.truth.value,
            base_hash=report.base_hash,
            found_at=now,
            found_by=actor.label,
        )
        for found in report.accounts
        if found.metered is not None
    )
