"""Which list prices a scope reaches, as the catalogue knows them now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final
from uuid import UUID

from apps.catalog import selectors as catalog
from apps.catalog.domain.aliases import provider_named
from apps.catalog.domain.published import family_of
from apps.core.domain.errors import Missing
from apps.rating.domain.discounts import Discount
from apps.rating.domain.prices import FOREVER
from apps.rating.domain.selection import covers
from apps.rating.domain.terms import Scope
from apps.rating.models import Discount as StoredDiscount
from apps.rating.selectors.book import list_row
from apps.rating.selectors.terms import discount_of, stored_terms

_MOST: Final = 50_000
_REACHES_NOTHING: Final = (
    "No list price is in its scope: check how provider, model and meter are written. It holds for "
    "prices that come later."
)
_TIES: Final = (
    "It is as specific as {other} and both reach {price}, so neither holds there and that usage is "
    "unpriced. Narrow one of them, or end it."
)


def list_amounts(scope: Scope) -> Iterator[tuple[Decimal, int, str]]:
    """Yield amount, unit size and name of every list price that a scope reaches.

    Those of a provider that sells another's models are the other's. Two queries a provider.
    """
    for price in _reached(scope):
        yield price.amount, price.unit_size, f"{price.provider} {price.model} {price.meter}"


def cautions(*, discount: UUID) -> list[str]:
    """Return what is worth a second look about a discount: it reaches nothing, or ties.

    Where two discounts are equally specific and both reach a list price, neither holds and its
    usage turns unpriced. Each that ties is named once, with a price that both reach.

    :raises Missing: when there is no such discount.
    """
    row = StoredDiscount.objects.filter(public_id=discount).first()
    if row is None:
        raise Missing(f"There is no discount {discount}.", code="discount_unknown")
    mine = discount_of(row)
    scope = Scope(provider=row.provider, family=row.family, model=row.model, meter=row.meter)
    reached = [price for price in _reached(scope) if mine.reduces(list_row(price))]
    if not reached:
        return [_REACHES_NOTHING]
    equals = [
        other
        for other in stored_terms(FOREVER).discounts
        if other.rank == mine.rank
        and other.provider == mine.provider
        and other.source != mine.source
    ]
    tied = (_tied(mine, other, reached) for other in equals)
    return [_TIES.format(other=name[0], price=name[1]) for name in tied if name is not None]


def _tied(
    mine: Discount, other: Discount, reached: Iterable[catalog.ListPriceFacts]
) -> tuple[str, str] | None:
    """Return the other's name and a price that both reduce at some time, None without one."""
    if max(mine.valid_from, other.valid_from) >= min(mine.valid_to, other.valid_to):
        return None
    for price in reached:
        row = list_row(price)
        if other.names(other.provider, price.model) and other.reduces(row):
            return other.source, f"{price.provider} {price.model} {price.meter}"
    return None


def reach(scope: Scope) -> int:
    """Return how many list prices a scope reaches now; 0 is worth a second look."""
    return sum(1 for _ in _reached(scope))


def _reached(scope: Scope) -> Iterator[catalog.ListPriceFacts]:
    known_at = catalog.last_known_at()
    if known_at is None:
        return
    rules = catalog.provider_rules(known_at=known_at)
    known = provider_named(rules, scope.provider) if scope.provider else None
    codes = ("",) if not scope.provider else (scope.provider,)
    for code in codes if known is None else (known.code, *known.fallbacks):
        wanted = catalog.PriceFilter(provider=code, meter=scope.meter)
        for price in catalog.browse(wanted=wanted, known_at=known_at, limit=_MOST):
            named = not scope.model or covers(scope.model, price.model)
            if named and (not scope.family or scope.family == family_of(price.model)):
                yield price
