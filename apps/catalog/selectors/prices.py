"""Questions about models and list prices, as they were known at a moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Final

from django.db.models import Max, Q, QuerySet
from django.db.models.functions import Collate

from apps.catalog.domain.aliases import ModelIndex, ModelRule, ProviderRule
from apps.catalog.domain.conditions import Conditions
from apps.catalog.models import AiModel, ListPrice, Provider, Recognition
from apps.core.domain.errors import Missing

_BROWSING: Final = ("provider_key", "model_key", "meter_key", "id")

PriceSortKey = tuple[str, str, str, int]
"""Provider, model, meter and id of a list price: the order in which prices are browsed."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """A model as the catalogue knows it."""

    provider: str
    provider_name: str
    code: str
    name: str
    family: str
    context_window: int | None
    deprecated: bool
    source: str
    pricing_url: str


@dataclass(frozen=True, slots=True)
class ListPriceFacts:
    """One list price: `amount` of `currency` per `unit_size` units of the meter."""

    id: int
    provider: str
    model: str
    model_name: str
    meter: str
    conditions: Conditions
    amount: Decimal
    unit_size: int
    currency: str
    valid_from: datetime | None
    valid_to: datetime | None
    known_from: datetime
    known_to: datetime | None
    source: str

    @property
    def sort_key(self) -> PriceSortKey:
        """Return the place of the price in the browsing order."""
        return (self.provider, self.model, self.meter, self.id)


@dataclass(frozen=True, slots=True)
class PriceFilter:
    """Which prices to browse; empty means all. `text` is looked for in model and provider."""

    provider: str = ""
    model: str = ""
    meter: str = ""
    text: str = ""
    on: datetime | None = None
    family: str = ""


def provider_rules(*, known_at: datetime) -> tuple[ProviderRule, ...]:
    """Return how all providers were recognized, in the order in which rules are tried."""
    rows = _recognitions(known_at).order_by("position", "id")
    return tuple(
        ProviderRule(code, match, tuple(fallbacks))
        for code, match, fallbacks in rows.values_list("provider__code", "match", "fallbacks")
    )


def provider_names() -> dict[str, str]:
    """Return all providers' names by code, ordered by name."""
    return dict(Provider.objects.order_by("name", "id").values_list("code", "name"))


def model_index(*, provider: str, known_at: datetime) -> ModelIndex:
    """Return the recognizer of a provider's models; empty when there was no such provider."""
    rows = _recognitions(known_at).filter(provider__code=provider)
    recognition = rows.values_list("pk", flat=True).first()
    return ModelIndex(()) if recognition is None else _index_of(recognition)


@lru_cache(maxsize=128)
def _index_of(recognition: int) -> ModelIndex:
    """Build a recognizer once a process: its row never changes, and all tenants share it."""
    rules = Recognition.objects.values_list("rules", flat=True).get(pk=recognition)
    return ModelIndex([ModelRule(code, rule) for code, rule in rules])


def ai_model(*, provider: str, code: str) -> ModelFacts:
    """Return one model.

    :raises Missing: when the catalogue has none of that code.
    """
    row = AiModel.objects.select_related("provider").filter(provider__code=provider, code=code)
    found = row.first()
    if found is None:
        raise Missing(f"The catalogue has no model {code!r} of {provider!r}.", code="model_unknown")
    return ModelFacts(
        provider=found.provider.code,
        provider_name=found.provider.name,
        code=found.code,
        name=found.name,
        family=found.family,
        context_window=found.context_window,
        deprecated=found.deprecated,
        source=found.source,
        pricing_url=found.provider.pricing_url,
    )


def list_prices(*, provider: str, model: str, known_at: datetime) -> list[ListPriceFacts]:
    """Return all list prices of a model, past and future, as they were known at a moment."""
    rows = _known(known_at).filter(model__provider__code=provider, model__code=model)
    return [_facts(row) for row in rows.order_by("meter_id", "id")]


def browse(
    *,
    wanted: PriceFilter,
    known_at: datetime,
    after: PriceSortKey | None = None,
    before: PriceSortKey | None = None,
    limit: int,
) -> list[ListPriceFacts]:
    """Return up to `limit` list prices next to a place in the browsing order; one query.

    Behind `after`, or directly in front of `before`; always in browsing order.
    """
    rows = _filtered(wanted, known_at).annotate(
        provider_key=Collate("model__provider__code", "C"),
        model_key=Collate("model__code", "C"),
        meter_key=Collate("meter_id", "C"),
    )
    if before is not None:
        found = rows.filter(_beyond(before, "lt")).order_by(*(f"-{key}" for key in _BROWSING))
        return [_facts(row) for row in reversed(found[:limit])]
    if after is not None:
        rows = rows.filter(_beyond(after, "gt"))
    return [_facts(row) for row in rows.order_by(*_BROWSING)[:limit]]


def last_known_at() -> datetime | None:
    """Return when the catalogue last learned something; None while it is empty."""
    moments = (
        rows.aggregate(at=Max(column))["at"]
        for rows in (ListPrice.objects, Recognition.objects)
        for column in ("known_from", "known_to")
    )
    return max((at for at in moments if at is not None), default=None)


def _recognitions(at: datetime) -> QuerySet[Recognition]:
    return Recognition.objects.filter(
        Q(known_to__isnull=True) | Q(known_to__gt=at), known_from__lte=at
    )


def _filtered(wanted: PriceFilter, known_at: datetime) -> QuerySet[ListPrice]:
    rows = _known(known_at)
    if wanted.provider:
        rows = rows.filter(model__provider__code=wanted.provider)
    if wanted.model:
        rows = rows.filter(model__code=wanted.model)
    if wanted.meter:
        rows = rows.filter(meter_id=wanted.meter)
    if wanted.family:
        rows = rows.filter(model__family=wanted.family)
    if wanted.on is not None:
        rows = rows.filter(
            Q(valid_from__isnull=True) | Q(valid_from__lte=wanted.on),
            Q(valid_to__isnull=True) | Q(valid_to__gt=wanted.on),
        )
    for word in wanted.text.split():
        rows = rows.filter(
            Q(model__code__icontains=word)
            | Q(model__name__icontains=word)
            | Q(model__provider__code__icontains=word)
            | Q(model__provider__name__icontains=word)
        )
    return rows


def _known(at: datetime) -> QuerySet[ListPrice]:
    return ListPrice.objects.select_related("model__provider").filter(
        Q(known_to__isnull=True) | Q(known_to__gt=at), known_from__lte=at
    )


def _beyond(place: PriceSortKey, side: str) -> Q:
    """Return the rows on one side (gt, lt) of a place, compared column after column."""
    beyond, equal = Q(pk__in=[]), Q()
    for column, value in zip(_BROWSING, place, strict=True):
        beyond |= equal & Q(**{f"{column}__{side}": value})
        equal &= Q(**{column: value})
    return beyond


def _facts(row: ListPrice) -> ListPriceFacts:
    return ListPriceFacts(
        id=row.pk,
        provider=row.model.provider.code,
        model=row.model.code,
        model_name=row.model.name,
        meter=row.meter_id,
        conditions=Conditions(
            row.service_tier, row.batch, row.region, row.context_gt, row.window, row.other
        ),
        amount=row.amount,
        unit_size=row.unit_size,
        currency=row.currency,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        known_from=row.known_from,
        known_to=row.known_to,
        source=row.source,
    )


__all__: Sequence[str] = [
    "ListPriceFacts",
    "ModelFacts",
    "PriceFilter",
    "PriceSortKey",
    "ai_model",
    "browse",
    "last_known_at",
    "list_prices",
    "model_index",
    "provider_names",
    "provider_rules",
]
