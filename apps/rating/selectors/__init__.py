"""Questions about prices: the book, what was used, what changed, what there is to see."""

from apps.rating.domain.book import PriceBook, Quote, SkuKey
from apps.rating.domain.contracts import ContractDraft
from apps.rating.domain.diff import QuoteChange
from apps.rating.selectors.altered import Substitution, WhatIfNotValid, altered_book
from apps.rating.selectors.book import (
    VersionFacts,
    VersionUnknown,
    current_version,
    is_outdated,
    price_book,
    quote_changes,
    versions,
)
from apps.rating.selectors.browse import (
    PriceFacts,
    PricePage,
    browse_prices,
    contract_price,
    price_history,
)
from apps.rating.selectors.mappings import (
    MappingFacts,
    MappingUnknown,
    mapping,
    mappings,
    proposed_book,
    sent_name,
)
from apps.rating.selectors.missing import Diagnosis, Diagnostician, Lacking
from apps.rating.selectors.peers import canonical_draft, list_peers
from apps.rating.selectors.used import UsedPrice, prices

__all__ = [
    "ContractDraft",
    "Diagnosis",
    "Diagnostician",
    "Lacking",
    "MappingFacts",
    "MappingUnknown",
    "PriceBook",
    "PriceFacts",
    "PricePage",
    "Quote",
    "QuoteChange",
    "SkuKey",
    "Substitution",
    "UsedPrice",
    "VersionFacts",
    "VersionUnknown",
    "WhatIfNotValid",
    "altered_book",
    "browse_prices",
    "canonical_draft",
    "contract_price",
    "current_version",
    "is_outdated",
    "list_peers",
    "mapping",
    "mappings",
    "price_book",
    "price_history",
    "prices",
    "proposed_book",
    "quote_changes",
    "sent_name",
    "versions",
]
