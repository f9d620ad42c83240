"""Describes charts; the browser draws them, the table beside them is drawn here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, Literal

from apps.core import presentation
from apps.core.presentation import Figure
from apps.core.web import palette

TrendKind = Literal["columns", "groups", "area", "line", "steps"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One value of a chart's table; with a URL it drills down, also by keyboard."""

    text: str
    url: str = ""


Rows = Sequence[Sequence[Cell]]


@dataclass(frozen=True, slots=True)
class Series:
    """One owner's values, one a category; `urls` leads from each value to its detail."""

    name: str
    values: Sequence[Figure]
    urls: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, tile or waterfall step. `children` split a tile, `total` starts a bar from zero."""

    name: str
    value: Figure
    url: str = ""
    children: Sequence[Bar] = ()
    total: bool = False


@dataclass(frozen=True, slots=True)
class Flow:
    """A share that goes from one node to another: from a pool to a receiver."""

    source: str
    target: str
    value: Figure
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A chart as the component `chart` shows it: finding, picture, table."""

    key: str
    title: str
    payload: Mapping[str, Any]
    headers: Sequence[str]
    rows: Rows
    note: str = ""
    height: Literal["small", "medium", "large"] = "medium"
    text_columns: int = 1

    @property
    def json_id(self) -> str:
        """Return the id of the element that carries the payload."""
        return f"{self.key}-data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What every chart has: its id on the page, the finding as title, and the unit of its axis.

    `currency` and `unit` exclude each other: USD for money, "tokens" for quantities.
    """

    key: str
    title: str
    currency: str = ""
    unit: str = ""
    note: str = ""
    height: Literal["small", "medium", "large"] = "medium"

    def cell(self, figure: Figure, url: str = "") -> Cell:
        """Format one value of the chart for its table."""
        if self.currency:
            return Cell(presentation.money(figure, self.currency), url)
        return Cell(presentation.quantity(figure), url)

    def chart(self, payload: Mapping[str, Any], headers: Sequence[str], rows: Rows) -> Chart:
        """Put payload and table into the frame."""
        common = {"currency": self.currency, "unit": self.unit}
        return Chart(
            key=self.key,
            title=self.title,
            payload={**common, **payload},
            headers=headers,
            rows=rows,
            note=self.note,
            height=self.height,
            text_columns=2 if payload["kind"] == "sankey" else 1,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Burn:
    """Spend of a window against its limit; each list has a value a category or None.

    `low` and `high` bound the forecast.
    """

    categories: Sequence[str]
    actual: Sequence[Figure]
    limit: Figure
    forecast: Sequence[Figure] = ()
    low: Sequence[Figure] = ()
    high: Sequence[Figure] = ()
    labels: Mapping[str, str] = field(
        default_factory=lambda: {"actual": "Actual", "forecast": "Forecast", "limit": "Limit"}
    )


MAX_SERIES: Final = palette.SLOTS


def fold(series: Sequence[Series], *, most: int = MAX_SERIES) -> list[Series]:
    """Keep the largest series and add the rest up as "Other", exactly."""
    ranked = sorted(series, key=lambda one: (-_total(one.values), one.name))
    if len(ranked) <= most:
        return ranked
    rest = [_total(column) for column in zip(*(one.values for one in ranked[most:]), strict=True)]
    return [*ranked[:most], Series(palette.OTHER, rest)]


def trend(
    frame: Frame,
    *,
    categories: Sequence[str],
    series: Sequence[Series],
    kind: TrendKind = "columns",
) -> Chart:
    """Describe values over time: stacked by owner (`columns`, `area`), or beside each other.

    `groups` are columns side by side, `steps` are lines that hold a value until the next category:
    prices. A line through a single category would be a lone point, so it is drawn as `groups`.
    """
    if kind == "line" and len(categories) == 1:
        kind = "groups"
    shown = fold(series)
    slots = palette.assign_slots(one.name for one in shown)
    payload = {
        "kind": kind,
        "categories": list(categories),
        "series": [
            {
                "name": one.name,
                "slot": slots[one.name],
                "values": _plain(one.values),
                "urls": list(one.urls),
            }
            for one in shown
        ],
    }
    rows = [
        [Cell(category), *(frame.cell(one.values[index], _url(one, index)) for one in shown)]
        for index, category in enumerate(categories)
    ]
    return frame.chart(payload, ["", *(one.name for one in shown)], rows)


def ranking(frame: Frame, *, bars: Sequence[Bar], header: str = "Owner") -> Chart:
    """Describe horizontal bars, the largest on top; each bar has its owner's color."""
    ranked = sorted(bars, key=lambda bar: (-(_amount(bar.value)), bar.name))
    payload = {"kind": "bars", "nodes": _nodes(ranked)}
    return frame.chart(payload, [header, _unit(frame)], _bar_rows(frame, ranked))


def treemap(frame: Frame, *, tiles: Sequence[Bar], header: str = "Part") -> Chart:
    """Describe parts of a whole by area, one or two levels deep."""
    rows: list[list[Cell]] = []
    for tile in tiles:
        rows.append([Cell(tile.name, tile.url), frame.cell(tile.value)])
        for part in tile.children:
            rows.append([Cell(f"{tile.name} / {part.name}", part.url), frame.cell(part.value)])
    payload = {"kind": "treemap", "nodes": _nodes(tiles)}
    return frame.chart(payload, [header, _unit(frame)], rows)


def sankey(frame: Frame, *, flows: Sequence[Flow]) -> Chart:
    """Describe how pools flow to receivers; a node's name is used once in the whole picture."""
    names = list(dict.fromkeys(name for flow in flows for name in (flow.source, flow.target)))
    slots = palette.assign_slots(names)
    payload = {
        "kind": "sankey",
        "nodes": [{"name": name, "slot": slots[name]} for name in names],
        "links": [
            {
                "source": flow.source,
                "target": flow.target,
                "value": str(_amount(flow.value)),
                "url": flow.url,
            }
            for flow in flows
        ],
    }
    rows = [
        [Cell(flow.source), Cell(flow.target), frame.cell(flow.value, flow.url)] for flow in flows
    ]
    return frame.chart(payload, ["From", "To", _unit(frame)], rows)


def waterfall(frame: Frame, *, steps: Sequence[Bar]) -> Chart:
    """Describe how one total became another; steps with `total` start at zero."""
    payload = {
        "kind": "waterfall",
        "nodes": [
            {
                "name": step.name,
                "value": str(_amount(step.value)),
                "total": step.total,
                "url": step.url,
            }
            for step in steps
        ],
    }
    return frame.chart(payload, ["Step", _unit(frame)], _bar_rows(frame, steps))


def burn_down(frame: Frame, *, burn: Burn) -> Chart:
    """Describe cumulated spend against a limit with the forecast and its band."""
    lists = {name: _plain(getattr(burn, name)) for name in ("actual", "forecast", "low", "high")}
    payload = {
        "kind": "burn",
        "categories": list(burn.categories),
        "limit": str(_amount(burn.limit)),
        "labels": dict(burn.labels),
        **lists,
    }
    columns = [("actual", burn.actual), ("forecast", burn.forecast)]
    used = [(burn.labels[name], values) for name, values in columns if values]
    rows = [
        [
            Cell(category),
            *(frame.cell(values[index]) for _, values in used),
            frame.cell(burn.limit),
        ]
        for index, category in enumerate(burn.categories)
    ]
    return frame.chart(payload, ["", *(label for label, _ in used), burn.labels["limit"]], rows)


def _nodes(bars: Sequence[Bar]) -> list[dict[str, Any]]:
    slots = palette.assign_slots(bar.name for bar in bars)
    return [
        {
            "name": bar.name,
            "value": str(_amount(bar.value)),
            "slot": slots[bar.name],
            "url": bar.url,
            "children": [
                {"name": part.name, "value": str(_amount(part.value)), "url": part.url}
                for part in bar.children
            ],
        }
        for bar in bars
    ]


def _bar_rows(frame: Frame, bars: Sequence[Bar]) -> Rows:
    return [[Cell(bar.name, bar.url), frame.cell(bar.value)] for bar in bars]


def _url(series: Series, index: int) -> str:
    return series.urls[index] if series.urls else ""


def _unit(frame: Frame) -> str:
    return frame.currency or frame.unit or "Value"


def _plain(values: Sequence[Figure]) -> list[str | None]:
    decimals = [presentation.decimal_of(value) for value in values]
    return [None if value is None else f"{value:f}" for value in decimals]


def _amount(value: Figure) -> Decimal:
    return presentation.decimal_of(value) or Decimal(0)


def _total(values: Sequence[Figure]) -> Decimal:
    return sum((_amount(value) for value in values), Decimal(0))
