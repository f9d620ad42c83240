"""Which price holds for a use at a moment, as it was known at another, and what it goes over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from apps.rating.domain.book import PriceBook
from apps.rating.domain.prices import PriceRow, SkuKey
from apps.rating.domain.selection import applicable
from apps.rating.selectors.book import StoredPrices, VersionFacts, current_version


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What is used: as a sender writes it, at a moment, with a context in tokens."""

    provider: str
    model: str
    meter: str
    at: datetime
    service_tier: str = ""
    batch: bool = False
    region: str = ""
    context_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Explained:
    """The price of a use. Without `price` it is unpriced: `rivals` tie, or there is none.

    `beneath` are the prices in force that it goes over, the first of them next in line.
    """

    sku: SkuKey
    meter: str
    price: PriceRow | None
    rivals: tuple[PriceRow, ...]
    beneath: tuple[PriceRow, ...]

    @property
    def why_unpriced(self) -> str | None:
        """Say why there is no price; None when there is one."""
        if self.price is not None:
            return None
        if len(self.rivals) > 1:
            names = " and ".join(sorted(row.source for row in self.rivals))
            return f"Several prices are equally specific: {names}. End or withdraw one of them."
        if self.rivals:
            return f"{self.rivals[0].source} has more digits than a price can keep."
        return "No price names this meter of the model under these conditions."


def book_as_known(known_at: datetime) -> PriceBook:
    """Return the book of everything that was known at a moment, adopted or not; it is not kept."""
    present = current_version()
    facts = VersionFacts(
        version=present.version,
        catalog_known_at=known_at,
        contract_known_at=known_at,
        adopted_at=known_at,
        adopted_by="",
    )
    return PriceBook(version=present.version, source=StoredPrices(facts))


def explain(*, use: Use, book: PriceBook) -> Explained:
    """Return which price holds for a use by a book, and why not another."""
    sku = book.sku_for(
        provider=use.provider,
        model=use.model,
        service_tier=use.service_tier,
        batch=use.batch,
        region=use.region,
        context_tokens=use.context_tokens,
        at=use.at,
    )
    quote = book.quote(sku=sku, meter=use.meter, at=use.at)
    best = book.rivals(sku=sku, meter=use.meter, at=use.at)
    in_force = [
        row
        for row in applicable(book.rows(sku=sku), sku, use.meter)
        if row not in best and row.valid_from <= use.at < row.valid_to
    ]
    order = {"contract": 0, "discount": 1, "list": 2}
    return Explained(
        sku=sku,
        meter=use.meter,
        price=None if quote is None else quote.row,
        rivals=() if quote is not None else tuple(best),
        beneath=tuple(sorted(in_force, key=lambda row: order[row.kind])),
    )
