"""What may be done to usage: intern, record, correct, rate again, verify, make room."""

from apps.usage.adapters.packed import moment as moment_part
from apps.usage.adapters.packed import text as text_part
from apps.usage.services.corrections import (
    Entry,
    EventUnknown,
    StoredRow,
    append_inverse,
    append_revision,
    locked_rows,
)
from apps.usage.services.intern import intern_sent_skus, intern_tag_sets
from apps.usage.services.outcomes import OutcomeDraft, record_outcomes
from apps.usage.services.partitions import ensure_partitions
from apps.usage.services.rebuild import Difference, sheet_for, verify_rollups, version_of
from apps.usage.services.record import Known, claim, claim_patiently, record
from apps.usage.services.rehearsal import is_unpriced, known_digests
from apps.usage.services.rerate import Rerating, open_months_in_use, rerate
from apps.usage.services.sheet import RatingSheet, current_sheet, sheet_of
from apps.usage.store import KeyTaken, looking_up

__all__ = [
    "Difference",
    "Entry",
    "EventUnknown",
    "KeyTaken",
    "Known",
    "OutcomeDraft",
    "RatingSheet",
    "Rerating",
    "StoredRow",
    "append_inverse",
    "append_revision",
    "claim",
    "claim_patiently",
    "current_sheet",
    "ensure_partitions",
    "intern_sent_skus",
    "intern_tag_sets",
    "is_unpriced",
    "known_digests",
    "locked_rows",
    "looking_up",
    "moment_part",
    "open_months_in_use",
    "record",
    "record_outcomes",
    "rerate",
    "sheet_for",
    "sheet_of",
    "text_part",
    "verify_rollups",
    "version_of",
]
