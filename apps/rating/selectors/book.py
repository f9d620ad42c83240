"""The price book of the current schema, in the version that is in force or an older one."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from threading import Lock
from typing import Final

from django.db import connection
from django.db.models import Max, Q

from apps.catalog import selectors as catalog
from apps.catalog.domain.aliases import ModelIndex, ProviderRule
from apps.core.db import current_schema
from apps.core.domain.canonical import plain_decimal
from apps.core.domain.errors import Missing
from apps.rating.domain import diff
from apps.rating.domain.book import PriceBook, PriceRow, SkuKey
from apps.rating.domain.discounts import Discount
from apps.rating.domain.mapping import Meaning
from apps.rating.domain.prices import BEGINNING, FOREVER
from apps.rating.models import ContractPrice, ModelMapping, PriceBookVersion
from apps.rating.selectors.terms import TERMS, stored_terms

_MOST_BOOKS: Final = 16
"""Books kept in a process: the versions in use of the tenants it serves most."""


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """A version of the price book: what was known when it was adopted, by whom and when."""

    version: int
    catalog_known_at: datetime
    contract_known_at: datetime
    adopted_at: datetime
    adopted_by: str


class VersionUnknown(Missing):
    """There is no price book of that version."""

    default_code = "price_book_version_unknown"


def price_book(*, version: int | None = None) -> PriceBook:
    """Return the price book in force, or an older version of it; at most five queries.

    Books are kept in the process by schema and version. One that is read inside a transaction
    is not kept, as it may show rows that never commit.

    :raises VersionUnknown: when there is no such version.
    """
    facts = current_version() if version is None else version_facts(version)
    schema = current_schema()
    key = (schema, facts.version, facts.adopted_at)
    book = _books.get(key)
    if book is None:
        book = PriceBook(version=facts.version, source=StoredPrices(facts))
        if not connection.in_atomic_block:
            _books.put(key, book)
    return book


def version_in_force() -> tuple[int, datetime]:
    """Return the number of the version in force, and when it was adopted; one short query."""
    with connection.cursor() as cursor:
        cursor.execute(version_asked())
        version, adopted_at = cursor.fetchone()
    return version, adopted_at


def version_asked() -> str:
    """Return the statement of `version_in_force`, for those who ask several things at once."""
    schema = connection.ops.quote_name(current_schema())
    return (
        f"SELECT v.id, v.adopted_at FROM {schema}.rating_currentversion c "  # noqa: S608 - quoted
        f"JOIN {schema}.rating_pricebookversion v ON v.id = c.version_id"
    )


def current_version() -> VersionFacts:
    """Return the version in force; one short query, as every question of a price begins here."""
    schema = connection.ops.quote_name(current_schema())
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT v.id, v.catalog_known_at, v.contract_known_at, v.adopted_at, v.adopted_by "  # noqa: S608 - quoted identifiers only
            f"FROM {schema}.rating_currentversion c "
            f"JOIN {schema}.rating_pricebookversion v ON v.id = c.version_id"
        )
        return VersionFacts(*cursor.fetchone())


def versions(*, limit: int) -> list[VersionFacts]:
    """Return the latest versions, newest first."""
    return [_facts(row) for row in PriceBookVersion.objects.order_by("-id")[:limit]]


def latest_knowledge() -> tuple[datetime | None, datetime | None]:
    """Return when the catalogue, and when the tenant's prices and mappings, last changed."""
    known = [
        rows.aggregate(opened=Max("known_from"), closed=Max("known_to"))
        for rows in (table._default_manager for table in TERMS)
    ]
    moments = (at for each in known for at in each.values() if at is not None)
    contract = max(moments, default=None)
    return catalog.last_known_at(), contract


def is_outdated() -> bool:
    """Tell whether prices are known that the version in force does not know."""
    facts = current_version()
    listed, contract = latest_knowledge()
    return (listed is not None and listed > facts.catalog_known_at) or (
        contract is not None and contract > facts.contract_known_at
    )


def quote_changes(
    *,
    before: int,
    after: int,
    used: Iterable[tuple[SkuKey, str]],
    start: datetime,
    end: datetime,
) -> list[diff.QuoteChange]:
    """Return where version `after` prices what was used in [start, end) unlike version `before`.

    :raises VersionUnknown: when there is no such version.
    """
    books = price_book(version=before), price_book(version=after)
    return list(
        diff.quote_changes(before=books[0], after=books[1], used=used, start=start, end=end)
    )


class StoredPrices:
    """Reads a version's prices from the tables as the book asks for them.

    Contract prices are few and belong to the schema, so they are read at once; the catalogue is
    large and public, so it is read by provider and by model.
    """

    def __init__(self, facts: VersionFacts) -> None:
        self._known_at = facts.catalog_known_at
        self._terms = stored_terms(facts.contract_known_at)
        self._contracts = (*_contract_rows(facts.contract_known_at), *self._terms.prices)
        self._meanings = stored_meanings(facts.contract_known_at)
        self._providers: tuple[ProviderRule, ...] | None = None
        self._models: dict[str, ModelIndex] = {}

    def providers(self) -> Sequence[ProviderRule]:
        """Return all providers; one query, once."""
        if self._providers is None:
            self._providers = catalog.provider_rules(known_at=self._known_at)
        return self._providers

    def models(self, provider: str) -> ModelIndex:
        """Return the models of a provider; one query, once a provider."""
        found = self._models.get(provider)
        if found is None:
            found = catalog.model_index(provider=provider, known_at=self._known_at)
            self._models[provider] = found
        return found

    def list_rows(self, provider: str, model: str) -> Sequence[PriceRow]:
        """Return the list prices of a model; one query, and the book asks once."""
        facts = catalog.list_prices(provider=provider, model=model, known_at=self._known_at)
        return [list_row(price) for price in facts]

    def contract_rows(self) -> Sequence[PriceRow]:
        """Return all contract prices; no query."""
        return self._contracts

    def discounts(self) -> Sequence[Discount]:
        """Return all discounts; no query."""
        return self._terms.discounts

    def meanings(self) -> Sequence[Meaning]:
        """Return what sent models mean; no query."""
        return self._meanings


def list_row(price: catalog.ListPriceFacts) -> PriceRow:
    """Return a list price as the book's row."""
    return PriceRow(
        kind="list",
        provider=price.provider,
        model=price.model,
        meter=price.meter,
        conditions=price.conditions,
        amount=_plain(price.amount),
        unit_size=price.unit_size,
        currency=price.currency,
        valid_from=price.valid_from or BEGINNING,
        valid_to=price.valid_to or FOREVER,
        source=price.source,
    )


def contract_row(price: ContractPrice) -> PriceRow:
    """Return a contract price as the book's row."""
    return PriceRow(
        kind="contract",
        provider=price.provider,
        model=price.model,
        meter=price.meter,
        conditions=price.conditions,
        amount=_plain(price.amount),
        unit_size=price.unit_size,
        currency=price.currency,
        valid_from=price.valid_from,
        valid_to=price.valid_to or FOREVER,
        source=_source(price),
    )


def _source(price: ContractPrice) -> str:
    derived = "" if price.cost_model_id is None else "derived, "
    return f"{derived}contract {price.public_id}"


def _plain(amount: Decimal) -> Decimal:
    """Drop the zeros that the column adds: 2.500000000000000000 -> 2.5."""
    return Decimal(plain_decimal(amount))


def _contract_rows(known_at: datetime) -> tuple[PriceRow, ...]:
    rows = ContractPrice.objects.filter(
        Q(known_to__isnull=True) | Q(known_to__gt=known_at), known_from__lte=known_at
    )
    return tuple(contract_row(row) for row in rows.order_by("id"))


def stored_meanings(known_at: datetime) -> tuple[Meaning, ...]:
    """Return what sent models mean, as it was known at a moment; one query."""
    rows = ModelMapping.objects.filter(
        Q(known_to__isnull=True) | Q(known_to__gt=known_at), known_from__lte=known_at
    )
    return tuple(meaning(row) for row in rows.order_by("id"))


def meaning(row: ModelMapping) -> Meaning:
    """Return a mapping as the book looks it up."""
    return Meaning(
        sent_provider=row.sent_provider,
        sent_model=row.sent_model,
        provider=row.provider,
        model=row.model,
        valid_from=row.valid_from,
        valid_to=row.valid_to or FOREVER,
        id=str(row.public_id),
    )


def version_facts(version: int) -> VersionFacts:
    """Return a version by its number.

    :raises VersionUnknown: when there is no such version.
    """
    row = PriceBookVersion.objects.filter(pk=version).first()
    if row is None:
        raise VersionUnknown(f"There is no price book version {version}.")
    return _facts(row)


def _facts(row: PriceBookVersion) -> VersionFacts:
    return VersionFacts(
        version=row.pk,
        catalog_known_at=row.catalog_known_at,
        contract_known_at=row.contract_known_at,
        adopted_at=row.adopted_at,
        adopted_by=row.adopted_by,
    )


class _Books:
    """The books last used in this process; safe to share between threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, int, datetime], PriceBook] = OrderedDict()
        self._lock = Lock()

    def get(self, key: tuple[str, int, datetime]) -> PriceBook | None:
        """Return a kept book and count it as used."""
        with self._lock:
            book = self._kept.get(key)
            if book is not None:
                self._kept.move_to_end(key)
            return book

    def put(self, key: tuple[str, int, datetime], book: PriceBook) -> None:
        """Keep a book, and let go of the one not used for longest when there are too many."""
        with self._lock:
            self._kept[key] = book
            while len(self._kept) > _MOST_BOOKS:
                self._kept.popitem(last=False)


_books: Final = _Books()
"""Schemas whose book in force was read inside a transaction, and so was not kept."""
