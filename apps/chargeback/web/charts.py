"""The charts of a statement's page, from the same payload as the PDF's."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from apps.chargeback.web.wording import step_of
from apps.core import presentation
from apps.core.web.charts import Bar, Chart, Frame, Series, ranking, trend, waterfall

Payload = Mapping[str, Any]


def charts_of(payload: Payload) -> list[Chart]:
    """Return the charts that have something to show."""
    found = [_bridge(payload), _models(payload), _trend(payload)]
    return [chart for chart in found if chart is not None]


def _bridge(payload: Payload) -> Chart | None:
    previous = payload["change"]["previous"]
    if previous is None:
        return None
    moved = [
        (step_of(step["step"]), Decimal(step["amount"]))
        for step in payload["change"]["bridge"]
        if Decimal(step["amount"])
    ]
    before = presentation.month(previous["month"])
    now = presentation.month(payload["period"]["month"])
    title = f"The charge did not change against {before}"
    if moved:
        name, amount = max(moved, key=lambda step: abs(step[1]))
        share = presentation.money(abs(amount), payload["currency"])
        title = f"{name} {'added' if amount > 0 else 'saved'} {share}"
    return waterfall(
        Frame(key="bridge", title=title, currency=payload["currency"]),
        steps=[
            Bar(before, Decimal(previous["total"]), total=True),
            *(Bar(name, amount) for name, amount in moved),
            Bar(now, Decimal(payload["total"]), total=True),
        ],
    )


def _models(payload: Payload) -> Chart | None:
    costs: dict[str, Decimal] = {}
    for move in payload["change"]["movements"]:
        if Decimal(move["now"]) > 0:
            name = move["heading"]
            costs[name] = costs.get(name, Decimal(0)) + Decimal(move["now"])
    if not costs:
        return None
    lead = max(costs, key=lambda name: costs[name])
    total = Decimal(payload["total"])
    title = "Cost by model and pool"
    if total > 0:
        share = presentation.percent(costs[lead] / total, digits=0)
        title = f"{lead} carries {share} of the charge"
    return ranking(
        Frame(key="models", title=title, currency=payload["currency"]),
        bars=[Bar(name, amount) for name, amount in costs.items()],
        header="Model or pool",
    )


def _trend(payload: Payload) -> Chart | None:
    points = payload["trend"]
    if len(points) < 2:
        return None
    highest = max(points, key=lambda point: Decimal(point["total"]))
    return trend(
        Frame(
            key="trend",
            title=f"{presentation.month(highest['month'])} was the highest month",
            currency=payload["currency"],
        ),
        categories=[presentation.month(point["month"]) for point in points],
        series=[Series(payload["recipient"]["name"], [Decimal(p["total"]) for p in points])],
    )
