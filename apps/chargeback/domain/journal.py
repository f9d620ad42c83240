"""The journal of a closed month: cost centers debited, clearing accounts credited, in balance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final
from uuid import UUID

from apps.core.domain.canonical import digest_of
from apps.core.domain.errors import Conflict, FieldError, Missing, Unprocessable
from apps.core.domain.money import EXACT
from apps.core.domain.months import Month

ANY_PROVIDER: Final = "*"
"""Key of the clearing account of whatever names no provider: shared cost, markup, rounding."""


class JournalKind(StrEnum):
    """Whether a journal books a month or takes a booking back."""

    CHARGE = "charge"
    REVERSAL = "reversal"


class MappingKind(StrEnum):
    """What an account is given to."""

    COST_CENTER = "cost_center"
    CLEARING = "clearing"


class MonthNotClosed(Conflict):
    """Only a closed month has a journal."""

    default_code = "month_not_closed"


class NothingToPost(Conflict):
    """No cost center is charged anything."""

    default_code = "nothing_to_post"


class AccountsMissing(Unprocessable):
    """Cost centers without an account block the journal; they are named."""

    default_code = "accounts_missing"


class JournalMissing(Missing):
    """There is no such journal."""

    default_code = "journal_not_found"


class JournalPosted(Conflict):
    """The journal was confirmed as posted under another reference."""

    default_code = "journal_posted"


class MappingInvalid(Unprocessable):
    """An account mapping, a reference or a layout cannot be taken as it is."""

    default_code = "journal_invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What one issued statement charges, in the minor unit, apart by provider.

    `parts` sum to `total`; the empty provider stands for shared cost, markup and rounding.
    """

    cost_center: str
    name: str
    number: str
    total: Decimal
    parts: Mapping[str, Decimal]
    gl_code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountOf:
    """The account of a cost center or a provider, from a month on.

    `target` is the cost center's code in the ledger. An empty account ends the mapping.
    """

    kind: MappingKind
    key: str
    account: str
    target: str = ""
    valid_from: Month


@dataclass(frozen=True, slots=True)
class Chart:
    """The accounts in force in one month, and where each one comes from."""

    centers: Mapping[str, AccountOf]
    clearing: Mapping[str, AccountOf]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a journal; exactly one of `debit` and `credit` is above zero."""

    account: str
    target: str
    position: int = 0
    cost_center: str = ""
    name: str = ""
    text: str = ""
    debit: Decimal = Decimal(0)
    credit: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostingFacts:
    """The confirmation that the ledger took a journal."""

    reference: str
    posted_on: date
    at: datetime
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalFacts:
    """A journal without its lines; debits equal credits."""

    id: UUID
    month: Month
    batch: str
    kind: str
    currency: str
    total: Decimal
    lines: int
    run: UUID
    reverses: str
    reversed_by: str
    data_hash: str
    created_at: datetime
    created_by: str
    posting: PostingFacts | None = None

    @property
    def state(self) -> str:
        """Return posted, reversed or ready."""
        if self.posting is not None:
            return "posted"
        return "reversed" if self.reversed_by else "ready"


@dataclass(frozen=True, slots=True)
class Completeness:
    """What a month's journal still lacks: cost centers and providers without an account."""

    month: Month
    centers: tuple[tuple[str, str], ...]
    clearing: tuple[str, ...]

    @property
    def is_complete(self) -> bool:
        """Tell whether the journal can be made."""
        return not self.centers and not self.clearing


def chart_of(mappings: Iterable[AccountOf], *, month: Month) -> Chart:
    """Return the accounts in force in a month; of two from the same month the later entered."""
    found: dict[MappingKind, dict[str, AccountOf]] = {kind: {} for kind in MappingKind}
    for one in mappings:
        if one.valid_from > month:
            continue
        known = found[one.kind].get(one.key)
        if known is None or known.valid_from <= one.valid_from:
            found[one.kind][one.key] = one
    return Chart(found[MappingKind.COST_CENTER], found[MappingKind.CLEARING])


def account_of(charge: Charge, chart: Chart) -> tuple[str, str]:
    """Return a cost center's account and its code in the ledger; empty when it has none.

    A mapping goes before the general-ledger code that its statement prints.
    """
    known = chart.centers.get(charge.cost_center)
    if known is not None:
        return known.account, known.target or charge.cost_center
    return charge.gl_code, charge.cost_center


def clearing_of(provider: str, chart: Chart, *, printed: str) -> str:
    """Return the account that is credited for a provider; empty when there is none.

    The provider's own, else that of any provider, else the one that the statements print.
    """
    for key in (provider, ANY_PROVIDER):
        known = chart.clearing.get(key)
        if known is not None and (known.account or key == ANY_PROVIDER):
            return known.account
    return printed


def completeness(
    *, month: Month, charges: Iterable[Charge], chart: Chart, printed: str
) -> Completeness:
    """Name every charged cost center and provider that has no account."""
    listed = [one for one in charges if any(one.parts.values()) or one.total]
    providers = {key for one in listed for key, amount in one.parts.items() if amount}
    return Completeness(
        month,
        tuple((one.cost_center, one.name) for one in listed if not account_of(one, chart)[0]),
        tuple(
            sorted(
                key or ANY_PROVIDER
                for key in providers
                if not clearing_of(key, chart, printed=printed)
            )
        ),
    )


def entries_of(
    *, month: Month, charges: Sequence[Charge], chart: Chart, printed: str
) -> list[Entry]:
    """Return the lines of a month's journal, cost centers by code, then clearing accounts.

    One line a charged cost center, of the statement's total; one a clearing account, of what all
    statements charge for its providers. A negative amount stands on the other side.

    :raises AccountsMissing: when a cost center or a provider has no account; they are named.
    :raises NothingToPost: when nothing is charged.
    """
    missing = completeness(month=month, charges=charges, chart=chart, printed=printed)
    if not missing.is_complete:
        raise AccountsMissing(_named(missing), errors=_fields(missing))
    cleared: dict[str, Decimal] = {}
    rows: list[tuple[Entry, Decimal]] = []
    for one in sorted(charges, key=lambda charge: charge.cost_center):
        account, target = account_of(one, chart)
        for provider, amount in one.parts.items():
            credited = clearing_of(provider, chart, printed=printed)
            cleared[credited] = EXACT.add(cleared.get(credited, Decimal(0)), amount)
        text = f"{one.number} {one.name} {month}"[:300]
        line = Entry(account, target, cost_center=one.cost_center, name=one.name, text=text)
        rows.append((line, one.total))
    rows += [
        (Entry(account, "", name="Clearing", text=f"Chargeback {month}"), -amount)
        for account, amount in sorted(cleared.items())
    ]
    posted = [row for row in rows if row[1]]
    if not posted:
        raise NothingToPost(f"No statement of {month} charges anything; there is nothing to post.")
    return [
        replace(
            line,
            position=position,
            debit=max(amount, Decimal(0)),
            credit=max(-amount, Decimal(0)),
        )
        for position, (line, amount) in enumerate(posted, start=1)
    ]


def reversed_entries(entries: Iterable[Entry], *, batch: str) -> list[Entry]:
    """Return what takes a journal back: the same lines with the sides exchanged."""
    return [
        replace(
            one,
            text=f"Reversal of {batch}: {one.text}"[:300],
            debit=one.credit,
            credit=one.debit,
        )
        for one in entries
    ]


def totals_of(entries: Iterable[Entry]) -> tuple[Decimal, Decimal]:
    """Return the sum of debits and the sum of credits."""
    debit = credit = Decimal(0)
    for one in entries:
        debit, credit = EXACT.add(debit, one.debit), EXACT.add(credit, one.credit)
    return debit, credit


def hash_of(entries: Iterable[Entry], *, month: Month, currency: str) -> str:
    """Return a digest of what a journal says."""
    lines = [
        [one.account, one.target, one.cost_center, one.text, f"{one.debit:f}", f"{one.credit:f}"]
        for one in entries
    ]
    return digest_of({"month": str(month), "currency": currency, "lines": lines})


def _named(missing: Completeness) -> str:
    centers = ", ".join(f"{code} ({name})" for code, name in missing.centers)
    parts = [f"cost centers without an account: {centers}"] if centers else []
    if missing.clearing:
        parts.append(f"providers without a clearing account: {', '.join(missing.clearing)}")
    return f"The journal of {missing.month} waits for {'; '.join(parts)}. Map them under Journals."


def _fields(missing: Completeness) -> tuple[FieldError, ...]:
    return tuple(
        FieldError(f"cost_center.{code}", "unmapped", f"{name} has no account.")
        for code, name in missing.centers
    ) + tuple(
        FieldError(f"clearing.{key}", "unmapped", f"{key} has no clearing account.")
        for key in missing.clearing
    )
