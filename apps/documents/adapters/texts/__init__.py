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
    return LANGUAGES.get(_language(locale), en.TEXTS)


def written_in(locale: str) -> str:
    """Return the locale in which a document is written for a reader: `de-DE`.

    Where we lack the language, English with the reader's country, so that words, numbers and
    month names are of one language and the bundled fonts have every letter.
    """
    parts = locale.replace("_", "-").split("-")
    if _language(locale) in LANGUAGES:
        return "-".join(parts)
    return "-".join(["en", *parts[1:]])


def _language(locale: str) -> str:
    return locale.replace("_", "-").split("-")[0].lower()
