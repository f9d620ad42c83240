"""A provider's usage object while it is read: what is asked for is counted, the rest is told."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from apps.catalog.domain.meters import METERS
from apps.core.domain.errors import FieldError, Unprocessable
from apps.usage.domain.drafts import MOST, Exact

FIELD: Final = "raw_usage"
"""Where the object stands in the wire form; problems name what is wrong from there on."""

_TOKENS: Final = re.compile(r"token", re.IGNORECASE)
_NO_COUNT: Final = re.compile(
    r"(^|[_.])(per|rate|max|limit|remaining|budget|cost|price|time|ratio|id)([_.]|$)"
)
_IMAGES_APART: Final = re.compile(r"embed|live|native-audio|realtime|gpt-image")
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NOT_A_CODE: Final = re.compile(r"[^a-z0-9_.:-]+")
_CODE_LENGTH: Final = 64
_DEEPEST: Final = 4


class ShapeUnknown(Unprocessable):
    """No reader knows the usage object."""

    default_code = "usage_shape_unknown"


class ShapeBroken(Unprocessable):
    """A count in the usage object is no count, or contradicts another."""

    default_code = "usage_shape_broken"


class Sent:
    """A usage object that remembers which of its counts were read.

    Paths are keys joined by dots. Zero and null are the same as absent: providers write either.
    """

    def __init__(self, usage: Mapping[str, Any], *, model: str = "") -> None:
        self._usage = usage
        self._known: set[str] = set()
        self.images_apart = charges_images_apart(model)

    def count(self, *paths: str) -> int:
        """Return the whole number under any of the paths, which are names of one count.

        :raises ShapeBroken: when one is no whole number of at least 0, or two differ.
        """
        found, under = 0, ""
        self._known.update(paths)
        for path in paths:
            value = self.at(path)
            if value is None:
                continue
            number = _whole(path, value)
            if not number or number == found:
                continue
            if found:
                raise broken(
                    path, f"{path} is {number} and {under} is {found}; both name the same count."
                )
            found, under = number, path
        return found

    def stated(self, path: str) -> int | None:
        """Return a total that the provider states, None where it states none."""
        self._known.add(path)
        return self._whole(path) or None

    def amount(self, path: str) -> Exact | None:
        """Return a number that may have decimals, None where there is none of at least 0."""
        self._known.add(path)
        value = self.at(path)
        if isinstance(value, bool) or not isinstance(value, int | Decimal) or value < 0:
            return None
        try:
            return Exact.of(f"{value:f}")
        except ValueError:
            return None

    def modality(self, name: str, modality: str) -> int:
        """Return the tokens of one modality from a list of `{modality, tokenCount}`."""
        return sum(
            _whole(f"{name}.tokenCount", part.get("tokenCount"))
            for part in self.parts(name)
            if part.get("modality") == modality
        )

    def parts(self, name: str) -> list[Mapping[str, Any]]:
        """Return the objects of a list; what else stands in it is passed over."""
        self._known.add(name)
        found = self.at(name)
        listed = found if isinstance(found, list) else []
        return [part for part in listed if isinstance(part, Mapping)]

    def passes_over(self, *paths: str) -> None:
        """Take note of counts that repeat others or that nobody charges for."""
        self._known.update(paths)

    def at(self, path: str) -> Any:
        """Return what stands under a path, None where nothing does."""
        name, _, rest = path.partition(".")
        value: Any = self._usage.get(name)
        while rest and value is not None:
            name, _, rest = rest.partition(".")
            value = value.get(name) if isinstance(value, dict | Mapping) else None
        return value

    def has(self, *names: str) -> bool:
        """Tell whether any of the names stands at the top."""
        return any(name in self._usage for name in names)

    def names_in(self, path: str) -> list[str]:
        """Return the keys of the object under a path."""
        inner = self.at(path) if path else self._usage
        return list(inner) if isinstance(inner, Mapping) else []

    def unknown(self) -> dict[str, int]:
        """Return the token counts that nobody asked for, by path, without zeros.

        Speeds, limits and prices that speak of tokens are no counts of them.
        """
        return {
            path: _whole(path, value)
            for path, value in _leaves(self._usage, "", _DEEPEST)
            if path not in self._known
            and _TOKENS.search(path)
            and not _NO_COUNT.search(_in_snake_case(path))
            and _is_count(value)
        }

    def _whole(self, path: str) -> int:
        return _whole(path, self.at(path))


def charges_images_apart(model: str) -> bool:
    """Tell whether a model is of a kind that charges images and video of a prompt apart from text.

    Elsewhere they cost what text does. Told by the name, for no usage object tells it: where the
    name misleads, the meter of its own has no price, and nothing is priced wrongly.
    """
    return _IMAGES_APART.search(model.lower()) is not None


def broken(path: str, message: str, *, code: str = "") -> ShapeBroken:
    """Return the refusal of a count, with its field."""
    code = code or ShapeBroken.default_code
    field = f"{FIELD}.{path}" if path else FIELD
    return ShapeBroken(message, code=code, errors=(FieldError(field, code, message),))


def meter_of(path: str) -> str:
    """Return the meter that an unknown count is kept under: its own name, never one with a price.

    A name that providers have prices for could be counted in another class already.
    """
    code = _NOT_A_CODE.sub("_", _in_snake_case(path))
    if not code[:1].isalpha() or code in METERS:
        code = f"raw.{code}"
    return code[-_CODE_LENGTH:].lstrip("0123456789_.:-")


def _in_snake_case(path: str) -> str:
    return _HUMP.sub("_", path).lower()


def _whole(path: str, value: Any) -> int:
    if value is None:
        return 0
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if isinstance(value, Decimal) and value == value.to_integral_value() and abs(value) < MOST:
        value, is_whole = int(value), True
    if not is_whole or not 0 <= value < MOST:
        raise broken(path, f"{path} is {str(value)[:40]!r}; a count is a whole number from 0 on.")
    return int(value)


def _is_count(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not 0 < value < MOST:
        return False
    return value == int(value)


def _leaves(value: Mapping[str, Any], path: str, depth: int) -> Iterator[tuple[str, Any]]:
    for name, inner in value.items():
        here = f"{path}.{name}" if path else str(name)
        if not isinstance(inner, Mapping):
            yield here, inner
        elif depth:
            yield from _leaves(inner, here, depth - 1)
