"""Records the prices per token of a self-hosted model, with how they were derived."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from django.db import transaction

from apps.audit import services as audit
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Invalid
from apps.rating.domain import contracts, cost_models
from apps.rating.domain.contracts import ContractDraft
from apps.rating.domain.cost_models import UNIT_SIZE, CostModelDraft
from apps.rating.models import CostModel
from apps.rating.services.contracts import standing_price, store_contract_price


class CostModelNotValid(Invalid):
    """The inputs of a cost model are wrong; each is named."""

    default_code = "cost_model_not_valid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """For which model, and over which time, derived prices hold."""

    provider: str
    model: str
    valid_from: datetime
    valid_to: datetime | None = None
    note: str = ""


def record_cost_model(
    *, draft: CostModelDraft, priced: Priced, actor: Actor, now: datetime
) -> UUID:
    """Derive a contract price for each meter and record them together; return the cost model's id.

    A price that stands for the same meter is replaced from `valid_from` on. Nothing is priced by
    them until adoption.

    :raises CostModelNotValid: when inputs are wrong.
    :raises PriceNotValid: when the model or the times are wrong.
    :raises PriceOverlaps: when several prices hold for a meter in that time.
    """
    actor.require(Scope.PRICES_WRITE)
    found = cost_models.faults(draft)
    if found:
        raise CostModelNotValid(found[0].message, errors=tuple(found))
    derivation = cost_models.derive(draft)
    with transaction.atomic():
        row = CostModel.objects.create(
            name=draft.name.strip(),
            inputs=draft.as_json(),
            derivation=derivation.as_json(),
            created_by=actor.label,
            created_at=now,
        )
        prices = [
            store_contract_price(
                draft=_price(one, draft, priced), cost_model=row, actor=actor, now=now
            )
            for one in derivation.prices
        ]
        audit.record(
            actor=actor,
            action="cost_model.recorded",
            subject="cost_model",
            subject_id=str(row.public_id),
            detail={"name": row.name, "inputs": row.inputs, "prices": prices},
            at=now,
        )
    return row.public_id


def _price(derived: cost_models.Derived, draft: CostModelDraft, priced: Priced) -> ContractDraft:
    wanted = ContractDraft(
        provider=priced.provider,
        model=priced.model,
        meter=derived.meter,
        amount=derived.amount,
        unit_size=UNIT_SIZE,
        currency=draft.currency,
        valid_from=priced.valid_from,
        valid_to=priced.valid_to,
        note=priced.note or f"Derived: {draft.name.strip()}"[:500],
        confirm_unit_slip=True,
    )
    faults = contracts.faults(wanted)
    return wanted if faults else replace(wanted, replaces=standing_price(wanted))
