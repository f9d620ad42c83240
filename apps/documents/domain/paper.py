"""Which paper a reader has."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

_LETTER_COUNTRIES: Final = frozenset(
    {"US", "CA", "MX", "CL", "CO", "CR", "GT", "PA", "PH", "PR", "SV", "VE", "DO", "NI"}
)


class Paper(StrEnum):
    """The two sheets that one template is laid out for."""

    A4 = "A4"
    LETTER = "Letter"


def paper_of(locale: str) -> Paper:
    """Return the sheet that is usual where a locale (`en-US`, `de_DE`) is spoken.

    The countries are those of CLDR's paperSize supplement; A4 when no country is named.
    """
    parts = locale.replace("_", "-").split("-")
    country = next((part.upper() for part in parts[1:] if len(part) == 2), "")
    return Paper.LETTER if country in _LETTER_COUNTRIES else Paper.A4
