"""Colors derived from a tenant's brand color so that text on them stays readable."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

NEUTRAL: Final = "#1f4e79"
"""Used when a tenant has no brand color or none that can be read."""

_READABLE: Final = Decimal("4.5")
_FLARE: Final = Decimal("0.05")
_HEX: Final = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True, slots=True)
class Palette:
    """The colors of one document, as #rrggbb."""

    brand: str
    on_brand: str
    tint: str
    line: str
    muted_bar: str


def palette_of(brand: str) -> Palette:
    """Derive a palette; a color too light to carry text on white is darkened until it can.

    Contrast follows WCAG 2.2: at least 4.5 to 1 against white.
    """
    color = brand if _HEX.fullmatch(brand or "") else NEUTRAL
    while contrast(color, "#ffffff") < _READABLE:
        color = mix(color, "#000000", 10)
    return Palette(
        brand=color,
        on_brand="#ffffff",
        tint=mix("#ffffff", color, 7),
        line=mix("#ffffff", color, 25),
        muted_bar=mix("#ffffff", color, 38),
    )


def mix(base: str, other: str, percent: int) -> str:
    """Return `base` with that percentage of `other` in it."""
    pairs = zip(_channels(base), _channels(other), strict=True)
    return "#" + "".join(f"{(a * (100 - percent) + b * percent + 50) // 100:02x}" for a, b in pairs)


def contrast(one: str, other: str) -> Decimal:
    """Return the contrast ratio of two colors, 1 to 21 (WCAG 2.2, 1.4.3)."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + _FLARE) / (dark + _FLARE)


def _channels(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def _luminance(color: str) -> Decimal:
    red, green, blue = (_linear(channel) for channel in _channels(color))
    return Decimal("0.2126") * red + Decimal("0.7152") * green + Decimal("0.0722") * blue


def _linear(channel: int) -> Decimal:
    """Undo the sRGB gamma of one channel."""
    value = Decimal(channel) / 255
    if value <= Decimal("0.04045"):
        return value / Decimal("12.92")
    return ((value + Decimal("0.055")) / Decimal("1.055")) ** Decimal("2.4")
