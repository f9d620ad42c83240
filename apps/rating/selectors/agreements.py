"""Discounts, commitments and cost models as people and programs read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Q

from apps.core import presentation
from apps.core.domain.errors import Missing
from apps.rating.domain.terms import Scope
from apps.rating.models import Commitment, CommitmentLevel, CommitmentTerm, ContractPrice, CostModel
from apps.rating.models import Discount as StoredDiscount
from apps.rating.selectors.book import current_version


@dataclass(frozen=True, slots=True)
class DiscountFacts:
    """A discount in both times; empty scope fields and None conditions leave it open."""

    id: UUID
    scope: Scope
    percent: Decimal
    service_tier: str
    batch: bool | None
    region: str
    context_gt: int | None
    valid_from: datetime
    valid_to: datetime | None
    known_from: datetime
    known_to: datetime | None
    note: str
    created_by: str
    adopted: bool
    replaces: UUID | None

    @property
    def scope_in_words(self) -> str:
        """Say what is discounted: "openai gpt-4o*, Input tokens"."""
        return in_words(self.scope)

    @property
    def conditions_in_words(self) -> str:
        """Say what narrows it; empty when nothing does."""
        parts = [
            f"{self.service_tier} tier" if self.service_tier else "",
            {True: "batch", False: "not batch", None: ""}[self.batch],
            f"region {self.region}" if self.region else "",
            "" if self.context_gt is None else f"context tier {self.context_gt:,}",
        ]
        return ", ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class LevelFacts:
    """A level: what is committed a month, and the discount or price that it gives."""

    position: int
    commit: Decimal
    percent: Decimal | None
    amount: Decimal | None
    unit_size: int | None


@dataclass(frozen=True, slots=True)
class TermFacts:
    """Which level is in force over [valid_from, valid_to), as it is believed."""

    id: UUID
    level: LevelFacts
    valid_from: datetime
    valid_to: datetime | None
    known_from: datetime
    note: str
    created_by: str
    adopted: bool

    def state(self, now: datetime) -> str:
        """Return where the term stands in time, in a word."""
        if not self.adopted:
            return "pending"
        if self.valid_from > now:
            return "future"
        return "current" if self.valid_to is None or self.valid_to > now else "past"


@dataclass(frozen=True, slots=True)
class CommitmentFacts:
    """A commitment with its levels, low to high, and the terms believed now, in order of time."""

    id: UUID
    name: str
    scope: Scope
    measure: str
    currency: str
    note: str
    created_by: str
    created_at: datetime
    levels: tuple[LevelFacts, ...]
    terms: tuple[TermFacts, ...]


@dataclass(frozen=True, slots=True)
class CostModelFacts:
    """How derived prices came about; `prices` are the contract prices that rest on it."""

    id: UUID
    name: str
    inputs: Mapping[str, Any]
    derivation: Mapping[str, Any]
    created_by: str
    created_at: datetime
    prices: tuple[UUID, ...]


def discounts(*, known_at: datetime, on: datetime | None = None) -> list[DiscountFacts]:
    """Return the discounts known at a moment, those valid at `on` only when it is given."""
    rows = StoredDiscount.objects.select_related("replaces").filter(
        Q(known_to__isnull=True) | Q(known_to__gt=known_at), known_from__lte=known_at
    )
    if on is not None:
        rows = rows.filter(Q(valid_to__isnull=True) | Q(valid_to__gt=on), valid_from__lte=on)
    known = current_version().contract_known_at
    order = ("provider", "family", "model", "meter", "valid_from", "id")
    return [_discount(row, known) for row in rows.order_by(*order)]


def discount(public_id: UUID) -> DiscountFacts:
    """Return one discount, also one that is not believed any more.

    :raises Missing: when there is none of that id.
    """
    row = StoredDiscount.objects.select_related("replaces").filter(public_id=public_id).first()
    if row is None:
        raise Missing(f"There is no discount {public_id}.", code="discount_unknown")
    return _discount(row, current_version().contract_known_at)


def commitments() -> list[CommitmentFacts]:
    """Return all commitments by name; four queries."""
    rows = Commitment.objects.order_by("name", "id").prefetch_related("levels")
    known = current_version().contract_known_at
    terms: dict[int, list[CommitmentTerm]] = {}
    believed = CommitmentTerm.objects.filter(known_to__isnull=True).select_related("level")
    for term in believed.order_by("valid_from", "id"):
        terms.setdefault(term.commitment_id, []).append(term)
    return [_commitment(row, terms.get(row.pk, ()), known) for row in rows]


def commitment(public_id: UUID) -> CommitmentFacts:
    """Return one commitment.

    :raises Missing: when there is none of that id.
    """
    found = [one for one in commitments() if one.id == public_id]
    if not found:
        raise Missing(f"There is no commitment {public_id}.", code="commitment_unknown")
    return found[0]


def term_of(*, commitment: UUID, term: UUID) -> UUID:
    """Return the id of a term that is believed now and belongs to a commitment.

    :raises Missing: when there is none.
    """
    rows = CommitmentTerm.objects.filter(public_id=term, commitment__public_id=commitment)
    if not rows.filter(known_to__isnull=True).exists():
        message = f"The commitment has no term {term} that is believed now."
        raise Missing(message, code="commitment_unknown")
    return term


def cost_models() -> list[CostModelFacts]:
    """Return all cost models, the newest first; two queries."""
    prices: dict[int, list[UUID]] = {}
    rows = ContractPrice.objects.filter(cost_model__isnull=False, known_to__isnull=True)
    for model, price in rows.order_by("id").values_list("cost_model_id", "public_id"):
        prices.setdefault(model or 0, []).append(price)
    return [_cost_model(row, prices.get(row.pk, ())) for row in CostModel.objects.order_by("-id")]


def cost_model(public_id: UUID) -> CostModelFacts:
    """Return one cost model.

    :raises Missing: when there is none of that id.
    """
    found = [one for one in cost_models() if one.id == public_id]
    if not found:
        raise Missing(f"There is no cost model {public_id}.", code="cost_model_unknown")
    return found[0]


def cost_model_of(price: UUID) -> UUID | None:
    """Return the cost model that a contract price was derived by; None when it was agreed."""
    row = ContractPrice.objects.select_related("cost_model").filter(public_id=price).first()
    return None if row is None or row.cost_model is None else row.cost_model.public_id


def in_words(scope: Scope) -> str:
    """Say a scope: "openai gpt-4o*, input_tokens", or "everything that is listed"."""
    family = f"{scope.family} family" if scope.family else ""
    name = " ".join(part for part in (scope.provider, scope.model, family) if part)
    return ", ".join(part for part in (name, scope.meter) if part) or "everything that is listed"


def level_in_words(level: LevelFacts, of: CommitmentFacts) -> str:
    """Say a level: "level 2: USD 50,000.00 a month, 12.0% off list"."""
    if of.measure == "spend":
        commit = presentation.money(level.commit, of.currency)
    else:
        commit = f"{presentation.quantity(level.commit)} {of.scope.meter}"
    if level.percent is not None:
        gives = f"{presentation.percent(level.percent.scaleb(-2))} off list"
    else:
        gives = f"{presentation.exact_money(level.amount, of.currency)} per {level.unit_size:,}"
    return f"level {level.position}: {commit} a month, {gives}"


def _discount(row: StoredDiscount, adopted_up_to: datetime) -> DiscountFacts:
    return DiscountFacts(
        id=row.public_id,
        scope=_scope(row),
        percent=row.percent,
        service_tier=row.service_tier,
        batch=row.batch,
        region=row.region,
        context_gt=row.context_gt,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        known_from=row.known_from,
        known_to=row.known_to,
        note=row.note,
        created_by=row.created_by,
        adopted=row.known_from <= adopted_up_to,
        replaces=None if row.replaces is None else row.replaces.public_id,
    )


def _scope(row: StoredDiscount | Commitment) -> Scope:
    return Scope(provider=row.provider, family=row.family, model=row.model, meter=row.meter)


def _commitment(
    row: Commitment, terms: Iterable[CommitmentTerm], adopted_up_to: datetime
) -> CommitmentFacts:
    levels = sorted(row.levels.all(), key=lambda level: level.position)
    return CommitmentFacts(
        id=row.public_id,
        name=row.name,
        scope=_scope(row),
        measure=row.measure,
        currency=row.currency,
        note=row.note,
        created_by=row.created_by,
        created_at=row.created_at,
        levels=tuple(_level(level) for level in levels),
        terms=tuple(_term(term, adopted_up_to) for term in terms),
    )


def _term(row: CommitmentTerm, adopted_up_to: datetime) -> TermFacts:
    return TermFacts(
        id=row.public_id,
        level=_level(row.level),
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        known_from=row.known_from,
        note=row.note,
        created_by=row.created_by,
        adopted=row.known_from <= adopted_up_to,
    )


def _level(row: CommitmentLevel) -> LevelFacts:
    return LevelFacts(row.position, row.commit, row.percent, row.amount, row.unit_size)


def _cost_model(row: CostModel, prices: Iterable[UUID]) -> CostModelFacts:
    return CostModelFacts(
        id=row.public_id,
        name=row.name,
        inputs=row.inputs,
        derivation=row.derivation,
        created_by=row.created_by,
        created_at=row.created_at,
        prices=tuple(prices),
    )
