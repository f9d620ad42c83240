"""What sent providers and models mean in the catalogue, as the tenant says, from when to when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from apps.rating.domain.prices import BEGINNING, FOREVER
from apps.rating.domain.selection import Stretch

Name = tuple[str, str]
"""Provider and model."""


class Meaning(NamedTuple):
    """A sent model means a catalogue model over [valid_from, valid_to); sent names are lower."""

    sent_provider: str
    sent_model: str
    provider: str
    model: str
    valid_from: datetime = BEGINNING
    valid_to: datetime = FOREVER
    id: str = ""

    @property
    def sent(self) -> Name:
        """Return the name that usage carries."""
        return self.sent_provider, self.sent_model

    @property
    def meant(self) -> Name:
        """Return the name in the catalogue."""
        return self.provider, self.model


class Meanings:
    """Finds what a name means at a moment; a meaning is final and never looked up again."""

    def __init__(self, meanings: Iterable[Meaning]) -> None:
        self._by_name: dict[Name, list[Meaning]] = {}
        for meaning in meanings:
            self._by_name.setdefault(meaning.sent, []).append(meaning)

    def of(self, names: Iterable[Name]) -> Iterator[Meaning]:
        """Yield every meaning that one of the names ever has, whenever that is."""
        for name in dict.fromkeys(names):
            yield from self._by_name.get(name, ())

    def at(self, names: Iterable[Name], at: datetime) -> tuple[Meaning | None, Stretch]:
        """Return what the first name that means something means, and the stretch that holds for.

        Without a meaning the stretch is the one in which there is none.
        """
        known = list(self.of(names))
        edges = {BEGINNING, FOREVER, *(m.valid_from for m in known), *(m.valid_to for m in known)}
        stretch = Stretch(
            max(edge for edge in edges if edge <= at), min(edge for edge in edges if edge > at)
        )
        found = (m for m in known if m.valid_from <= at < m.valid_to)
        return next(found, None), stretch


def plain_name(name: str) -> str:
    """Return a model's name as meanings are looked up by."""
    return name.strip().lower()
