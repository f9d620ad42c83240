"""What came of an import: the bills, their sums, what was refused and what was odd."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from apps.core.domain.months import Month
from apps.costs.domain.diagnostics import Diagnostic
from apps.costs.domain.focus import RowRefused


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums of one currency, exact."""

    billed: Decimal = Decimal(0)
    effective: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class BillFacts:
    """One version of a bill: `billing_month` is the provider's, `period` ours."""

    id: UUID
    provider_account: str
    billing_month: Month
    period: Month
    version: int
    is_current: bool
    rows: int
    rejected: int
    totals: Mapping[str, Totals]
    file_name: str
    source_sha256: str
    imported_at: datetime
    imported_by: str
    diagnostics: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What came of one file; a file may hold charges of several billing months.

    `already_imported` tells that nothing was written because the same file was there before.
    `errors` are the first refused rows; `rejected` counts them all.
    """

    bills: tuple[BillFacts, ...]
    rows: int
    rejected: int
    totals: Mapping[str, Totals]
    diagnostics: tuple[Diagnostic, ...]
    errors: tuple[RowRefused, ...]
    already_imported: bool

    @property
    def bill(self) -> BillFacts:
        """Return the bill with the most charges."""
        return max(self.bills, key=lambda bill: (bill.rows, bill.billing_month))

    @property
    def billed(self) -> Decimal:
        """Return the billed sum.

        :raises ValueError: when the file has several currencies, whose sums have no total.
        """
        return self._only().billed

    @property
    def effective(self) -> Decimal:
        """Return the effective sum.

        :raises ValueError: when the file has several currencies, whose sums have no total.
        """
        return self._only().effective

    def _only(self) -> Totals:
        if len(self.totals) > 1:
            raise ValueError(f"amounts in {', '.join(sorted(self.totals))} have no common sum")
        return next(iter(self.totals.values()), Totals())
