"""Import a provider's bill as delivered: whole, once, and never into a closed month."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import IO, Any

from django.db import transaction
from django.db.models import Max

from apps.audit import services as audit
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Conflict, Missing, Unprocessable
from apps.core.domain.months import Month
from apps.costs.adapters import tables
from apps.costs.adapters.copy import copy_lines
from apps.costs.domain.reports import ImportReport, Totals
from apps.costs.domain.survey import MonthSurvey, Survey, charges, survey
from apps.costs.models import Bill, ProviderAccount
from apps.costs.selectors.bills import bill_facts, totals_of
from apps.periods import selectors as periods
from apps.periods import services as calendar
from apps.periods.domain.calendar import NoOpenPeriod, TimeBeforeFirstPeriod


class NothingToBook(Unprocessable):
    """No row of the file can be booked."""

    default_code = "nothing_to_book"


class SliverOfAnotherBill(Conflict):
    """Beside its own month the file holds a few charges of one whose larger bill is there."""

    default_code = "bill_sliver"


class AccountMissing(Missing):
    """No provider account of that code is declared."""

    default_code = "provider_account_not_found"


def import_focus(
    *,
    file: IO[bytes],
    provider_account: str,
    actor: Actor,
    now: datetime,
    file_name: str = "",
    shift_months: int = 0,
) -> ImportReport:
    """Book a FOCUS file (1.0 to 1.4, CSV, UTF-8, plain or gzip) as bills of a provider account.

    1. Read the file once: months, sums, what is odd, what cannot be booked.
    2. Each billing month becomes one bill, the next version of the account's bill for it; a version
       supersedes the ones before it whole. A month that is no longer open is booked in the next
       open one (rule 17).
    3. Read it again into the database by COPY.

    Safe to repeat: the same file is the same bill, however often and whenever it comes. Rows that
    cannot be booked are left out, counted on the bill and reported. `file` has to be seekable;
    `shift_months` moves all its dates by whole months, amounts untouched.

    :raises AccountMissing: when the account is not declared.
    :raises FileRefused: when the file cannot be read as a table.
    :raises HeaderRefused: when required columns are absent.
    :raises NothingToBook: when no row can be booked.
    :raises SliverOfAnotherBill: when a few stray charges would supersede a larger bill.
    :raises TimeBeforeFirstPeriod: when a billing month lies before the calendar.
    """
    actor.require(Scope.BILLING_WRITE)
    seal = tables.digest(file)
    with tables.rows(file) as numbered:
        found = survey(numbered, shift_months=shift_months)
    if not found.rows:
        raise _nothing(found)
    source = {
        "source_sha256": seal,
        "file_name": _printable(file_name),
        "shift_months": shift_months,
        "imported_at": now,
        "imported_by": actor.label,
    }
    with transaction.atomic():
        account, known, new = _bills(provider_account, found, source)
        if new:
            with tables.rows(file) as numbered:
                copy_lines(
                    charges(numbered, shift_months=shift_months),
                    bills={str(Month.of(bill.billing_month)): bill for bill in new},
                )
            _record(actor, account, new, now)
    return _report(known, new, found)


def _bills(
    code: str, found: Survey, source: Mapping[str, Any]
) -> tuple[ProviderAccount, list[Bill], list[Bill]]:
    """Return the account, the bills that were there before, and the new ones, still empty."""
    booked = _hold_booking_months(found.months)
    account = ProviderAccount.objects.select_for_update().filter(code=code).first()
    if account is None:
        raise AccountMissing(f"There is no provider account {code}; declare it first.")
    known, new = [], []
    for month in sorted(found.months):
        before = Bill.objects.filter(
            provider_account=account,
            billing_month=month.first_day,
            source_sha256=source["source_sha256"],
            shift_months=source["shift_months"],
        ).first()
        if before is not None:
            known.append(before)
        else:
            new.append(_new_bill(account, month, booked[month], found, source))
    return account, known, new


def _hold_booking_months(months: Mapping[Month, MonthSurvey]) -> dict[Month, Month]:
    """Return the period that books each billing month, shared until the transaction ends."""
    book = periods.calendar()
    if not book.periods or min(months) < book.periods[0].month:
        first = book.periods[0].month if book.periods else "none"
        raise TimeBeforeFirstPeriod(
            f"The bill of {min(months)} lies before the first period of the calendar, {first}."
        )
    booked = {}
    for month in months:
        later = [open_month for open_month in book.open_months if open_month >= month]
        if not later or month > book.periods[-1].month:
            raise NoOpenPeriod(f"No open month can take the bill of {month}.")
        booked[month] = later[0]
    states = calendar.hold_open(months=booked.values())
    frozen = [str(month) for month, state in states.items() if state.value != "open"]
    if frozen:
        raise calendar.PeriodNotOpen(
            f"{', '.join(frozen)} was frozen while the file was read; send it again."
        )
    return booked


def _new_bill(
    account: ProviderAccount,
    month: Month,
    period: Month,
    found: Survey,
    source: Mapping[str, Any],
) -> Bill:
    latest: int | None = Bill.objects.filter(
        provider_account=account, billing_month=month.first_day
    ).aggregate(latest=Max("version"))["latest"]
    part = found.months[month]
    _refuse_sliver(account, month, found)
    return Bill.objects.create(
        provider_account=account,
        billing_month=month.first_day,
        period=period.first_day,
        version=(latest or 0) + 1,
        row_count=part.rows,
        rejected_count=found.rejected,
        totals={
            currency: {"billed": f"{sums.billed:f}", "effective": f"{sums.effective:f}"}
            for currency, sums in sorted(part.totals.items())
        },
        diagnostics=[
            {
                "code": each.code,
                "column": each.column,
                "count": each.count,
                "first_line": each.first_line,
            }
            for each in found.notebook.diagnostics()
        ],
        **source,
    )


def _refuse_sliver(account: ProviderAccount, month: Month, found: Survey) -> None:
    """Pass unless a month that is not the file's main one has a larger bill already.

    Exports often hold a few charges of a neighboring month; as a version of that month's bill they
    would take the place of all its charges.
    """
    rows = found.months[month].rows
    if rows == max(part.rows for part in found.months.values()):
        return
    current = (
        Bill.objects.filter(provider_account=account, billing_month=month.first_day)
        .order_by("-version")
        .first()
    )
    if current is not None and current.row_count > rows:
        raise SliverOfAnotherBill(
            f"The file also holds {rows} charges of {month}, whose bill of {current.row_count} "
            f"charges is there already. Take them out, or send {month} as a file of its own."
        )


def _report(known: Sequence[Bill], new: Sequence[Bill], found: Survey) -> ImportReport:
    bills = sorted([*known, *new], key=lambda bill: bill.billing_month)
    totals: dict[str, Totals] = {}
    for bill in bills:
        totals = totals_of(bill.totals, onto=totals)
    return ImportReport(
        bills=tuple(bill_facts(bills)),
        rows=sum(bill.row_count for bill in bills),
        rejected=found.rejected,
        totals=totals,
        diagnostics=found.notebook.diagnostics(),
        errors=tuple(found.errors),
        already_imported=not new,
    )


def _nothing(found: Survey) -> NothingToBook:
    if not found.errors:
        return NothingToBook("The file has a header and no rows.")
    first = found.errors[0]
    return NothingToBook(
        f"None of the {found.rejected} rows can be booked. Line {first.line}: "
        f"{first.errors[0].message}",
        errors=first.errors,
    )


def _printable(name: str) -> str:
    return "".join(filter(str.isprintable, name))[-255:]


def _record(actor: Actor, account: ProviderAccount, bills: Sequence[Bill], now: datetime) -> None:
    audit.record(
        actor=actor,
        action="bill.imported",
        subject="provider_account",
        subject_id=account.code,
        detail={
            "file": bills[0].file_name,
            "sha256": bills[0].source_sha256,
            "bills": [
                {
                    "billing_month": str(Month.of(bill.billing_month)),
                    "period": str(Month.of(bill.period)),
                    "version": bill.version,
                    "rows": bill.row_count,
                    "rejected": bill.rejected_count,
                    "totals": bill.totals,
                }
                for bill in bills
            ],
        },
        at=now,
    )
