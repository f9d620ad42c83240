"""Recording, ending and withdrawing discounts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.db import transaction

from apps.audit import services as audit
from apps.catalog.domain.conditions import STANDARD_TIERS
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Conflict, FieldError, Invalid, Missing
from apps.rating.domain import terms
from apps.rating.domain.discounts import STANDARD, reduced
from apps.rating.domain.terms import DiscountDraft
from apps.rating.models import Discount
from apps.rating.selectors.peers import canonical_scope
from apps.rating.selectors.reach import list_amounts
from apps.rating.services.believed import (
    believed,
    copy_of,
    end_fault,
    forget,
    insert,
    make_room,
    reason_fault,
)
from apps.rating.services.versions import next_knowledge

_OVERLAP = (
    "At some of this time another discount holds for the same scope under the same conditions. "
    "End it first, or send its id as `replaces`."
)


class DiscountNotValid(Invalid):
    """A discount has wrong fields."""

    default_code = "discount_not_valid"


class DiscountOverlaps(Conflict):
    """Another discount holds for the same scope at some of the same time."""

    default_code = "discount_overlap"


class DiscountUnknown(Missing):
    """There is no such discount, or it was withdrawn or replaced."""

    default_code = "discount_unknown"


def record_discount(*, draft: DiscountDraft, actor: Actor, now: datetime) -> UUID:
    """Record a discount; return its public id. It prices nothing until adoption.

    :raises DiscountNotValid: when fields are wrong, or a list price of the scope, less the
        percentage, has more digits than a price can keep.
    :raises DiscountOverlaps: when another discount holds for the same scope and time.
    :raises DiscountUnknown: when `replaces` names no discount that is believed.
    """
    actor.require(Scope.PRICES_WRITE)
    _refuse(terms.discount_faults(draft))
    draft = replace(draft, scope=canonical_scope(draft.scope))
    _refuse(_inexact(draft))
    with transaction.atomic():
        known_at = next_knowledge(now)
        replaced = None
        if draft.replaces is not None:
            replaced = believed(Discount, draft.replaces, DiscountUnknown)
            make_room(
                replaced,
                start=draft.valid_from,
                end=draft.valid_to,
                known_at=known_at,
                actor=actor,
            )
        row = insert(_row(draft, known_at, actor, replaced), DiscountOverlaps, _OVERLAP)
        _record("recorded", row, {}, actor, now)
    return row.public_id


def end_discount(*, discount: UUID, valid_to: datetime, actor: Actor, now: datetime) -> UUID:
    """End a discount at a moment; return the id of the row that now says so.

    :raises DiscountNotValid: when the end is not after the beginning and before the present end.
    :raises DiscountUnknown: when there is no such discount that is believed.
    """
    actor.require(Scope.PRICES_WRITE)
    with transaction.atomic():
        known_at = next_knowledge(now)
        row = believed(Discount, discount, DiscountUnknown)
        _refuse([end_fault(row, valid_to)])
        forget(row, known_at)
        ended = copy_of(row, valid_to=valid_to, known_at=known_at, actor=actor)
        ended = insert(ended, DiscountOverlaps, _OVERLAP)
        _record("ended", ended, {"was": row.public_id}, actor, now)
    return ended.public_id


def withdraw_discount(*, discount: UUID, reason: str, actor: Actor, now: datetime) -> None:
    """Stop believing a discount that was entered in error, from its beginning on.

    :raises DiscountNotValid: when no reason is given.
    :raises DiscountUnknown: when there is no such discount that is believed.
    """
    actor.require(Scope.PRICES_WRITE)
    _refuse([reason_fault(reason)])
    with transaction.atomic():
        known_at = next_knowledge(now)
        row = believed(Discount, discount, DiscountUnknown)
        forget(row, known_at)
        _record("withdrawn", row, {"reason": reason.strip()[:500]}, actor, now)


def _refuse(faults: Sequence[FieldError | None]) -> None:
    found = tuple(fault for fault in faults if fault is not None)
    if found:
        raise DiscountNotValid(found[0].message, errors=found)


def _inexact(draft: DiscountDraft) -> list[FieldError]:
    """Return a fault when some list price of the scope cannot be kept less the percentage."""
    for amount, unit_size, name in list_amounts(draft.scope):
        if not reduced(amount=amount, unit_size=unit_size, percent=draft.percent).exact:
            message = f"{name} less that percentage has more digits than a price can keep."
            return [FieldError("percent", "inexact", f"{message} Use fewer decimals.")]
    return []


def _row(
    draft: DiscountDraft, known_at: datetime, actor: Actor, replaced: Discount | None
) -> Discount:
    scope = draft.scope
    tier, batch = _tier(draft)
    return Discount(
        provider=scope.provider,
        family=scope.family,
        model=scope.model,
        meter=scope.meter,
        service_tier=tier,
        batch=batch,
        region=draft.region.strip(),
        context_gt=draft.context_gt,
        percent=draft.percent,
        valid_from=draft.valid_from,
        valid_to=draft.valid_to,
        known_from=known_at,
        note=draft.note.strip(),
        created_by=actor.label,
        replaces=replaced,
    )


def _tier(draft: DiscountDraft) -> tuple[str, bool | None]:
    """Return tier and batch as list prices know them; the tier "batch" is the flag."""
    sent = draft.service_tier.strip().lower()
    if sent == "batch":
        return "", True
    return STANDARD if sent and sent in STANDARD_TIERS else sent, draft.batch


def _record(verb: str, row: Discount, more: dict[str, object], actor: Actor, now: datetime) -> None:
    scope = {name: getattr(row, name) for name in ("provider", "family", "model", "meter")}
    narrowed = {
        name: getattr(row, name) for name in ("service_tier", "batch", "region", "context_gt")
    }
    audit.record(
        actor=actor,
        action=f"discount.{verb}",
        subject="discount",
        subject_id=str(row.public_id),
        detail={
            **scope,
            **narrowed,
            "percent": row.percent,
            "valid_from": row.valid_from,
            "valid_to": row.valid_to,
            "replaces": None if row.replaces is None else row.replaces.public_id,
            **more,
        },
        at=now,
    )
