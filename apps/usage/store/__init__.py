"""The statements that write usage: keys, events and rollups, thousands of rows at a time.

Every statement names schema and partition. Rows are written in the order of their keys, which is
the order of locks for all writers (rule 9).
"""

from apps.usage.store.binding import table
from apps.usage.store.events import (
    BatchHeader,
    InverseRow,
    Revision,
    copy_events,
    copy_inverse,
)
from apps.usage.store.keys import (
    KeyTaken,
    KnownKey,
    found_keys,
    insert_keys_if_absent,
    keys_untaken,
    known_keys,
    lock_key,
    looking_up,
    names_asked,
    reserve_keys,
    stock,
    storing_keys,
)
from apps.usage.store.raw import copy_raw_usage, insert_raw_usage
from apps.usage.store.rollups import drop_empty_cells, has_rollups, replace_cells
from apps.usage.store.rows import Statement, event_rows, key_rows
from apps.usage.store.scopes import Scope, StoredKey, ids_in_scope, stored_keys
from apps.usage.store.writes import (
    Questions,
    Upsert,
    Writes,
    answers_to,
    asking,
    pack_sums,
    writing,
)

__all__ = [
    "BatchHeader",
    "InverseRow",
    "KeyTaken",
    "KnownKey",
    "Questions",
    "Revision",
    "Scope",
    "Statement",
    "StoredKey",
    "Upsert",
    "Writes",
    "answers_to",
    "asking",
    "copy_events",
    "copy_inverse",
    "copy_raw_usage",
    "drop_empty_cells",
    "event_rows",
    "found_keys",
    "has_rollups",
    "ids_in_scope",
    "insert_keys_if_absent",
    "insert_raw_usage",
    "key_rows",
    "keys_untaken",
    "known_keys",
    "lock_key",
    "looking_up",
    "names_asked",
    "pack_sums",
    "replace_cells",
    "reserve_keys",
    "stock",
    "stored_keys",
    "storing_keys",
    "table",
    "writing",
]
