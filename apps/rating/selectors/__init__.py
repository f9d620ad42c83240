"""Questions about prices: the book, what was used, what changed, what there is to see."""

from apps.rating.domain.book import PriceBook, Quote, SkuKey
from apps.rating.domain.contracts import ContractDraft
from apps.rating.domain.diff import QuoteChange
from apps.rating.selectors.agreements import (
    CommitmentFacts,
    CostModelFacts,
    DiscountFacts,
    LevelFacts,
    TermFacts,
    commitment,
    commitments,
    cost_model,
    cost_model_of,
    cost_models,
    discount,
    discounts,
    in_words,
    level_in_words,
    term_of,
)
from apps.rating.selectors.altered import Substitution, WhatIfNotValid, altered_book
from apps.rating.selectors.book import (
    VersionFacts,
    VersionUnknown,
    current_version,
    is_outdated,
    price_book,
    quote_changes,
    version_asked,
    version_in_force,
    versions,
)
from apps.rating.selectors.browse import (
    PriceFacts,
    PricePage,
    browse_prices,
    contract_price,
    price_history,
)
from apps.rating.selectors.explained import Explained, Use, book_as_known, explain
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
from apps.rating.selectors.reach import cautions, reach
from apps.rating.selectors.sheet import believed_drafts, sheet_csv, sheet_xlsx
from apps.rating.selectors.used import UsedPrice, prices

__all__ = [
    "CommitmentFacts",
    "ContractDraft",
    "CostModelFacts",
    "Diagnosis",
    "Diagnostician",
    "DiscountFacts",
    "Explained",
    "Lacking",
    "LevelFacts",
    "MappingFacts",
    "MappingUnknown",
    "PriceBook",
    "PriceFacts",
    "PricePage",
    "Quote",
    "QuoteChange",
    "SkuKey",
    "Substitution",
    "TermFacts",
    "Use",
    "UsedPrice",
    "VersionFacts",
    "VersionUnknown",
    "WhatIfNotValid",
    "altered_book",
    "believed_drafts",
    "book_as_known",
    "browse_prices",
    "canonical_draft",
    "cautions",
    "commitment",
    "commitments",
    "contract_price",
    "cost_model",
    "cost_model_of",
    "cost_models",
    "current_version",
    "discount",
    "discounts",
    "explain",
    "in_words",
    "is_outdated",
    "level_in_words",
    "list_peers",
    "mapping",
    "mappings",
    "price_book",
    "price_history",
    "prices",
    "proposed_book",
    "quote_changes",
    "reach",
    "sent_name",
    "sheet_csv",
    "sheet_xlsx",
    "term_of",
    "version_asked",
    "version_in_force",
    "versions",
]
