"""Books the recorded cloud bills, moved by whole months, amounts untouched (rule 28)."""

from __future__ import annotations

import gzip
import io
from collections.abc import Sequence
from datetime import datetime

from apps.core.domain.access import Actor
from apps.core.domain.months import Month
from apps.costs import services as costs
from apps.costs.domain.accounts import AccountDraft
from apps.periods import selectors as periods
from apps.periods.domain.calendar import State
from finops_platform.demo.script import Script
from finops_platform.demo.traces import DATA


def import_bills(*, script: Script, months: Sequence[Month], actor: Actor, now: datetime) -> int:
    """Import every bill of the script into each complete demo month; return how many charges.

    Months that are closed are left alone; the same file again is the same bill.
    """
    charges = 0
    for row in script.bills:
        draft = AccountDraft(code=row["account"], name=row["name"])
        costs.ensure_account(draft=draft, actor=actor, now=now)
        for month in months[:-1]:
            if periods.period(month).state is not State.OPEN:
                continue
            with gzip.open(DATA / row["file"]) as packed:
                report = costs.import_focus(
                    file=io.BytesIO(packed.read()),
                    provider_account=row["account"],
                    actor=actor,
                    now=now,
                    file_name=row["file"].removesuffix(".gz"),
                    shift_months=distance(Month.parse(row["recorded"]), month),
                )
            charges += report.rows
    return charges


def distance(start: Month, end: Month) -> int:
    """Return how many months lie from one to another."""
    return (end.year - start.year) * 12 + end.month - start.month
