"""What sent models mean: the mappings of the tenant, and the book as it would be with others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from apps.catalog import selectors as catalog
from apps.catalog.domain.aliases import ProviderRule, provider_named
from apps.core.domain.errors import Missing
from apps.rating.domain.book import PriceBook
from apps.rating.domain.mapping import Meaning, plain_name
from apps.rating.models import ModelMapping
from apps.rating.selectors.book import (
    StoredPrices,
    VersionFacts,
    current_version,
    latest_knowledge,
)

_MOST: Final = 500


class MappingUnknown(Missing):
    """There is no such mapping, or it was ended or withdrawn."""

    default_code = "mapping_unknown"


@dataclass(frozen=True, slots=True)
class MappingFacts:
    """One mapping in both times; `valid_to` None is until further notice."""

    id: UUID
    sent_provider: str
    sent_model: str
    provider: str
    model: str
    valid_from: datetime
    valid_to: datetime | None
    known_from: datetime
    known_to: datetime | None
    note: str
    created_by: str

    @property
    def is_believed(self) -> bool:
        """Tell whether the mapping stands."""
        return self.known_to is None


def mappings() -> list[MappingFacts]:
    """Return the mappings, those that stand first and then the newest; the first 500."""
    rows = ModelMapping.objects.order_by("known_to", "-id")[:_MOST]
    facts = [_facts(row) for row in rows]
    return sorted(facts, key=lambda each: not each.is_believed)


def mapping(id: UUID) -> MappingFacts:
    """Return one mapping, also one that no longer stands.

    :raises MappingUnknown: when there is none.
    """
    row = ModelMapping.objects.filter(public_id=id).first()
    if row is None:
        raise MappingUnknown(f"There is no mapping {id}.")
    return _facts(row)


def sent_name(*, provider: str, model: str) -> tuple[str, str]:
    """Return what a book looks a sent provider and model up by."""
    known = provider_named(_rules(), provider)
    code = provider.strip().lower() if known is None else known.code
    return code, plain_name(model)


def catalogue_name(*, provider: str, model: str) -> tuple[str, str] | None:
    """Return the canonical name of a model by any of its names; None when none is listed."""
    known_at = catalog.last_known_at()
    known = provider_named(_rules(), provider)
    if known_at is None or known is None:
        return None
    for code in (known.code, *known.fallbacks):
        found = catalog.model_index(provider=code, known_at=known_at).find(model)
        if found is not None:
            return known.code, found
    return None


def proposed_book(
    *, proposed: Iterable[Meaning] = (), withdrawn: frozenset[str] = frozenset()
) -> PriceBook:
    """Return the book that adoption would put in force, with further mappings or without some.

    It knows everything that is known now, adopted or not. Nothing is written, and it is not kept.
    """
    present = current_version()
    listed, contract = latest_knowledge()
    facts = replace(
        present,
        catalog_known_at=max(present.catalog_known_at, listed or present.catalog_known_at),
        contract_known_at=max(present.contract_known_at, contract or present.contract_known_at),
    )
    return PriceBook(
        version=present.version, source=_ProposedPrices(facts, tuple(proposed), withdrawn)
    )


class _ProposedPrices(StoredPrices):
    """The stored prices, with other mappings than the stored ones."""

    def __init__(
        self, facts: VersionFacts, proposed: Sequence[Meaning], withdrawn: frozenset[str]
    ) -> None:
        super().__init__(facts)
        kept = [each for each in super().meanings() if each.id not in withdrawn]
        self._proposed = (*kept, *proposed)

    def meanings(self) -> Sequence[Meaning]:
        """Return the mappings as they would be."""
        return self._proposed


def _rules() -> Sequence[ProviderRule]:
    known_at = catalog.last_known_at()
    return () if known_at is None else catalog.provider_rules(known_at=known_at)


def _facts(row: ModelMapping) -> MappingFacts:
    return MappingFacts(
        id=row.public_id,
        sent_provider=row.sent_provider,
        sent_model=row.sent_model,
        provider=row.provider,
        model=row.model,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        known_from=row.known_from,
        known_to=row.known_to,
        note=row.note,
        created_by=row.created_by,
    )
