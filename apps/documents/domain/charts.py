"""Charts of documents as SVG text: exact geometry, labelled, readable in print and without color.

Only presentation attributes are used, no styles and no scripts, so the same text may stand in a
page under a strict content security policy. Labels come formatted; nothing here rounds a figure
that is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape
from typing import Final, Literal

from apps.documents.domain.color import Palette

INK: Final = "#1c2733"
SOFT: Final = "#5b6875"
GRID: Final = "#d5dbe1"
FONT: Final = "Inter, sans-serif"


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its value for the geometry, the labels that are printed, and its weight."""

    value: Decimal
    name: str
    label: str
    tone: Literal["strong", "soft", "up", "down"] = "soft"
    before: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """What a chart says and how large it is, in points."""

    title: str
    description: str
    width: int
    height: int
    palette: Palette


def columns(frame: Frame, bars: Sequence[Bar]) -> str:
    """Draw a column a bar on a common zero line, values above, names below; negatives hang."""
    if not bars:
        return ""
    top, bottom = 16, 16
    area = frame.height - top - bottom
    high = max((bar.value for bar in bars), default=Decimal(0))
    low = min((bar.value for bar in bars), default=Decimal(0))
    high, low = max(high, Decimal(0)), min(low, Decimal(0))
    span = (high - low) or Decimal(1)
    zero = top + area * high / span
    step = Decimal(frame.width) / len(bars)
    width = min(step * Decimal("0.62"), Decimal(34))
    parts = [_line(Decimal(0), zero, Decimal(frame.width), zero, GRID)]
    for index, bar in enumerate(bars):
        center = step * index + step / 2
        tall = area * abs(bar.value) / span
        y = zero - tall if bar.value >= 0 else zero
        parts.append(_rect(center - width / 2, y, width, tall, _fill(frame.palette, bar.tone)))
        above = y - 4 if bar.value >= 0 else y + tall + 9
        strong = bar.tone == "strong"
        parts.append(_text(center, above, bar.label, anchor="middle", strong=strong))
        foot = Decimal(frame.height - 4)
        parts.append(_text(center, foot, bar.name, anchor="middle", ink=INK if strong else SOFT))
    return _svg(frame, parts)


def ranking(frame: Frame, bars: Sequence[Bar]) -> str:
    """Draw a row a bar, largest first: name, bar with last month's mark, value at the right."""
    if not bars:
        return ""
    step = Decimal(frame.height) / len(bars)
    left, right = Decimal(frame.width) * Decimal("0.41"), Decimal(52)
    area = Decimal(frame.width) - left - right
    high = max(max(abs(bar.value), abs(bar.before or Decimal(0))) for bar in bars) or Decimal(1)
    thick = min(step * Decimal("0.52"), Decimal(11))
    parts = []
    for index, bar in enumerate(bars):
        middle = step * index + step / 2
        long = area * abs(bar.value) / high
        parts.append(_text(Decimal(0), middle + Decimal("2.6"), bar.name))
        parts.append(_rect(left, middle - thick / 2, long, thick, _fill(frame.palette, bar.tone)))
        if bar.before:
            mark = left + area * abs(bar.before) / high
            parts.append(_line(mark, middle - thick / 2 - 2, mark, middle + thick / 2 + 2, INK))
        end = Decimal(frame.width)
        parts.append(_text(end, middle + Decimal("2.6"), bar.label, anchor="end", strong=True))
    return _svg(frame, parts)


def waterfall(frame: Frame, bars: Sequence[Bar]) -> str:
    """Draw the way from the first bar to the last: totals stand, steps float between them.

    The first and the last bar are totals; each one between starts where the one before ended.
    """
    if len(bars) < 2:
        return ""
    top, bottom = 15, 27
    area = frame.height - top - bottom
    levels = _levels(bars)
    high = max(max(pair) for pair in levels)
    low = min(min(pair) for pair in levels)
    span = (high - low) or Decimal(1)
    step = Decimal(frame.width) / len(bars)
    width = min(step * Decimal("0.66"), Decimal(40))
    parts = []
    for index, (bar, (start, end)) in enumerate(zip(bars, levels, strict=True)):
        center = step * index + step / 2
        y = top + area * (high - max(start, end)) / span
        tall = max(area * abs(end - start) / span, Decimal("0.8"))
        parts.append(_rect(center - width / 2, y, width, tall, _fill(frame.palette, bar.tone)))
        parts.append(_text(center, y - 4, bar.label, anchor="middle", strong=bar.tone == "strong"))
        for row, word in enumerate(_two_rows(bar.name)):
            foot = Decimal(frame.height - 14 + 10 * row)
            parts.append(_text(center, foot, word, anchor="middle", ink=SOFT))
        if index + 1 < len(bars):
            level = top + area * (high - end) / span
            parts.append(_line(center + width / 2, level, center + step - width / 2, level, SOFT))
    return _svg(frame, parts)


def _levels(bars: Sequence[Bar]) -> list[tuple[Decimal, Decimal]]:
    levels = [(Decimal(0), bars[0].value)]
    for bar in bars[1:-1]:
        start = levels[-1][1]
        levels.append((start, start + bar.value))
    return [*levels, (Decimal(0), bars[-1].value)]


def _two_rows(name: str) -> list[str]:
    """Break a name once, near its middle."""
    words = name.split(" ")
    if len(words) == 1:
        return [name]
    cuts = range(1, len(words))
    best = min(cuts, key=lambda cut: max(len(" ".join(words[:cut])), len(" ".join(words[cut:]))))
    return [" ".join(words[:best]), " ".join(words[best:])]


def _svg(frame: Frame, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{frame.width}pt" '
        f'height="{frame.height}pt" viewBox="0 0 {frame.width} {frame.height}" '
        f'font-family="{FONT}" font-size="7.5">'
        f"<title>{escape(frame.title)}. {escape(frame.description)}</title>"
        f"{''.join(parts)}</svg>"
    )


def _fill(palette: Palette, tone: str) -> str:
    return {
        "strong": palette.brand,
        "soft": palette.muted_bar,
        "up": "#b5533c",
        "down": "#3b7d5e",
    }[tone]


def _rect(x: Decimal, y: Decimal, width: Decimal, height: Decimal, fill: str) -> str:
    return (
        f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" '
        f'rx="1" fill="{fill}"/>'
    )


def _line(x1: Decimal, y1: Decimal, x2: Decimal, y2: Decimal, stroke: str) -> str:
    return (
        f'<line x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}" '
        f'stroke="{stroke}" stroke-width="0.75"/>'
    )


def _text(
    x: Decimal,
    y: Decimal,
    text: str,
    *,
    anchor: str = "start",
    ink: str = INK,
    strong: bool = False,
) -> str:
    weight = ' font-weight="600"' if strong else ""
    return (
        f'<text x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}" fill="{ink}"{weight}>'
        f"{escape(text)}</text>"
    )


def _n(value: Decimal) -> str:
    return f"{value.quantize(Decimal('0.01'))}"
