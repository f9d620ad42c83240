"""Builds price books from plain rows, without a database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from apps.catalog.domain.aliases import ModelIndex, ModelRule, ProviderRule
from apps.catalog.domain.conditions import Conditions
from apps.rating.domain.book import PriceBook
from apps.rating.domain.discounts import Discount
from apps.rating.domain.mapping import Meaning
from apps.rating.domain.prices import BEGINNING, FOREVER, PriceRow

MILLION = 1_000_000


def moment(text: str) -> datetime:
    """Read an ISO moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def row(
    meter: str = "input_tokens",
    amount: str = "2.5",
    *,
    kind: str = "list",
    provider: str = "openai",
    model: str = "gpt-4o",
    conditions: Conditions = Conditions(),  # noqa: B008
    unit_size: int = MILLION,
    currency: str = "USD",
    valid_from: datetime = BEGINNING,
    valid_to: datetime = FOREVER,
) -> PriceRow:
    """Make a price row; gpt-4o input at $2.50 per million unless said otherwise."""
    return PriceRow(
        kind=kind,  # type: ignore[arg-type]
        provider=provider,
        model=model,
        meter=meter,
        conditions=conditions,
        amount=Decimal(amount),
        unit_size=unit_size,
        currency=currency,
        valid_from=valid_from,
        valid_to=valid_to,
        source="test",
    )


class PlainSource:
    """A price source over rows in memory; the models are those of the list rows."""

    def __init__(self, rows: Sequence[PriceRow], providers: Sequence[ProviderRule] = ()) -> None:
        self.rows = rows
        self.reads = 0
        self.said: Sequence[Meaning] = ()
        self.reductions: Sequence[Discount] = ()
        named = {r.provider: ProviderRule(r.provider, {"contains": r.provider}) for r in rows}
        self._providers = tuple(providers) or tuple(named.values())

    def providers(self) -> Sequence[ProviderRule]:
        return self._providers

    def models(self, provider: str) -> ModelIndex:
        codes = {r.model: None for r in self.rows if r.kind == "list" and r.provider == provider}
        return ModelIndex([ModelRule(code, {"starts_with": f"{code}-20"}) for code in codes])

    def list_rows(self, provider: str, model: str) -> Sequence[PriceRow]:
        self.reads += 1
        wanted = ("list", provider, model)
        return [r for r in self.rows if (r.kind, r.provider, r.model) == wanted]

    def contract_rows(self) -> Sequence[PriceRow]:
        return [r for r in self.rows if r.kind == "contract"]

    def discounts(self) -> Sequence[Discount]:
        return self.reductions

    def meanings(self) -> Sequence[Meaning]:
        return self.said


def book_of(
    *rows: PriceRow,
    providers: Sequence[ProviderRule] = (),
    discounts: Sequence[Discount] = (),
) -> PriceBook:
    """Make a book of these rows."""
    source = PlainSource(rows, providers)
    source.reductions = discounts
    return PriceBook(version=1, source=source)
