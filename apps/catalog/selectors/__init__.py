"""Questions about the public catalogue; every answer is of one moment of knowledge."""

from __future__ import annotations

from apps.catalog.selectors.changes import (
    ChangeFacts,
    ChangeFilter,
    DecisionFacts,
    StatedFacts,
    change,
    changes,
    changes_named,
    decisions_of,
    statements_about,
    waiting_counts,
)
from apps.catalog.selectors.history import (
    HistoryRow,
    ListedAt,
    history,
    subjects_of,
)
from apps.catalog.selectors.prices import (
    ListPriceFacts,
    ModelFacts,
    PriceFilter,
    PriceSortKey,
    ai_model,
    browse,
    last_known_at,
    list_prices,
    model_index,
    provider_names,
    provider_rules,
)
from apps.catalog.selectors.sources import (
    Agreement,
    ImportFacts,
    SourceState,
    import_facts,
    imports,
    not_taken,
    sources,
)

__all__ = [
    "Agreement",
    "ChangeFacts",
    "ChangeFilter",
    "DecisionFacts",
    "HistoryRow",
    "ImportFacts",
    "ListPriceFacts",
    "ListedAt",
    "ModelFacts",
    "PriceFilter",
    "PriceSortKey",
    "SourceState",
    "StatedFacts",
    "ai_model",
    "browse",
    "change",
    "changes",
    "changes_named",
    "decisions_of",
    "history",
    "import_facts",
    "imports",
    "last_known_at",
    "list_prices",
    "model_index",
    "not_taken",
    "provider_names",
    "provider_rules",
    "sources",
    "statements_about",
    "subjects_of",
    "waiting_counts",
]
