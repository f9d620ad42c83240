"""What the doors for usage may do."""

from apps.ingest.domain.receipt import BatchRefused, Receipt
from apps.ingest.services.accept import SMALL, accept_events, accept_small
from apps.ingest.services.adopt import Adoption, adopt_prices
from apps.ingest.services.correct import (
    CorrectionFacts,
    amend_event,
    revert_correction,
    void_event,
)
from apps.ingest.services.foreign import Rehearsal, accept_foreign, drafts_of, rehearse_mapping
from apps.ingest.services.gate import LARGE, in_flight
from apps.ingest.services.imports import (
    Stored,
    Upload,
    cancel_import,
    import_events,
    run_import,
    start_import,
    take_up_imports,
)
from apps.ingest.services.mappings import record_mapping, retire_mapping
from apps.ingest.services.meanings import (
    Foresight,
    Mapped,
    end_meaning,
    foresee_end,
    foresee_mapping,
    map_model,
    withdraw_meaning,
)
from apps.ingest.services.outcomes import accept_outcomes
from apps.ingest.services.prepare import Sent
from apps.ingest.services.reprice import (
    PriceCorrectionForesight,
    correct_prices,
    foresee_correction,
    refresh_reopened,
)
from apps.ingest.services.traces import accept_spans
from apps.ingest.services.translated import accept_translated

__all__ = [
    "LARGE",
    "SMALL",
    "Adoption",
    "BatchRefused",
    "CorrectionFacts",
    "Foresight",
    "Mapped",
    "PriceCorrectionForesight",
    "Receipt",
    "Rehearsal",
    "Sent",
    "Stored",
    "Upload",
    "accept_events",
    "accept_foreign",
    "accept_outcomes",
    "accept_small",
    "accept_spans",
    "accept_translated",
    "adopt_prices",
    "amend_event",
    "cancel_import",
    "correct_prices",
    "drafts_of",
    "end_meaning",
    "foresee_correction",
    "foresee_end",
    "foresee_mapping",
    "import_events",
    "in_flight",
    "map_model",
    "record_mapping",
    "refresh_reopened",
    "rehearse_mapping",
    "retire_mapping",
    "revert_correction",
    "run_import",
    "start_import",
    "take_up_imports",
    "void_event",
    "withdraw_meaning",
]
