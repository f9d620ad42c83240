"""Questions to chargeback; answers are frozen values."""

from apps.chargeback.domain.acceptance import (
    Acceptance,
    AcceptanceState,
    DisputeFacts,
    ResponseFacts,
)
from apps.chargeback.domain.answers import (
    Explanation,
    Hop,
    MonthFacts,
    SourceShare,
    StatementDetail,
    StatementFacts,
)
from apps.chargeback.domain.results import StatementMissing, StatementSet
from apps.chargeback.selectors.adjusting import corrections
from apps.chargeback.selectors.answers import (
    acceptance,
    acceptances,
    answers_for,
    attachment,
    disputes,
    may_respond,
    open_disputes,
    policy,
    responders,
)
from apps.chargeback.selectors.booking import (
    chart,
    entries,
    journal,
    journal_sums,
    journals,
    layout,
    mapping_gaps,
    mappings,
    months_to_book,
)
from apps.chargeback.selectors.explaining import explanation
from apps.chargeback.selectors.focus import (
    ExportFacts,
    Wanted,
    export,
    exports,
    focus_file,
    unfinished_exports,
)
from apps.chargeback.selectors.framing import terms
from apps.chargeback.selectors.rolled import (
    RollupDetail,
    RollupFacts,
    months_to_roll_up,
    rollup,
    rollups,
)
from apps.chargeback.selectors.sets import set_of, totals_of
from apps.chargeback.selectors.statements import (
    months,
    statement,
    statement_of,
    statements,
)

__all__ = [
    "Acceptance",
    "AcceptanceState",
    "DisputeFacts",
    "Explanation",
    "ExportFacts",
    "Hop",
    "MonthFacts",
    "ResponseFacts",
    "RollupDetail",
    "RollupFacts",
    "SourceShare",
    "StatementDetail",
    "StatementFacts",
    "StatementMissing",
    "StatementSet",
    "Wanted",
    "acceptance",
    "acceptances",
    "answers_for",
    "attachment",
    "chart",
    "corrections",
    "disputes",
    "entries",
    "explanation",
    "export",
    "exports",
    "focus_file",
    "journal",
    "journal_sums",
    "journals",
    "layout",
    "mapping_gaps",
    "mappings",
    "may_respond",
    "months",
    "months_to_book",
    "months_to_roll_up",
    "open_disputes",
    "policy",
    "responders",
    "rollup",
    "rollups",
    "set_of",
    "statement",
    "statement_of",
    "statements",
    "terms",
    "totals_of",
    "unfinished_exports",
]
