"""Recording, ending and withdrawing contract prices."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from apps.audit import services as audit
from apps.core.domain.access import Actor
from apps.core.domain.errors import Conflict, FieldError, Invalid, Missing
from apps.rating.domain import contracts
from apps.rating.domain.contracts import ContractDraft
from apps.rating.models import ContractPrice, CostModel
from apps.rating.selectors.book import contract_row
from apps.rating.selectors.peers import canonical_draft, list_peers
from apps.rating.services.versions import next_knowledge


class PriceNotValid(Invalid):
    """A contract price has wrong fields."""

    default_code = "price_not_valid"


class PriceOverlaps(Conflict):
    """Another contract price holds for the same thing at some of the same time."""

    default_code = "price_overlap"


class PriceUnknown(Missing):
    """There is no such contract price, or it was withdrawn or replaced."""

    default_code = "price_unknown"


def record_contract_price(*, draft: ContractDraft, actor: Actor, now: datetime) -> UUID:
    """Record a contract price; return its public id.

    It prices nothing until the version that knows it is adopted. With `replaces`, the named
    price keeps its time before and after the new one.

    :raises PriceNotValid: when fields are wrong, or the unit looks wrong and is not confirmed.
    :raises PriceOverlaps: when another contract price holds for the same thing and time.
    :raises PriceUnknown: when `replaces` names no price that is believed.
    """
    return store_contract_price(draft=draft, cost_model=None, actor=actor, now=now)


def store_contract_price(
    *, draft: ContractDraft, cost_model: CostModel | None, actor: Actor, now: datetime
) -> UUID:
    """Record a contract price as above; a derived one names the cost model behind it."""
    _refuse(contracts.faults(draft))
    draft = canonical_draft(draft)
    with transaction.atomic():
        known_at = next_knowledge(now)
        replaced = None if draft.replaces is None else _believed(draft.replaces)
        known = [] if replaced is None else [contract_row(replaced)]
        slip = contracts.unit_slip(draft, known + list_peers(draft))
        _refuse([] if slip is None else [slip])
        if replaced is not None:
            _make_room(replaced, draft, known_at, actor)
        _refuse_overlap(draft)
        row = _row(draft, known_at, actor, replaced)
        row.cost_model = cost_model
        price = _insert(row)
        audit.record(
            actor=actor,
            action="contract_price.recorded",
            subject="contract_price",
            subject_id=str(price.public_id),
            detail=_detail(price),
            at=now,
        )
    return price.public_id


def standing_price(draft: ContractDraft) -> UUID | None:
    """Return the one price that stands for the same thing at some of the same time.

    :raises PriceOverlaps: when there are several; which of them is replaced is not ours to say.
    """
    found = list(_overlapping(canonical_draft(draft)).order_by("valid_from")[:2])
    if len(found) > 1:
        raise PriceOverlaps(_overlap_message(found[1].public_id))
    return found[0].public_id if found else None


def end_contract_price(*, price: UUID, valid_to: datetime, actor: Actor, now: datetime) -> UUID:
    """End a contract price at a moment; return the id of the row that now says so.

    The started price is not changed: it stops being known, and an equal one with an end begins.

    :raises PriceNotValid: when the end is not after the beginning and before the present end.
    :raises PriceUnknown: when there is no such price that is believed.
    """
    with transaction.atomic():
        known_at = next_knowledge(now)
        row = _believed(price)
        if valid_to <= row.valid_from or (row.valid_to is not None and valid_to >= row.valid_to):
            fault = FieldError(
                "valid_to", "order", "End it after it began, before its present end."
            )
            raise PriceNotValid(fault.message, errors=(fault,))
        _forget(row, known_at)
        ended = _insert(_copy(row, known_at, actor, valid_to=valid_to))
        audit.record(
            actor=actor,
            action="contract_price.ended",
            subject="contract_price",
            subject_id=str(ended.public_id),
            detail={**_detail(ended), "was": row.public_id},
            at=now,
        )
    return ended.public_id


def withdraw_contract_price(*, price: UUID, reason: str, actor: Actor, now: datetime) -> None:
    """Stop believing a contract price that was entered in error, from its beginning on.

    :raises PriceNotValid: when no reason is given.
    :raises PriceUnknown: when there is no such price that is believed.
    """
    if not reason.strip() or "\x00" in reason:
        fault = FieldError("reason", "required", "Say in plain text why the price was wrong.")
        raise PriceNotValid(fault.message, errors=(fault,))
    with transaction.atomic():
        known_at = next_knowledge(now)
        row = _believed(price)
        _forget(row, known_at)
        audit.record(
            actor=actor,
            action="contract_price.withdrawn",
            subject="contract_price",
            subject_id=str(row.public_id),
            detail={**_detail(row), "reason": reason.strip()[:500]},
            at=now,
        )


def _refuse(faults: Sequence[FieldError]) -> None:
    if faults:
        code = "unit_slip" if faults[0].code == "unit_slip" else None
        raise PriceNotValid(faults[0].message, code=code, errors=tuple(faults))


def _believed(price: UUID) -> ContractPrice:
    row = ContractPrice.objects.filter(public_id=price, known_to__isnull=True).first()
    if row is None:
        raise PriceUnknown(f"There is no contract price {price} that is believed now.")
    return row


def _make_room(
    replaced: ContractPrice, draft: ContractDraft, known_at: datetime, actor: Actor
) -> None:
    """Keep the replaced price for the time before and after the new one."""
    _forget(replaced, known_at)
    if replaced.valid_from < draft.valid_from:
        before = min(draft.valid_from, replaced.valid_to or draft.valid_from)
        _insert(_copy(replaced, known_at, actor, valid_to=before))
    end = draft.valid_to
    if end is not None and (replaced.valid_to is None or end < replaced.valid_to):
        tail = _copy(replaced, known_at, actor, valid_to=replaced.valid_to)
        tail.valid_from = max(end, replaced.valid_from)
        _insert(tail)


def _forget(row: ContractPrice, known_at: datetime) -> None:
    ContractPrice.objects.filter(pk=row.pk).update(known_to=known_at)


def _refuse_overlap(draft: ContractDraft) -> None:
    other = _overlapping(draft).first()
    if other is not None:
        raise PriceOverlaps(_overlap_message(other.public_id))


def _overlapping(draft: ContractDraft) -> QuerySet[ContractPrice]:
    wanted = draft.conditions
    rows = ContractPrice.objects.filter(
        Q(valid_to__isnull=True) | Q(valid_to__gt=draft.valid_from),
        known_to__isnull=True,
        provider=draft.provider,
        model=draft.model,
        meter=draft.meter,
        service_tier=wanted.service_tier,
        batch=wanted.batch,
        region=wanted.region,
        context_gt=wanted.context_gt,
        window=wanted.window,
    )
    return rows if draft.valid_to is None else rows.filter(valid_from__lt=draft.valid_to)


def _insert(row: ContractPrice) -> ContractPrice:
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError as error:
        if "rating_contractprice_no_overlap" not in str(error):
            raise
        raise PriceOverlaps(_overlap_message(None)) from error
    return row


def _overlap_message(other: UUID | None) -> str:
    name = f"the contract price {other}" if other else "another contract price"
    return (
        f"At some of this time {name} holds for the same meter under the same conditions. End it "
        "first, or send its id as `replaces`."
    )


def _row(
    draft: ContractDraft, known_at: datetime, actor: Actor, replaced: ContractPrice | None
) -> ContractPrice:
    wanted = draft.conditions
    return ContractPrice(
        provider=draft.provider,
        model=draft.model,
        meter=draft.meter,
        service_tier=wanted.service_tier,
        batch=wanted.batch,
        region=wanted.region,
        context_gt=wanted.context_gt,
        window=wanted.window,
        amount=draft.amount,
        unit_size=draft.unit_size,
        currency=draft.currency,
        valid_from=draft.valid_from,
        valid_to=draft.valid_to,
        known_from=known_at,
        note=draft.note.strip(),
        created_by=actor.label,
        replaces=replaced,
    )


def _copy(
    row: ContractPrice, known_at: datetime, actor: Actor, *, valid_to: datetime | None
) -> ContractPrice:
    kept = ("id", "public_id", "valid_to", "known_from", "known_to", "created_by", "replaces")
    terms = {
        field.attname: getattr(row, field.attname)
        for field in ContractPrice._meta.concrete_fields
        if field.name not in kept
    }
    return ContractPrice(
        **terms, valid_to=valid_to, known_from=known_at, created_by=actor.label, replaces=row
    )


def _detail(price: ContractPrice) -> dict[str, object]:
    return {
        "provider": price.provider,
        "model": price.model,
        "meter": price.meter,
        "conditions": price.conditions.in_words(),
        "amount": price.amount,
        "unit_size": price.unit_size,
        "currency": price.currency,
        "valid_from": price.valid_from,
        "valid_to": price.valid_to,
        "replaces": None if price.replaces is None else price.replaces.public_id,
    }


__all__ = [
    "ContractDraft",
    "PriceNotValid",
    "PriceOverlaps",
    "PriceUnknown",
    "end_contract_price",
    "record_contract_price",
    "withdraw_contract_price",
]
