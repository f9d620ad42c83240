"""Which list prices a scope reaches, as the catalogue knows them now."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from apps.catalog import selectors as catalog
from apps.catalog.domain.aliases import provider_named
from apps.catalog.domain.published import family_of
from apps.rating.domain.selection import covers
from apps.rating.domain.terms import Scope

_MOST: Final = 50_000


def list_amounts(scope: Scope) -> Iterator[tuple[Decimal, int, str]]:
    """Yield amount, unit size and name of every list price that a scope reaches.

    Those of a provider that sells another's models are the other's. Two queries a provider.
    """
    for price in _reached(scope):
        yield price.amount, price.unit_size, f"{price.provider} {price.model} {price.meter}"


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
