"""The charts of a statement, each with the finding as its title."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from babel import dates

from apps.core import presentation
from apps.core.domain.money import minor_digits
from apps.core.domain.months import Month
from apps.documents.adapters.layouts.statement_story import heading
from apps.documents.adapters.layouts.words import Words
from apps.documents.domain.charts import Bar, Frame, columns, ranking, waterfall
from apps.documents.domain.color import Palette

Payload = Mapping[str, Any]
Chart = dict[str, str]

_NOTHING: Final[Chart] = {"title": "", "subtitle": "", "svg": ""}
_SHOWN: Final = 6
_WIDE: Final = 493
_HALF: Final = 236


def charts(payload: Payload, words: Words, palette: Palette) -> dict[str, Chart]:
    """Return the charts by place; a place without figures is left out."""
    drawn = {
        "trend": _trend(payload, words, palette),
        "models": _models(payload, words, palette, _HALF if len(payload["trend"]) > 1 else _WIDE),
        "bridge": _bridge(payload, words, palette),
    }
    return {place: chart for place, chart in drawn.items() if chart["svg"]}


def _trend(payload: Payload, words: Words, palette: Palette) -> Chart:
    points = payload["trend"]
    last = len(points) - 1
    if not last or not any(Decimal(point["total"]) for point in points):
        return _NOTHING
    scale = _scale(points, words)
    bars = [
        Bar(
            value=Decimal(point["total"]),
            name=_short_month(point["month"]),
            label=scale.label(Decimal(point["total"])),
            tone="strong" if index == last else "soft",
        )
        for index, point in enumerate(points)
    ]
    finding = _trend_finding(points, words)
    told = "; ".join(f"{words.month(p['month'])} {words.money(p['total'])}" for p in points)
    frame = Frame(finding, told, _HALF, 104, palette)
    subtitle = words("trend_title", unit=scale.unit)
    return {"title": finding, "subtitle": subtitle, "svg": columns(frame, bars)}


def _trend_finding(points: list[Payload], words: Words) -> str:
    month = words.month(points[-1]["month"])
    totals = [Decimal(point["total"]) for point in points]
    key = "trend_between"
    if totals[-1] > max(totals[:-1]):
        key = "trend_highest"
    elif totals[-1] < min(totals[:-1]):
        key = "trend_lowest"
    finding = words(key, month=month, count=len(totals))
    return finding[:1].upper() + finding[1:]


def _short_month(month: str) -> str:
    first = Month.parse(month).first_day
    return str(dates.format_skeleton("MMM", first, locale=presentation.current_reading().locale))


@dataclass(frozen=True, slots=True)
class _Scale:
    """What the labels of a chart count: whole units, thousands or millions."""

    unit: str
    divisor: int
    digits: int

    def label(self, amount: Decimal) -> str:
        return presentation.number(amount / self.divisor, least=self.digits, most=self.digits)


def _scale(points: list[Payload], words: Words) -> _Scale:
    high = max(abs(Decimal(point["total"])) for point in points)
    if high >= 1_000_000:
        return _Scale(words("in_millions", currency=words.currency), 1_000_000, 2)
    if high >= 10_000:
        return _Scale(words("in_thousands", currency=words.currency), 1000, 1)
    small = high < 100
    return _Scale(words.currency, 1, minor_digits(words.currency) if small else 0)


def _models(payload: Payload, words: Words, palette: Palette, width: int) -> Chart:
    moves = [move for move in payload["change"]["movements"] if Decimal(move["now"]) > 0]
    ranked = sorted(moves, key=lambda move: -Decimal(move["now"]))
    bars = [_model_bar(move, words) for move in ranked[:_SHOWN]]
    rest = sum((Decimal(move["now"]) for move in ranked[_SHOWN:]), Decimal(0))
    if rest:
        bars.append(Bar(rest, words("other"), words.rounded(rest)))
    title = words("models_title", currency=words.currency)
    total = Decimal(payload["total"])
    if ranked and total > 0:
        lead = Decimal(ranked[0]["now"]) / total
        name = _short(heading(ranked[0], words), 30)
        title = words("models_lead", name=name, percent=presentation.percent(lead, digits=0))
    told = "; ".join(f"{bar.name} {words.money(bar.value)}" for bar in bars)
    subtitle = words("models_title", currency=words.currency)
    if payload["change"]["previous"] is not None:
        subtitle += f". {words('models_note')}"
    frame = Frame(title, told, width, min(104, 20 * len(bars)), palette)
    return {"title": title, "subtitle": subtitle, "svg": ranking(frame, bars)}


def _model_bar(move: Payload, words: Words) -> Bar:
    return Bar(
        value=Decimal(move["now"]),
        name=_short(heading(move, words), 22),
        label=words.rounded(move["now"]),
        tone="strong" if move["section"] == "direct" else "soft",
        before=Decimal(move["before"]) if move["before"] is not None else None,
    )


def _short(name: str, width: int) -> str:
    return name if len(name) <= width else name[: width - 1] + "…"


def _bridge(payload: Payload, words: Words, palette: Palette) -> Chart:
    steps = payload["change"]["bridge"]
    if steps is None:
        return _NOTHING
    previous = payload["change"]["previous"]
    moved = [(step["step"], Decimal(step["amount"])) for step in steps]
    bars = [
        Bar(
            Decimal(previous["total"]),
            _short_month(previous["month"]),
            words.rounded(previous["total"]),
            "soft",
        ),
        *(
            Bar(amount, words(f"step_{step}"), _step_label(amount, words), _tone(amount))
            for step, amount in moved
            if amount
        ),
        Bar(
            Decimal(payload["total"]),
            _short_month(payload["period"]["month"]),
            words.rounded(payload["total"]),
            "strong",
        ),
    ]
    month = words.month(payload["period"]["month"])
    title = words("bridge", before=words.month(previous["month"]), now=month)
    told = "; ".join(f"{bar.name} {bar.label}" for bar in bars)
    frame = Frame(title, told, _WIDE, 112, palette)
    return {"title": title, "subtitle": words.currency, "svg": waterfall(frame, bars)}


def _step_label(amount: Decimal, words: Words) -> str:
    return f"+{words.rounded(amount)}" if amount > 0 else words.rounded(amount)


def _tone(amount: Decimal) -> Any:
    return "up" if amount > 0 else "down"
