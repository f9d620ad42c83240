"""What a close checks before anybody approves: what blocks, and what is merely worth knowing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Final

from apps.closing.domain.policy import Limits
from apps.core.domain.canonical import plain_decimal
from apps.core.domain.errors import Unprocessable
from apps.core.domain.money import EXACT

USUAL: Final = Limits()
"""What holds where a tenant says nothing."""


class Verdict(StrEnum):
    """What a check found."""

    PASSED = "passed"
    ATTENTION = "attention"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the checklist; `remedy` says what to do when it did not pass."""

    code: str
    title: str
    verdict: Verdict
    message: str
    remedy: str = ""

    def as_json(self) -> dict[str, str]:
        """Return the check as plain texts."""
        return {key: str(value) for key, value in asdict(self).items()}


class ChecklistBlocked(Unprocessable):
    """Something must be settled before the month can be allocated."""

    default_code = "close_blocked"

    def __init__(self, checks: tuple[Check, ...]) -> None:
        blocking = [check for check in checks if check.verdict is Verdict.BLOCKED]
        super().__init__(" ".join(check.message for check in blocking))
        self.checks = checks
        self.remedy = " ".join(check.remedy for check in blocking)


@dataclass(frozen=True, slots=True)
class UnpricedUse:
    """Usage without a price: at most `worst_case` in the tenant's currency, if that is known.

    The worst case takes the month's dearest price of each meter, and is unknown without one.
    """

    name: str
    events: int
    worst_case: Decimal | None


def dearest_prices(lines: Iterable[tuple[str, Decimal, Decimal]]) -> dict[str, Decimal]:
    """Return the highest cost of one unit of each meter; lines are (meter, quantity, cost)."""
    found: dict[str, Decimal] = {}
    for meter, quantity, cost in lines:
        if quantity > 0 and cost > 0:
            found[meter] = max(found.get(meter, Decimal(0)), EXACT.divide(cost, quantity))
    return found


def merged_use(uses: Sequence[UnpricedUse]) -> UnpricedUse:
    """Return the uses of one SKU, one a meter, as one; events count once."""
    costs = [use.worst_case for use in uses]
    known = [cost for cost in costs if cost is not None]
    worst = sum(known, Decimal(0)) if len(known) == len(costs) else None
    return UnpricedUse(uses[0].name, max(use.events for use in uses), worst)


def require_unblocked(checks: Iterable[Check]) -> None:
    """Pass when no check blocks.

    :raises ChecklistBlocked: when one does.
    """
    found = tuple(checks)
    if any(check.verdict is Verdict.BLOCKED for check in found):
        raise ChecklistBlocked(found)


def escalated(checks: Iterable[Check], limits: Limits) -> list[Check]:
    """Return the checks, those that a tenant lets block blocking instead of asking."""
    return [
        replace(check, verdict=Verdict.BLOCKED)
        if check.verdict is Verdict.ATTENTION and check.code in limits.blocking
        else check
        for check in checks
    ]


def check_unpriced(
    *,
    unpriced: Iterable[UnpricedUse],
    effective: Decimal,
    currency: str,
    limits: Limits = USUAL,
) -> Check:
    """Block when unpriced usage may cost more than the limit, or when nobody can tell."""
    listed = sorted(unpriced, key=lambda use: use.name)
    if not listed:
        return Check("unpriced", "Prices", Verdict.PASSED, "All usage has a price.")
    names = _some([use.name for use in listed])
    events = sum(use.events for use in listed)
    remedy = (
        "Cancel the close, enter a contract price or synchronize the price list under Prices, "
        "then close again: a frozen month is not rated again."
    )
    worst = sum((use.worst_case or Decimal(0) for use in listed), Decimal(0))
    limit = effective * limits.unpriced_percent / 100
    if all(use.worst_case is not None for use in listed) and worst <= limit:
        message = (
            f"{events} events without a price may cost at most {currency} {worst:.2f}: {names}."
        )
        return Check("unpriced", "Prices", Verdict.ATTENTION, message, remedy)
    message = (
        f"{events} events have no price and may exceed "
        f"{plain_decimal(limits.unpriced_percent)} % of the month's cost: {names}."
    )
    return Check("unpriced", "Prices", Verdict.BLOCKED, message, remedy)


def check_rates(*, missing: Iterable[str]) -> Check:
    """Block when an exchange rate is missing, naming the pairs."""
    pairs = sorted(missing)
    if not pairs:
        return Check("fx", "Exchange rates", Verdict.PASSED, "Every currency has its month's rate.")
    return Check(
        "fx",
        "Exchange rates",
        Verdict.BLOCKED,
        f"No frozen exchange rate for {_some(pairs)}.",
        "Enter the month's rate under Settings, Exchange rates, then try again.",
    )


def check_mapping(*, teams: Iterable[str], receivers: Iterable[str]) -> Check:
    """Block when a team with cost has no cost center, or a rule names nobody."""
    homeless, unknown = sorted(teams), sorted(receivers)
    if not homeless and not unknown:
        return Check(
            "mapping", "Cost centers", Verdict.PASSED, "Every team and receiver has a cost center."
        )
    parts = []
    if homeless:
        parts.append(f"Teams without a cost center have cost: {_some(homeless)}.")
    if unknown:
        parts.append(f"Allocation rules name receivers that do not exist: {_some(unknown)}.")
    return Check(
        "mapping",
        "Cost centers",
        Verdict.BLOCKED,
        " ".join(parts),
        "Give each team a cost center under Settings, Organization, or change the rules.",
    )


def check_coverage(
    *, owned: Decimal, total: Decimal, unregistered: Iterable[str], limits: Limits = USUAL
) -> Check:
    """Ask for attention when too little of the cost has an owner."""
    unknown = sorted(unregistered)
    named = f" Unregistered names: {_some(unknown)}." if unknown else ""
    if total == 0:
        return Check("coverage", "Owners", Verdict.PASSED, "The month has no cost." + named)
    percent = owned / total * 100
    message = f"{percent:.1f} % of the cost has an owner.{named}"
    if percent >= limits.coverage_percent and not unknown:
        return Check("coverage", "Owners", Verdict.PASSED, message)
    return Check(
        "coverage",
        "Owners",
        Verdict.ATTENTION,
        message,
        f"Tag the rest or add attribution rules; the goal is "
        f"{plain_decimal(limits.coverage_percent)} %.",
    )


def check_variance(
    *, before: Decimal | None, now: Decimal, currency: str, limits: Limits = USUAL
) -> Check:
    """Say how the month compares with the one before."""
    if before is None or before == 0:
        message = f"The month costs {currency} {now:,.2f}; there is no month to compare with."
        return Check("variance", "Change", Verdict.PASSED, message)
    percent = (now - before) / before * 100
    message = f"The month costs {currency} {now:,.2f}, {percent:+.1f} % against the month before."
    is_big = abs(percent) > limits.change_percent
    verdict = Verdict.ATTENTION if is_big else Verdict.PASSED
    remedy = "Look at the biggest changes before you approve." if is_big else ""
    return Check("variance", "Change", verdict, message, remedy)


def check_books(*, differences: Iterable[str]) -> Check:
    """Block when events, rollups, bills and cost base are not the same money."""
    found = sorted(differences)
    if not found:
        return Check(
            "books",
            "Books",
            Verdict.PASSED,
            "Events, rollups, bills and the cost base agree to the last digit.",
        )
    return Check(
        "books",
        "Books",
        Verdict.BLOCKED,
        f"These do not agree: {_some(found)}.",
        "Ask the operator to run manage.py verify_rollups and manage.py reconcile.",
    )


def check_bills(
    *,
    variances: Iterable[tuple[str, Decimal, Decimal]],
    currency: str,
    limits: Limits = USUAL,
) -> Check:
    """Ask for attention when a bill differs much from our metering.

    `variances` are (account, metered, billed) in the tenant's currency.
    """
    off = [
        f"{account} by {currency} {billed - metered:+,.2f}"
        for account, metered, billed in sorted(variances)
        if abs(billed - metered) > abs(metered) * limits.bill_percent / 100
    ]
    if not off:
        return Check("bills", "Bills", Verdict.PASSED, "No bill differs much from our metering.")
    return Check(
        "bills",
        "Bills",
        Verdict.ATTENTION,
        f"Bills differ from our metering: {_some(off)}.",
        "Look at the accounts under Sources before you approve.",
    )


def check_accruals(*, accrued: Iterable[tuple[str, Decimal]], currency: str) -> Check:
    """Ask for attention when a bill is not there yet; `accrued` are (account, our metering)."""
    listed = [f"{account} with {currency} {amount:,.2f}" for account, amount in sorted(accrued)]
    if not listed:
        return Check("accruals", "Accruals", Verdict.PASSED, "No bill is accrued.")
    return Check(
        "accruals",
        "Accruals",
        Verdict.ATTENTION,
        f"Rated usage stands in for bills that this month does not carry: {_some(listed)}.",
        "A bill that comes later takes the accrual back, and books the difference in the next open "
        "month. To have one in this month, cancel the close, import it, and start again.",
    )


def check_order(*, earlier: str) -> Check:
    """Ask for attention when an earlier month must be closed first; never blocks the preview."""
    if not earlier:
        return Check("order", "Order", Verdict.PASSED, "Every earlier month is closed.")
    return Check(
        "order",
        "Order",
        Verdict.ATTENTION,
        f"{earlier} is not closed yet; months close in order.",
        f"Close {earlier} first: until then this month can be prepared, but not approved.",
    )


def check_adjustments(*, undecided: int) -> Check:
    """Block while adjustments wait: once the month is closed nobody can decide them any more."""
    if not undecided:
        return Check("adjustments", "Adjustments", Verdict.PASSED, "No adjustment waits.")
    waits = "adjustment waits" if undecided == 1 else "adjustments wait"
    return Check(
        "adjustments",
        "Adjustments",
        Verdict.BLOCKED,
        f"{undecided} {waits} for a decision.",
        "Have another person approve or reject them under Month, Adjustments, or take them back; "
        "then try again.",
    )


def check_over(*, month: str, is_over: bool) -> Check:
    """Ask for attention when the month is still running."""
    if is_over:
        return Check("over", "Calendar", Verdict.PASSED, f"{month} is over.")
    return Check(
        "over",
        "Calendar",
        Verdict.ATTENTION,
        f"{month} is not over yet: usage that still comes is booked in the next open month.",
        "Cancel the close if you want to wait for the end of the month.",
    )


def check_disputes(*, disputes: Iterable[str]) -> Check:
    """Ask for attention when statements of the month or before are disputed."""
    listed = list(disputes)
    if not listed:
        return Check("disputes", "Disputes", Verdict.PASSED, "No dispute is open.")
    count = f"{len(listed)} disputes are" if len(listed) > 1 else "A dispute is"
    return Check(
        "disputes",
        "Disputes",
        Verdict.ATTENTION,
        f"{count} open: {_some(listed)}.",
        "Decide them under Statements, Acceptance: a correction is an adjustment of an open month.",
    )


def check_imports(*, pending: Iterable[str]) -> Check:
    """Ask for attention when files of usage are still being read."""
    names = sorted(pending)
    if not names:
        return Check("imports", "Imports", Verdict.PASSED, "No file waits to be imported.")
    count = f"{len(names)} files are" if len(names) > 1 else "A file is"
    return Check(
        "imports",
        "Imports",
        Verdict.ATTENTION,
        f"{count} still being imported: {_some(names)}.",
        "What they hold of this month is booked in the next open one, as a correction. To have it "
        "in this month, cancel the close, let the import end, and start again.",
    )


def check_backfills(*, backfills: Iterable[str]) -> Check:
    """Ask for attention when usage of the month is being replaced."""
    names = sorted(backfills)
    if not names:
        return Check("backfills", "Backfills", Verdict.PASSED, "No backfill is open.")
    count = f"{len(names)} backfills are" if len(names) > 1 else "A backfill is"
    return Check(
        "backfills",
        "Backfills",
        Verdict.ATTENTION,
        f"{count} open for this month: {_some(names)}.",
        "Once closed they count in the next open month, as corrections. To have them in this "
        "month, cancel the close, end or abandon them, and start again.",
    )


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:10])
    return shown if len(names) <= 10 else f"{shown} and {len(names) - 10} more"
