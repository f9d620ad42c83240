"""Discounts and committed levels as the price book reads them, by what was known at a moment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple, TypeVar

from django.db.models import Model, Q, QuerySet

from apps.catalog.domain.conditions import Conditions
from apps.core.domain.canonical import plain_decimal
from apps.rating.domain.discounts import Discount
from apps.rating.domain.prices import FOREVER, PriceRow
from apps.rating.models import CommitmentTerm, ContractPrice, ModelMapping
from apps.rating.models import Discount as StoredDiscount

_Row = TypeVar("_Row", bound=Model)

TERMS: Final[tuple[type[Model], ...]] = (
    ContractPrice,
    ModelMapping,
    StoredDiscount,
    CommitmentTerm,
)
"""All tables of a tenant that a version of the price book knows as of a moment."""


class Terms(NamedTuple):
    """What goes beside fixed contract prices: discounts, and the prices of committed levels."""

    discounts: tuple[Discount, ...]
    prices: tuple[PriceRow, ...]


def stored_terms(known_at: datetime) -> Terms:
    """Return the terms known at a moment; committed levels give both kinds. Two queries."""
    own = [discount_of(row) for row in _known(StoredDiscount.objects.all(), known_at)]
    terms = list(_known(CommitmentTerm.objects.select_related("commitment", "level"), known_at))
    levels = [_level_discount(term) for term in terms if term.level.percent is not None]
    return Terms((*own, *levels), tuple(_level_prices(terms)))


def discount_of(row: StoredDiscount) -> Discount:
    """Return a discount as the book applies it."""
    return Discount(
        provider=row.provider,
        family=row.family,
        model=row.model,
        meter=row.meter,
        service_tier=row.service_tier,
        batch=row.batch,
        region=row.region,
        context_gt=row.context_gt,
        percent=_plain(row.percent),
        valid_from=row.valid_from,
        valid_to=row.valid_to or FOREVER,
        source=f"discount {row.public_id}",
    )


def _level_discount(term: CommitmentTerm) -> Discount:
    scope, level = term.commitment, term.level
    assert level.percent is not None
    return Discount(
        provider=scope.provider,
        family=scope.family,
        model=scope.model,
        meter=scope.meter,
        service_tier="",
        batch=None,
        region="",
        context_gt=None,
        percent=_plain(level.percent),
        valid_from=term.valid_from,
        valid_to=term.valid_to or FOREVER,
        source=_level_source(term),
    )


def _level_prices(terms: Iterable[CommitmentTerm]) -> Iterator[PriceRow]:
    for term in terms:
        scope, level = term.commitment, term.level
        if level.amount is not None and level.unit_size is not None:
            yield PriceRow(
                kind="contract",
                provider=scope.provider,
                model=scope.model,
                meter=scope.meter,
                conditions=Conditions(),
                amount=_plain(level.amount),
                unit_size=level.unit_size,
                currency=scope.currency,
                valid_from=term.valid_from,
                valid_to=term.valid_to or FOREVER,
                source=_level_source(term),
            )


def _level_source(term: CommitmentTerm) -> str:
    return f"commitment {term.commitment.public_id} level {term.level.position}"


def _known(rows: QuerySet[_Row], known_at: datetime) -> QuerySet[_Row]:
    believed = Q(known_to__isnull=True) | Q(known_to__gt=known_at)
    return rows.filter(believed, known_from__lte=known_at).order_by("id")


def _plain(amount: Decimal) -> Decimal:
    return Decimal(plain_decimal(amount))
