"""Proves that events, rollups, bills and the cost base of a month are the same money."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from apps.core.domain.months import Month
from apps.costs.domain.accounts import AccountFacts, Truth
from apps.costs.domain.checks import AccountVariance, Check, ReconcileReport, added, compare
from apps.costs.domain.lines import Basis, CostBase, CostLine
from apps.costs.domain.metering import sums_by_currency, uncounted
from apps.costs.selectors.assembly import Assembly, assembly_of
from apps.costs.selectors.bills import BookedBill, charge_groups
from apps.usage import services as usage_proofs

_USAGE: Final = frozenset({Basis.METERED, Basis.ACCRUED})


def reconciliation(*, month: Month) -> ReconcileReport:
    """Compare the stages of a month below allocation; reads only, and reads every event.

    1. Rollups against what the events say when they are summed again.
    2. Rated usage against the usage in the cost base and what a bill or another feed stands for.
    3. The totals that bills had when they were imported against their lines, and against the
       charges in the cost base.
    4. Per provider account: our metering beside its bill.

    :raises PeriodMissing: when the calendar has no such month.
    """
    assembly = assembly_of(month)
    base = assembly.base()
    return ReconcileReport(
        month=month,
        currency=base.currency,
        checks=(*_usage_checks(assembly, base), *_bill_checks(assembly, base)),
        accounts=tuple(_variances(assembly)),
        differing_rollups=tuple(usage_proofs.verify_rollups(months=[month])),
        unpriced=base.unpriced,
        missing_rates=base.missing_rates,
        base_hash=base.hash,
    )


def reconciliation_of_accounts(*, month: Month) -> tuple[AccountVariance, ...]:
    """Return our metering of every declared account beside its bill; reads no events.

    :raises PeriodMissing: when the calendar has no such month.
    """
    return tuple(_variances(assembly_of(month)))


def _usage_checks(assembly: Assembly, base: CostBase) -> Iterable[Check]:
    """Yield nothing while a rate is missing: what has none is not in the base, and is named."""
    if base.missing_rates:
        return
    beside = uncounted(assembly.rollups, assembly.accounts, assembly.billed_accounts)
    counted = _originals(line for line in base.lines if line.basis in _USAGE)
    yield from compare(
        "usage",
        ("rated usage", "usage in the cost base and what a bill or another feed stands for"),
        sums_by_currency(assembly.rollups),
        added(counted, beside),
    )


def _bill_checks(assembly: Assembly, base: CostBase) -> Iterable[Check]:
    groups = charge_groups(assembly.bills, period=assembly.month, change_dates=())
    yield from compare(
        "bills",
        ("totals as imported", "lines of the bills"),
        added(*map(_effective, assembly.bills)),
        added(*({group.currency: group.effective} for group in groups)),
    )
    if not base.missing_rates:
        yield from compare(
            "charges",
            ("bills that count", "charges in the cost base"),
            added(*map(_effective, assembly.bills_of(Truth.BILLED))),
            _originals(line for line in base.lines if line.basis is Basis.BILLED),
        )


def _variances(assembly: Assembly) -> Iterable[AccountVariance]:
    own = {bill.account: bill for bill in assembly.bills if bill.billing_month == assembly.month}
    for account in assembly.accounts.declared:
        bill = own.get(account.code)
        yield AccountVariance(
            account=account.code,
            truth=account.truth,
            metered=_metered(assembly, account),
            billed=None if bill is None else assembly.in_currency(_effective(bill)),
        )


def _metered(assembly: Assembly, account: AccountFacts) -> Decimal | None:
    """Return our metering of an account, whether it counts or not, in the tenant's currency."""
    return assembly.in_currency(
        sums_by_currency(
            row
            for row in assembly.rollups
            if assembly.accounts.of_usage(provider=row.sku.provider, account=row.account) == account
            and row.feed
            == assembly.accounts.feed_of(
                provider=row.sku.provider, account=row.account, model=row.sku.model
            )
        )
    )


def _originals(lines: Iterable[CostLine]) -> dict[str, Decimal]:
    return {
        currency: amount
        for currency, amount in added(
            *({line.original_currency: line.original_amount} for line in lines)
        ).items()
        if currency
    }


def _effective(bill: BookedBill) -> dict[str, Decimal]:
    return {currency: sums.effective for currency, sums in bill.totals.items()}
