"""What a contract price must be like before it may be recorded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Final
from uuid import UUID

from apps.catalog.domain.conditions import Conditions, WindowInvalid, parse_window
from apps.catalog.domain.windows import MOST_CHARACTERS
from apps.core.domain.errors import FieldError
from apps.rating.domain.prices import PriceRow
from apps.rating.domain.rate import is_power_of_ten

SLIP: Final = 100
"""A price this many times above or below what it is compared with is probably in another unit."""

_METER: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_MOST_DECIMALS: Final = 18
_AMOUNT_LIMIT: Final = Decimal(10) ** 12
_CONTEXT_LIMIT: Final = 10**12
_EARLIEST: Final = 2000
_LATEST: Final = 9000


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractDraft:
    """A contract price as it was entered: `amount` of `currency` per `unit_size` units.

    `model` is a code, or a prefix with "*" at its end. `replaces` names the price that this one
    takes over from `valid_from` on. `confirm_unit_slip` says that a price far from the list
    price is meant as written.
    """

    provider: str
    model: str
    meter: str
    amount: Decimal
    unit_size: int
    currency: str
    valid_from: datetime
    valid_to: datetime | None = None
    conditions: Conditions = Conditions()  # noqa: RUF009 - an immutable tuple
    note: str = ""
    replaces: UUID | None = None
    confirm_unit_slip: bool = False


def faults(draft: ContractDraft) -> list[FieldError]:
    """Return every field that is wrong, with the remedy; nothing when the draft can stand."""
    return [fault for check in _CHECKS for fault in check(draft)]


def unit_slip(draft: ContractDraft, peers: Iterable[PriceRow]) -> FieldError | None:
    """Return a fault when the price is 100 times its nearest peer or more, or 1/100 or less.

    Peers are list prices of the same meter and conditions, and the price that is replaced; those
    in another currency say nothing.
    """
    if draft.confirm_unit_slip:
        return None
    comparable = [peer for peer in peers if peer.currency == draft.currency and peer.amount]
    ratios = [_per_unit(draft) / _per_unit(peer) for peer in comparable]
    if not ratios or any(Fraction(1, SLIP) < ratio < SLIP for ratio in ratios):
        return None
    nearest = comparable[ratios.index(min(ratios, key=lambda ratio: abs(ratio - 1)))]
    return FieldError(
        "confirm_unit_slip",
        "unit_slip",
        f"{_plainly(draft.amount)} {draft.currency} per {draft.unit_size:,} is at least {SLIP} "
        f"times away from {_plainly(nearest.amount)} {nearest.currency} per {nearest.unit_size:,} "
        f"({nearest.source}). Check the unit, or confirm that it is meant.",
    )


def _provider(draft: ContractDraft) -> Iterator[FieldError]:
    if len(draft.provider) > 64 or _CONTROL.search(draft.provider):
        yield FieldError("provider", "invalid", "Write a provider code of at most 64 characters.")


def _model(draft: ContractDraft) -> Iterator[FieldError]:
    name = draft.model
    if not name or len(name) > 200 or _CONTROL.search(name) or name != name.strip():
        yield FieldError("model", "invalid", "Write a model code of 1 to 200 characters.")
    elif "*" in name[:-1] or name == "*":
        yield FieldError(
            "model",
            "pattern",
            'Put one "*" at the end, behind a prefix: "gpt-4o*" covers a family.',
        )


def _meter(draft: ContractDraft) -> Iterator[FieldError]:
    if not _METER.fullmatch(draft.meter):
        yield FieldError(
            "meter", "invalid", "Write a meter code such as input_tokens: a-z, digits and _."
        )


def _amount(draft: ContractDraft) -> Iterator[FieldError]:
    amount = draft.amount
    if not amount.is_finite() or not 0 <= amount < _AMOUNT_LIMIT:
        yield FieldError("amount", "range", "Write an amount from 0 to below 10^12.")
    elif -int(amount.normalize().as_tuple().exponent) > _MOST_DECIMALS:
        yield FieldError("amount", "decimals", "Write at most 18 decimals; use a larger unit size.")


def _unit(draft: ContractDraft) -> Iterator[FieldError]:
    if not is_power_of_ten(draft.unit_size):
        yield FieldError(
            "unit_size", "power_of_ten", "Write a power of ten: 1, 1000, 1000000 and so on."
        )
    if not _CURRENCY.fullmatch(draft.currency):
        yield FieldError("currency", "invalid", "Write three capital letters, such as USD.")


def _validity(draft: ContractDraft) -> Iterator[FieldError]:
    for field, at in (("valid_from", draft.valid_from), ("valid_to", draft.valid_to)):
        if at is not None and at.tzinfo is None:
            yield FieldError(field, "timezone", "Write the moment with its offset.")
            return
        if at is not None and not _EARLIEST <= at.year < _LATEST:
            yield FieldError(field, "range", "Write a moment between the years 2000 and 9000.")
    if draft.valid_to is not None and draft.valid_to <= draft.valid_from:
        yield FieldError("valid_to", "order", "End the price after it begins.")


def _conditions(draft: ContractDraft) -> Iterator[FieldError]:
    wanted = draft.conditions
    for field, text in (("service_tier", wanted.service_tier), ("region", wanted.region)):
        if len(text) > 64 or _CONTROL.search(text):
            yield FieldError(field, "invalid", "Write at most 64 characters.")
    if not 0 <= wanted.context_gt < _CONTEXT_LIMIT:
        yield FieldError("context_gt", "range", "Write a number of tokens from 0 on.")
    if wanted.window:
        try:
            window = parse_window(wanted.window).text
        except WindowInvalid as wrong:
            yield FieldError("window", "invalid", str(wrong))
        else:
            if len(window) > MOST_CHARACTERS:
                yield FieldError("window", "length", "Write a window of at most 200 characters.")


def _note(draft: ContractDraft) -> Iterator[FieldError]:
    if len(draft.note) > 500 or "\x00" in draft.note:
        yield FieldError("note", "invalid", "Write at most 500 characters.")


_CHECKS: Final[tuple[Callable[[ContractDraft], Iterator[FieldError]], ...]] = (
    _provider,
    _model,
    _meter,
    _amount,
    _unit,
    _validity,
    _conditions,
    _note,
)


def _per_unit(price: ContractDraft | PriceRow) -> Fraction:
    return Fraction(price.amount) / price.unit_size


def _plainly(amount: Decimal) -> str:
    return f"{amount.normalize():f}"
