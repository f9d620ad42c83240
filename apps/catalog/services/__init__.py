"""Changes the catalogue: what sources say, what people decide, and what is listed thereby."""

from __future__ import annotations

from apps.catalog.adapters.litellm import FileInvalid
from apps.catalog.adapters.sheet import SheetInvalid
from apps.catalog.services.deciding import (
    MOST_AT_ONCE,
    ChangeSettled,
    ChangeUnknown,
    Decided,
    Decision,
    DecisionNotValid,
    SecondPersonNeeded,
    Verdict,
    decide,
)
from apps.catalog.services.imports import (
    FILE_SOURCES,
    ImportReport,
    SourceUnknown,
    import_catalog,
    import_list_prices,
    load_prices,
)
from apps.catalog.services.knowledge import ImportOutOfOrder

__all__ = [
    "FILE_SOURCES",
    "MOST_AT_ONCE",
    "ChangeSettled",
    "ChangeUnknown",
    "Decided",
    "Decision",
    "DecisionNotValid",
    "FileInvalid",
    "ImportOutOfOrder",
    "ImportReport",
    "SecondPersonNeeded",
    "SheetInvalid",
    "SourceUnknown",
    "Verdict",
    "decide",
    "import_catalog",
    "import_list_prices",
    "load_prices",
]
