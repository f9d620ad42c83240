"""Document numbers: gap-free within a series, so that a missing document is seen."""

from __future__ import annotations

import re
from typing import Final

from apps.core.domain.errors import Invalid
from apps.core.domain.months import Month
from apps.documents.domain.states import Kind

_PREFIXES: Final = {
    Kind.STATEMENT: "STM",
    Kind.ROLLUP: "ROL",
    Kind.INVOICE: "INV",
    Kind.CREDIT_NOTE: "CRN",
}
_SERIES: Final = re.compile(r"[A-Z][A-Z0-9]{1,11}(-[0-9]{4}(-[0-9]{2})?)?")


class SeriesInvalid(Invalid):
    """A series has another form than STM-2026-10."""

    default_code = "series"


def month_series(kind: Kind, month: Month) -> str:
    """Return the series of a kind of document for one month: STM-2026-10.

    Several series are lawful (Directive 2006/112/EC, Art. 226(2)); one a month keeps closes of
    different months from waiting for each other.
    """
    return f"{_PREFIXES[kind]}-{month}"


def checked_series(series: str) -> str:
    """Return the series when it is well formed.

    :raises SeriesInvalid: when it is not.
    """
    if not _SERIES.fullmatch(series):
        raise SeriesInvalid(f"{series!r} is no series; write it as STM-2026-10.")
    return series


def number_of(series: str, ordinal: int) -> str:
    """Return the number of a document: STM-2026-10-0001; longer from 10,000 on."""
    return f"{series}-{ordinal:04d}"
