"""Questions to chargeback; answers are frozen values."""

from apps.chargeback.domain.answers import (
    Explanation,
    Hop,
    MonthFacts,
    SourceShare,
    StatementDetail,
    StatementFacts,
)
from apps.chargeback.domain.results import StatementMissing, StatementSet
from apps.chargeback.selectors.explaining import explanation
from apps.chargeback.selectors.framing import terms
from apps.chargeback.selectors.sets import set_of
from apps.chargeback.selectors.statements import (
    months,
    statement,
    statement_of,
    statements,
)

__all__ = [
    "Explanation",
    "Hop",
    "MonthFacts",
    "SourceShare",
    "StatementDetail",
    "StatementFacts",
    "StatementMissing",
    "StatementSet",
    "explanation",
    "months",
    "set_of",
    "statement",
    "statement_of",
    "statements",
    "terms",
]
