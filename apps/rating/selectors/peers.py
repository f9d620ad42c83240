"""What a contract price is compared with before it is recorded."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from apps.catalog import selectors as catalog
from apps.catalog.domain.aliases import provider_named
from apps.catalog.domain.conditions import canonical_tier, tidy
from apps.rating.domain.contracts import ContractDraft
from apps.rating.domain.prices import PriceRow
from apps.rating.domain.selection import covers
from apps.rating.domain.terms import Scope
from apps.rating.selectors.book import list_row

_MOST_PEERS: Final = 500


def canonical_draft(draft: ContractDraft) -> ContractDraft:
    """Return the draft with the names that usage will carry and its window in its one spelling."""
    tier, batch = canonical_tier(draft.conditions.service_tier, draft.conditions.batch)
    listed = catalog.last_known_at()
    provider, model = draft.provider.strip().lower(), draft.model
    if listed is not None:
        provider, model = _canonical_names(provider, model, listed)
    conditions = tidy(draft.conditions._replace(service_tier=tier, batch=batch))
    return replace(draft, provider=provider, model=model, conditions=conditions)


def canonical_scope(scope: Scope) -> Scope:
    """Return the scope with the names that usage will carry, so that it can ever match."""
    listed = catalog.last_known_at()
    provider, model = scope.provider.strip().lower(), scope.model.strip()
    family = scope.family.strip().lower()
    if listed is not None and model:
        provider, model = _canonical_names(provider, model, listed)
    elif listed is not None and provider:
        known = provider_named(catalog.provider_rules(known_at=listed), provider)
        provider = provider if known is None else known.code
    return replace(scope, provider=provider, model=model, family=family)


def list_peers(draft: ContractDraft) -> list[PriceRow]:
    """Return the list prices, at its beginning, of what a canonical draft would price."""
    listed = catalog.last_known_at()
    if listed is None:
        return []
    providers = catalog.provider_rules(known_at=listed)
    known = provider_named(providers, draft.provider)
    for code in (draft.provider,) if known is None else (known.code, *known.fallbacks):
        rows = _listed(draft, code, listed)
        if rows:
            return rows
    return []


def _listed(draft: ContractDraft, provider: str, known_at: datetime) -> list[PriceRow]:
    model = "" if draft.model.endswith("*") else draft.model
    wanted = catalog.PriceFilter(
        provider=provider, model=model, meter=draft.meter, on=draft.valid_from
    )
    return [
        list_row(price)
        for price in catalog.browse(wanted=wanted, known_at=known_at, limit=_MOST_PEERS)
        if price.conditions == draft.conditions and covers(draft.model, price.model)
    ]


def _canonical_names(provider: str, model: str, known_at: datetime) -> tuple[str, str]:
    known = provider_named(catalog.provider_rules(known_at=known_at), provider)
    if known is None or model.endswith("*"):
        return (provider if known is None else known.code), model
    for code in (known.code, *known.fallbacks):
        found = catalog.model_index(provider=code, known_at=known_at).find(model)
        if found is not None:
            return known.code, found
    return known.code, model
