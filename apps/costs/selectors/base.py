"""The cost base of a month: rated usage and provider bills, each counted once, in one currency."""

from __future__ import annotations

from apps.core.domain.months import Month
from apps.costs.domain.lines import CostBase
from apps.costs.selectors.assembly import assembly_of
from apps.directory import selectors as directory
from apps.periods import selectors as periods


def cost_base(*, month: Month) -> CostBase:
    """Return everything that a month costs, one line a thing, in the tenant's currency.

    1. Usage booked in the month at the prices it was rated by; of an account whose bill is the
       truth only while that bill is not there (accrued).
    2. The charges of bills booked in the month, of accounts whose bill is the truth; what earlier
       months had booked for the same billing month is taken back.
    3. For accounts that are trued up, one line that makes their total the bill's.
    4. Every line is converted once, at the month's rate: budget until the freeze, then frozen.

    Equal inputs give equal lines, keys and hash. What has no price or no rate is not in the lines
    and is named instead. About twenty queries, whatever the number of lines.

    :raises PeriodMissing: when the calendar has no such month.
    """
    return assembly_of(month).base()


def attribution_of(month: Month) -> directory.Attribution:
    """Return the directory as a month sees it: as of its close, else as it is now."""
    return directory.attribution(known_at=periods.period(month).closed_at)
