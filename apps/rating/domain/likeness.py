"""How alike two model names are, for proposing what an unknown one may mean."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction
from typing import Final, NamedTuple

_WORD: Final = re.compile(r"[a-z]+|\d+")
_DATE: Final = re.compile(r"\d{4}-?\d{2}-?\d{2}|\b\d{4}\b")
LEAST: Final = Fraction(2, 5)
"""Names less alike than this are not proposed."""


class Near(NamedTuple):
    """A catalogue model with a name like the one that was sent; 1 is the same name."""

    likeness: Fraction
    provider: str
    model: str


def near_models(
    *, provider: str, model: str, candidates: Iterable[tuple[str, str]], limit: int
) -> list[Near]:
    """Return the models whose names are most like the one sent, the likest first.

    The same provider goes before others at equal likeness.
    """
    wanted = _features(model)
    found = [
        Near(_likeness(wanted, _features(name)), code, name)
        for code, name in sorted(set(candidates))
    ]
    found = [near for near in found if near.likeness >= LEAST]
    found.sort(key=lambda near: (-near.likeness, near.provider != provider, near[1:]))
    return found[:limit]


def _features(name: str) -> frozenset[str]:
    """Return the words, numbers and letter pairs of a name, dates left out."""
    plain = _DATE.sub(" ", name.lower().rsplit("/", 1)[-1])
    words = _WORD.findall(plain)
    joined = "".join(words)
    pairs = {joined[at : at + 2] for at in range(len(joined) - 1)}
    return frozenset({*(f"<{word}>" for word in words), *pairs})


def _likeness(one: frozenset[str], other: frozenset[str]) -> Fraction:
    together = len(one) + len(other)
    return Fraction(2 * len(one & other), together) if together else Fraction(0)
