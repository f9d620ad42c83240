"""Adjustments by hand, as a run books them: an amount from one receiver to another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from apps.allocation.domain.rules import MARKUP, UNALLOCATED, Axis
from apps.core.domain.errors import FieldError, Unprocessable
from apps.core.domain.money import minor_quantum
from apps.documents.domain.uploads import Upload

REASON_LIMIT = 1000
_MOST = Decimal(10) ** 15


class AdjustmentRefused(Unprocessable):
    """The adjustment cannot be made; `errors` says what to change in which field."""

    default_code = "adjustment_refused"


@dataclass(frozen=True, slots=True)
class Transfer:
    """An approved adjustment: `amount` in the tenant's currency moves from sender to receiver."""

    code: str
    axis: Axis
    sender: str
    receiver: str
    amount: Decimal
    reason: str


@dataclass(frozen=True, slots=True)
class AdjustmentDraft:
    """An adjustment that somebody asks for; `reference` is what it answers, such as a dispute.

    `files` are what proves it.
    """

    axis: Axis
    sender: str
    receiver: str
    amount: Decimal
    reason: str
    reference: str = ""
    files: tuple[Upload, ...] = ()


def check_adjustment(
    *, draft: AdjustmentDraft, currency: str, known: Mapping[Axis, frozenset[str]]
) -> None:
    """Pass when an adjustment is sound by itself.

    :raises AdjustmentRefused: naming every wrong field.
    """
    errors = tuple(_errors(draft, currency, known[draft.axis] | {UNALLOCATED, MARKUP}))
    if errors:
        raise AdjustmentRefused(errors[0].message, errors=errors)


def _errors(draft: AdjustmentDraft, currency: str, known: Iterable[str]) -> Iterator[FieldError]:
    for field, code in (("sender", draft.sender), ("receiver", draft.receiver)):
        if code not in known:
            yield FieldError(
                field,
                "unknown_receiver",
                f"No {draft.axis.value} is registered as {code[:64]!r}; register it first.",
            )
    if draft.sender == draft.receiver:
        yield FieldError("receiver", "same", "Move the amount to another than it comes from.")
    quantum = minor_quantum(currency)
    if not draft.amount.is_finite() or not 0 < draft.amount < _MOST:
        yield FieldError("amount", "range", "The amount is above 0; swap from and to instead.")
    elif draft.amount != draft.amount.quantize(quantum):
        message = f"{currency} amounts are whole multiples of {quantum}."
        yield FieldError("amount", "decimals", message)
    if not draft.reason.strip() or len(draft.reason) > REASON_LIMIT or "\0" in draft.reason:
        message = f"Give a reason of at most {REASON_LIMIT} characters."
        yield FieldError("reason", "required", message)
    if len(draft.reference) > 200 or "\0" in draft.reference:
        yield FieldError("reference", "too_long", "A reference has at most 200 characters.")
