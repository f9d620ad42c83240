"""Puts the cost base of one month together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from typing import Final

from apps.core.domain.money import EXACT
from apps.core.domain.months import Month
from apps.costs.domain.accounts import AccountFacts, Accounts, Truth
from apps.costs.domain.assemble import charged, distinct, in_currency, trued_up
from apps.costs.domain.lines import (
    Basis,
    CostBase,
    CostLine,
    MissingPair,
    negated,
    sealed,
    total,
)
from apps.costs.domain.metering import metered
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
from apps.usage.domain.feeds import Stream

LATE_MONTHS: Final = 13
"""How far back late usage is told apart by month; the calendar reaches no further by default."""


class Assembly:
    """Reads the parts of one month once and puts them together."""

    def __init__(self, period: PeriodFacts) -> None:
        self.month = period.month
        self.currency = tenants.current().currency
        self.accounts: Accounts = accounts(period.month)
        self.fx: FxTable = periods.fx_of(period)
        self.attribution = directory.attribution(known_at=period.closed_at)
        self.changes = self.attribution.change_dates
        self.bills: list[BookedBill] = booked_in(period.month)
        self.missing: list[MissingPair] = []

    def bills_of(self, truth: Truth) -> list[BookedBill]:
        """Return the bills booked in the month of accounts with that truth."""
        return [
            bill
            for bill in self.bills
            if (account := self._account(bill)) is not None and account.truth is truth
        ]

    def base(self) -> CostBase:
        """Return the cost base; see `cost_base`."""
        lines = self._converted([*self._metered(), *self._charged()])
        lines += self._reversed()
        lines += self._trued_up(lines)
        return sealed(
            CostBase(
                month=self.month,
                currency=self.currency,
                lines=tuple(distinct(lines)),
                unpriced=tuple(
                    usage.unpriced_in(self.rollups, month=self.month, declared=self._declared)
                ),
                missing_rates=tuple(self.missing),
                provisional_fx=self.fx.provisional and self._converts(lines),
            )
        )

    def _declared(self, stream: Stream) -> str | None:
        return self.accounts.feed_of(
            provider=stream.provider, account=stream.account, model=stream.model
        )

    def _converts(self, lines: Iterable[CostLine]) -> bool:
        """Tell whether any amount rests on an exchange rate."""
        return any(line.original_currency != self.currency for line in lines)

    @cached_property
    def rollups(self) -> Sequence[usage.RollupRow]:
        """Return the usage booked in the month; late usage apart, by the month it was used in."""
        used_in = (self.month - back for back in range(LATE_MONTHS + 1))
        breaks = {*self.changes, *(month.first_day for month in used_in)}
        return usage.period_rollups(month=self.month, breaks=sorted(breaks))

    @property
    def billed_accounts(self) -> frozenset[str]:
        """Return the accounts whose bill for the month is there."""
        return frozenset(bill.account for bill in self.bills if bill.billing_month == self.month)

    def _metered(self) -> list[CostLine]:
        prices = rating.prices({row.price_id for row in self.rollups})
        return metered(self.rollups, prices, self.accounts, self.billed_accounts, self.currency)

    def _charged(self) -> list[CostLine]:
        groups = charge_groups(
            self.bills_of(Truth.BILLED), period=self.month, change_dates=self.changes
        )
        return charged(groups, month=self.month)

    def _converted(self, unconverted: Iterable[CostLine]) -> list[CostLine]:
        lines, missing = in_currency(unconverted, fx=self.fx, currency=self.currency)
        self.missing += missing
        return lines

    def _reversed(self) -> list[CostLine]:
        """Return what takes back earlier months' versions, or their accruals, of late bills."""
        found: list[CostLine] = []
        for bill in self.bills_of(Truth.BILLED):
            if bill.billing_month == self.month:
                continue
            if bill.earlier_periods:
                before = _base_of(bill.earlier_periods[-1])
                taken = [line for line in before.lines if _is_charge_of(line, bill, before.month)]
            else:
                before = _base_of(bill.billing_month)
                taken = self.usage_of(bill, before.lines)
            found += [negated(line, original_month=bill.billing_month) for line in taken]
        return found

    def _trued_up(self, lines: Iterable[CostLine]) -> list[CostLine]:
        known = list(lines)
        found: list[CostLine] = []
        for bill in self.bills_of(Truth.TRUED_UP):
            account = self._account(bill)
            sums = self.bill_in_currency(bill)
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
            return self.usage_of(bill, lines)
        metered_then = self.usage_of(bill, _base_of(bill.billing_month).lines)
        later = [
            line
            for period in bill.earlier_periods
            for line in _base_of(period).lines
            if line.basis is Basis.TRUE_UP
            and line.provider_account == bill.account
            and (line.original_month or str(period)) == str(bill.billing_month)
        ]
        return [*metered_then, *later]

    def usage_of(self, bill: BookedBill, lines: Iterable[CostLine]) -> list[CostLine]:
        """Return the metered lines that a bill covers."""
        account = self._account(bill)
        if account is None or not account.provider:
            return []
        return [
            line
            for line in lines
            if line.origin == "usage"
            and self.accounts.of_usage(provider=line.provider, account=line.account) == account
        ]

    def bill_in_currency(self, bill: BookedBill) -> Totals | None:
        """Return a bill's sums in the tenant's currency; None, and noted, without a rate."""
        billed, effective = Decimal(0), Decimal(0)
        for currency, sums in bill.totals.items():
            rate = self._rate(currency)
            if rate is None:
                self.missing.append(MissingPair(currency, self.currency, 1, sums.effective))
                return None
            billed = EXACT.add(billed, EXACT.multiply(sums.billed, rate))
            effective = EXACT.add(effective, EXACT.multiply(sums.effective, rate))
        return Totals(billed, effective)

    def in_currency(self, sums: Mapping[str, Decimal]) -> Decimal | None:
        """Return sums by currency as one amount in the tenant's; None without a rate."""
        amount = Decimal(0)
        for currency, part in sums.items():
            rate = self._rate(currency)
            if rate is None:
                return None
            amount = EXACT.add(amount, EXACT.multiply(part, rate))
        return amount

    def _rate(self, currency: str) -> Decimal | None:
        try:
            return self.fx.rate(currency, self.currency).rate
        except MissingRate:
            return None

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


def assembly_of(month: Month) -> Assembly:
    """Return the parts of a month.

    :raises PeriodMissing: when the calendar has no such month.
    """
    return Assembly(periods.period(month))


def _base_of(month: Month) -> CostBase:
    return assembly_of(month).base()
