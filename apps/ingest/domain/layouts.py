"""What the rows of a file mean: our own events, LiteLLM's log, or Bedrock's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from apps.ingest.domain import bedrock_log, litellm
from apps.ingest.domain.rows import event_of
from apps.ingest.domain.translated import Taken
from apps.usage.domain.decode import draft_of
from apps.usage.domain.drafts import Problem, Rejected

NATIVE: Final = "native"
LITELLM: Final = "litellm"
BEDROCK: Final = "bedrock"
FOCUS: Final = "focus"
LAYOUTS: Final = (NATIVE, LITELLM, BEDROCK)
"""Kinds of files of events."""

Row = Mapping[str, Any] | str
"""A row, or why a line is none."""

_SIGNS: Final = (
    (BEDROCK, frozenset({"modelId", "requestId"})),
    (LITELLM, frozenset({"call_type", "startTime"})),
    (FOCUS, frozenset({"BilledCost", "ChargePeriodStart"})),
)


def layout_of(row: Row) -> str:
    """Return what a file's first row says that the file is."""
    if isinstance(row, str):
        return NATIVE
    return next((layout for layout, sign in _SIGNS if sign <= row.keys()), NATIVE)


def drafts_of(rows: Sequence[Row], *, layout: str, source: str, lax: bool) -> Taken:
    """Return the uses that rows tell, in order; lines that are no rows are rejections.

    `lax` reads numbers that are written as text. `source` stands in where a row names none.
    """
    if layout == NATIVE:
        return _native(rows, source, lax=lax)
    read = litellm.drafts_of if layout == LITELLM else bedrock_log.drafts_of
    taken = Taken()
    for place, row in enumerate(rows):
        index = len(taken.drafts)
        if isinstance(row, str):
            taken.add(Rejected(index, None, Problem(None, "row", row)), place=place)
            continue
        one = read([row], source=source)
        taken.ignored += one.ignored
        for draft in one.drafts:
            kept = (
                Rejected(index, draft.id, draft.problem) if isinstance(draft, Rejected) else draft
            )
            taken.add(kept, place=place)
    return taken


def _native(rows: Sequence[Row], source: str, *, lax: bool) -> Taken:
    taken = Taken()
    for index, row in enumerate(rows):
        if isinstance(row, str):
            taken.add(Rejected(index, None, Problem(None, "row", row)), place=index)
        else:
            event = event_of(row)
            taken.add(draft_of(event, index=index, source=source or None, lax=lax), place=index)
    return taken
