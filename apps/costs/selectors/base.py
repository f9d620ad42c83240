"""The cost base of a month: rated usage and provider bills, each counted once, in one currency."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from apps.core.domain.money import EXACT
from apps.core.domain.months import Month
from apps.costs.domain.accounts import AccountFacts, Accounts, Truth
from apps.costs.domain.assemble import charged, distinct, in_currency, metered, trued_up
from apps.costs.domain.lines import (
    Basis,
    CostBase,
    CostLine,
    Foreign,
    MissingPair,
    negated,
    sealed,
    total,
)
from apps.costs.domain.reports import Totals
from apps.costs.selectors.accounts import accounts
from apps.costs.selectors.bills import BookedBill, booked_in, charge_groups
from apps.directory import selectors as directory
from apps.periods import selectors as periods
from apps.periods.domain.calendar import PeriodFacts
from apps.periods.domain.fx import FxTable, MissingRate
from apps.rating import selectors as rating
from apps.tenants import selectors as tenants
from apps.usage import selectors as usage


def cost_base(*, month: Month) -> CostBase:
    """Return everything that a month costs, one line a thing, in the tenant's currency.

    1. Usage booked in the month at the prices it was rated by; of an account whose bill is the
       truth only while that bill is not there (accrued).
    2. The charges of bills booked in the month, of accounts whose bill is the truth; what earlier
       months had booked for the same billing month is taken back.
    3. For accounts that are trued up, one line that makes their total the bill's.
    4. Every line is converted once, at the month's rate: budget until the freeze, then frozen.

    Equal inputs give equal lines, keys and hash. What has no price or no rate is not in the lines
    and is named instead. About fifteen queries, whatever the number of lines.

    :raises PeriodMissing: when the calendar has no such month.
    """
    return _Assembly(periods.period(month)).base()


def attribution_of(month: Month) -> directory.Attribution:
    """Return the directory as a month sees it: as of its close, else as it is now."""
    return directory.attribution(known_at=periods.period(month).closed_at)


class _Assembly:
    """Reads the parts of one month once and puts them together."""

    def __init__(self, period: PeriodFacts) -> None:
        self.month = period.month
        self.currency = tenants.current().currency
        self.accounts: Accounts = accounts(period.month)
        self.fx: FxTable = periods.fx(period.month)
        self.changes = directory.attribution(known_at=period.closed_at).change_dates
        self.bills: list[BookedBill] = booked_in(period.month)
        self.missing: list[MissingPair] = []

    def base(self) -> CostBase:
        lines = self._converted([*self._metered(), *self._charged()])
        lines += self._reversed()
        lines += self._trued_up(lines)
        return sealed(
            CostBase(
                month=self.month,
                currency=self.currency,
                lines=tuple(distinct(lines)),
                unpriced=tuple(usage.unpriced(month=self.month)),
                missing_rates=tuple(self.missing),
                provisional_fx=self.fx.provisional,
            )
        )

    def _metered(self) -> list[Foreign]:
        rollups = usage.period_rollups(month=self.month, breaks=self.changes)
        prices = rating.prices({row.price_id for row in rollups})
        own = {bill.account for bill in self.bills if bill.billing_month == self.month}
        return metered(rollups, prices, self.accounts, frozenset(own))

    def _charged(self) -> list[Foreign]:
        groups = charge_groups(self._of(Truth.BILLED), period=self.month, change_dates=self.changes)
        return charged(groups, month=self.month)

    def _converted(self, foreign: Iterable[Foreign]) -> list[CostLine]:
        lines, missing = in_currency(foreign, fx=self.fx, currency=self.currency)
        self.missing += missing
        return lines

    def _reversed(self) -> list[CostLine]:
        """Return what takes back earlier months' versions, or their accruals, of late bills."""
        found: list[CostLine] = []
        for bill in self._of(Truth.BILLED):
            if bill.billing_month == self.month:
                continue
            if bill.earlier_periods:
                before = cost_base(month=bill.earlier_periods[-1])
                taken = [line for line in before.lines if _is_charge_of(line, bill, before.month)]
            else:
                before = cost_base(month=bill.billing_month)
                taken = self._usage_of(bill, before.lines)
            found += [negated(line, original_month=bill.billing_month) for line in taken]
        return found

    def _trued_up(self, lines: Iterable[CostLine]) -> list[CostLine]:
        known = list(lines)
        found: list[CostLine] = []
        for bill in self._of(Truth.TRUED_UP):
            account = self._account(bill)
            sums = self._bill_in_currency(bill)
            if account is None or sums is None:
                continue
            line = trued_up(
                account,
                billing_month=bill.billing_month,
                month=self.month,
                currency=self.currency,
                booked=_sums([*self._booked_before(bill, known)]),
                bill=(sums.billed, sums.effective),
            )
            found += [line] if line else []
        return found

    def _booked_before(self, bill: BookedBill, lines: list[CostLine]) -> list[CostLine]:
        """Return the lines that already stand for what the bill is about."""
        if bill.billing_month == self.month:
            return self._usage_of(bill, lines)
        metered_then = self._usage_of(bill, cost_base(month=bill.billing_month).lines)
        later = [
            line
            for period in bill.earlier_periods
            for line in cost_base(month=period).lines
            if line.basis is Basis.TRUE_UP
            and line.provider_account == bill.account
            and (line.original_month or str(period)) == str(bill.billing_month)
        ]
        return [*metered_then, *later]

    def _usage_of(self, bill: BookedBill, lines: Iterable[CostLine]) -> list[CostLine]:
        account = self._account(bill)
        if account is None or not account.provider:
            return []
        return [
            line
            for line in lines
            if line.origin == "usage"
            and self.accounts.of_usage(provider=line.provider, account=line.account) == account
        ]

    def _bill_in_currency(self, bill: BookedBill) -> Totals | None:
        billed, effective = Decimal(0), Decimal(0)
        for currency, sums in bill.totals.items():
            try:
                rate = self.fx.rate(currency, self.currency).rate
            except MissingRate:
                self.missing.append(MissingPair(currency, self.currency, 1, sums.effective))
                return None
            billed = EXACT.add(billed, EXACT.multiply(sums.billed, rate))
            effective = EXACT.add(effective, EXACT.multiply(sums.effective, rate))
        return Totals(billed, effective)

    def _of(self, truth: Truth) -> list[BookedBill]:
        return [
            bill
            for bill in self.bills
            if (account := self._account(bill)) is not None and account.truth is truth
        ]

    def _account(self, bill: BookedBill) -> AccountFacts | None:
        return self.accounts.by_code(bill.account)


def _is_charge_of(line: CostLine, bill: BookedBill, booked_in_month: Month) -> bool:
    return (
        line.basis is Basis.BILLED
        and line.provider_account == bill.account
        and (line.original_month or str(booked_in_month)) == str(bill.billing_month)
    )


def _sums(lines: Iterable[CostLine]) -> tuple[Decimal, Decimal]:
    known = list(lines)
    return total(line.billed for line in known), total(line.effective for line in known)
