"""What may be done to usage: intern, record, correct, rate again, verify, make room."""

from apps.usage.adapters.packed import moment as moment_part
from apps.usage.adapters.packed import text as text_part
from apps.usage.services.intern import intern_sent_skus, intern_tag_sets
from apps.usage.services.partitions import ensure_partitions
from apps.usage.services.rebuild import Difference, sheet_for, verify_rollups, version_of
from apps.usage.services.record import Known, claim, claim_patiently, record
from apps.usage.services.rerate import Rerating, open_months_in_use, rerate
from apps.usage.services.sheet import RatingSheet, current_sheet, sheet_of
from apps.usage.store import KeyTaken, looking_up

__all__ = [
    "Difference",
    "KeyTaken",
    "Known",
    "RatingSheet",
    "Rerating",
    "claim",
    "claim_patiently",
    "current_sheet",
    "ensure_partitions",
    "intern_sent_skus",
    "intern_tag_sets",
    "looking_up",
    "moment_part",
    "open_months_in_use",
    "record",
    "rerate",
    "sheet_for",
    "sheet_of",
    "text_part",
    "verify_rollups",
    "version_of",
]
