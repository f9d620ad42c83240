"""What may be done to usage: intern, record, correct, rate again, verify, make room."""

from apps.usage.services.intern import intern_sent_skus, intern_tag_sets
from apps.usage.services.partitions import ensure_partitions
from apps.usage.services.record import claim, record
from apps.usage.services.sheet import RatingSheet, current_sheet, sheet_of

__all__ = [
    "RatingSheet",
    "claim",
    "current_sheet",
    "ensure_partitions",
    "intern_sent_skus",
    "intern_tag_sets",
    "record",
    "sheet_of",
]
