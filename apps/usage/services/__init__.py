"""What may be done to usage: intern, record, correct, rate again, verify, make room."""

from apps.usage.adapters import packed
from apps.usage.adapters.packed import moment as moment_part
from apps.usage.adapters.packed import text as text_part
from apps.usage.selectors.rates import version_of
from apps.usage.services.corrections import (
    Entry,
    EventUnknown,
    StoredRow,
    append_inverse,
    append_revision,
    locked_rows,
    rows_of_keys,
)
from apps.usage.services.foresight import Move, foresee, nothing_kept
from apps.usage.services.intern import (
    intern_sent_skus,
    intern_tag_sets,
    remembered_tag_sets,
)
from apps.usage.services.moved import prices_moved
from apps.usage.services.outcomes import OutcomeDraft, record_outcomes
from apps.usage.services.partitions import ensure_partitions
from apps.usage.services.persons import hashed
from apps.usage.services.price_corrections import (
    Correcting,
    MonthIsOpen,
    PricesCorrected,
    book_price_corrections,
    months_with_corrections,
    undo_price_corrections,
)
from apps.usage.services.rebuild import Difference, sheet_for, verify_rollups
from apps.usage.services.record import (
    Booked,
    Known,
    Recorded,
    ask_names,
    came_along,
    keys_at_hand,
    months_of,
    record,
    record_few,
    record_patiently,
    roll_up,
    send_rows,
)
from apps.usage.services.rehearsal import is_unpriced, known_digests
from apps.usage.services.replace import (
    Brought,
    MeterChange,
    Taken,
    claim_keys,
    effect_of,
    ids_outside,
    replace_events,
    standing,
)
from apps.usage.services.rerate import Rerating, holds_usage, open_months_in_use, rerate
from apps.usage.services.sheet import KeptSheet, RatingSheet, current_sheet, kept_sheet, sheet_of
from apps.usage.store import (
    BatchHeader,
    KeyTaken,
    Questions,
    Scope,
    StoredKey,
    answers_to,
    asking,
    ids_in_scope,
    looking_up,
    stored_keys,
)

__all__ = [
    "BatchHeader",
    "Booked",
    "Brought",
    "Correcting",
    "Difference",
    "Entry",
    "EventUnknown",
    "KeptSheet",
    "KeyTaken",
    "Known",
    "MeterChange",
    "MonthIsOpen",
    "Move",
    "OutcomeDraft",
    "PricesCorrected",
    "Questions",
    "RatingSheet",
    "Recorded",
    "Rerating",
    "Scope",
    "StoredKey",
    "StoredRow",
    "Taken",
    "answers_to",
    "append_inverse",
    "append_revision",
    "ask_names",
    "asking",
    "book_price_corrections",
    "came_along",
    "claim_keys",
    "current_sheet",
    "effect_of",
    "ensure_partitions",
    "foresee",
    "hashed",
    "holds_usage",
    "ids_in_scope",
    "ids_outside",
    "intern_sent_skus",
    "intern_tag_sets",
    "is_unpriced",
    "kept_sheet",
    "keys_at_hand",
    "known_digests",
    "locked_rows",
    "looking_up",
    "moment_part",
    "months_of",
    "months_with_corrections",
    "nothing_kept",
    "open_months_in_use",
    "packed",
    "prices_moved",
    "record",
    "record_few",
    "record_outcomes",
    "record_patiently",
    "remembered_tag_sets",
    "replace_events",
    "rerate",
    "roll_up",
    "rows_of_keys",
    "send_rows",
    "sheet_for",
    "sheet_of",
    "standing",
    "stored_keys",
    "text_part",
    "undo_price_corrections",
    "verify_rollups",
    "version_of",
]
