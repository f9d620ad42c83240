"""The words of documents: English, German, French; the same keys in each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from apps.documents.adapters.texts import de, en, fr

LANGUAGES: Final[Mapping[str, Mapping[str, str]]] = {
    "en": en.TEXTS,
    "de": de.TEXTS,
    "fr": fr.TEXTS,
}


def texts_of(locale: str) -> Mapping[str, str]:
    """Return the words of a locale's language; English where we have none."""
    language = locale.replace("_", "-").split("-")[0].lower()
    return LANGUAGES.get(language, en.TEXTS)
