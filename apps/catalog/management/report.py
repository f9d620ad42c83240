"""Says on a terminal what an import of prices did and what waits for a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from apps.catalog.services import ImportReport

_KINDS: Final = {
    "changed": "changed prices",
    "new_price": "prices of known models",
    "new_model": "prices of unknown models",
    "withdrawn": "withdrawn prices",
}


def outcome_of(report: ImportReport) -> str:
    """Say what was published and what waits, of this import."""
    if report.is_baseline:
        return f"The catalogue had no prices: all {report.opened:,} were taken over."
    return (
        f"{report.said:,} statements differ from the last reading: {report.published:,} changes "
        f"published as sources agree, {report.proposed:,} wait for a person, "
        f"{report.superseded:,} earlier ones are pointless now."
    )


def waiting_in_words(counts: Mapping[str, int]) -> str:
    """Say what waits for a person altogether."""
    parts = [f"{counts[kind]:,} {words}" for kind, words in _KINDS.items() if counts[kind]]
    if not parts:
        return "No change of a price waits for a person."
    two = f"; {counts['two']:,} of them need two people" if counts["two"] else ""
    return f"Waiting for a person at /prices/changes/: {', '.join(parts)}{two}."
