"""The what-if page: what a month would have cost at other prices or on other models."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from functools import cached_property
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.generic import TemplateView

from apps.catalog import selectors as catalog
from apps.catalog.domain.meters import meter_facts
from apps.core import presentation
from apps.core.domain.access import Scope
from apps.core.domain.errors import Refusal
from apps.core.domain.months import Month, local_day
from apps.core.web.charts import Bar, Chart, Frame, waterfall
from apps.core.web.exports import list_response
from apps.core.web.lists import Column, DataList, Empty, ListState
from apps.core.web.page import Page
from apps.core.web.parts import Kpi
from apps.core.web.views import PageMixin
from apps.insights import selectors
from apps.insights.domain.what_if import Answer, Row
from apps.insights.web.around import price_tabs, prices
from apps.insights.web.what_if_form import WhatIfForm
from apps.periods import selectors as periods
from apps.tenants import selectors as tenants
from apps.usage import selectors as usage

_STEPS: Final = 8
_MODELS: Final = 400


class WhatIf(PageMixin, TemplateView):
    """Asks by a form in the query string, and shows the answer below it."""

    template_name = "insights/what_if.html"
    scopes = {"GET": Scope.COSTS_READ}

    def page(self) -> Page:
        return Page(
            title="What if",
            subtitle="What a month would have cost at other prices or on other models, from its "
            "own usage. Nothing is changed.",
            crumbs=[prices()],
            tabs=price_tabs(self.actor),
        )

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if ListState.of(request).export and self._answer is not None:
            return list_response(self._list(self._answer), filename=f"what-if-{self._month}")
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        found = self._answer
        context: dict[str, Any] = {
            "form": self._form,
            "used": self._used,
            "models": self._models(),
            "answer": found,
        }
        if found is not None:
            context |= {
                "kpis": _kpis(found),
                "chart": _chart(found),
                "list": self._list(found),
                "unpriced": [_said(found, each) for each in found.unpriced],
            }
        return super().get_context_data(**{**kwargs, **context})

    @cached_property
    def _form(self) -> WhatIfForm:
        asked = {"month": str(self._month), **self.request.GET.dict()}
        clean = {name: value.replace("\x00", "") for name, value in asked.items()}
        return WhatIfForm(clean, months=self._months, used=self._used)

    @cached_property
    def _answer(self) -> Answer | None:
        if not self._form.asks_something:
            return None
        try:
            return selectors.what_if(question=self._form.to_question(), actor=self.actor)
        except Refusal as refusal:
            for text in dict.fromkeys([e.message for e in refusal.errors] or [refusal.message]):
                self._form.add_error(None, text)
            return None

    @cached_property
    def _month(self) -> Month:
        """Return the month asked for; else the last whole one."""
        known = [month for month, _ in self._months]
        asked = self.request.GET.get("month", "")
        chosen = asked if asked in known else known[min(1, len(known) - 1)]
        return Month.parse(chosen)

    @cached_property
    def _months(self) -> list[tuple[str, str]]:
        today = Month.of(local_day(timezone.now(), tenants.current().timezone))
        calendar = periods.calendar().periods
        months = [each.month for each in calendar if each.month <= today] or [calendar[0].month]
        return [(str(m), presentation.month(str(m))) for m in sorted(months, reverse=True)]

    @cached_property
    def _used(self) -> list[str]:
        found = usage.summary(
            start=self._month.first_day,
            end=(self._month + 1).first_day,
            group_by=("provider", "model"),
            filters={},
            granularity="total",
            actor=self.actor,
        )
        names = {f"{r.dimensions['provider']}/{r.dimensions['model']}" for r in found.rows}
        return sorted(names)

    def _models(self) -> list[str]:
        """Return models to choose from: all of the providers in use that have an input price."""
        known_at = catalog.last_known_at()
        if known_at is None:
            return []
        names: list[str] = []
        for provider in sorted({name.partition("/")[0] for name in self._used}):
            wanted = catalog.PriceFilter(provider=provider, meter="input_tokens", on=timezone.now())
            listed = catalog.browse(wanted=wanted, known_at=known_at, limit=_MODELS)
            names += [f"{price.provider}/{price.model}" for price in listed]
        return list(dict.fromkeys(names))[:_MODELS]

    def _list(self, found: Answer) -> DataList:
        code = found.currency
        return DataList(
            key="what-if",
            caption="What it was and would be",
            columns=(
                Column(key="team", label="Team", kind="owner"),
                Column(key="model", label="Model"),
                Column(key="meter", label="Meter", wide=True),
                Column(key="quantity", label="Quantity", kind="quantity", wide=True),
                Column(key="was", label="Was", kind="cost", currency=code),
                Column(key="would_be", label="Would be", kind="cost", currency=code),
                Column(key="difference", label="Difference", kind="money", currency=code),
                Column(key="percent", label="Percent", kind="pct"),
            ),
            rows=[_row(row) for row in found.rows],
            state=ListState.of(self.request),
            totals={
                "was": found.total.was,
                "would_be": found.total.would_be,
                "difference": found.total.difference,
            },
            exports=("csv", "xlsx"),
            empty=Empty(title="No usage", text="Nothing of the month matches the question."),
        )


def _row(row: Row) -> dict[str, Any]:
    costs = row.costs
    return {
        "team": row.dimensions["team"] or "unowned",
        "model": row.dimensions["model"],
        "meter": meter_facts(row.dimensions["meter"]).label,
        "quantity": row.quantity,
        "was": costs.was,
        "would_be": costs.would_be,
        "difference": costs.difference,
        "percent": None if costs.percent is None else costs.percent.scaleb(-2),
    }


def _kpis(found: Answer) -> Iterator[Kpi]:
    total, code = found.total, found.currency
    part = "" if total.difference is not None else "Of what has a price both ways."
    was, would_be = total.comparable_was, total.comparable_would_be
    yield Kpi(label="Was", value=was, currency=code, note=part)
    yield Kpi(
        label="Would be",
        value=would_be,
        currency=code,
        previous=was,
        good="down",
        against="what it was",
        note=part,
    )
    yield Kpi(label="Difference", value=total.comparable_difference, currency=code, note=part)


def _chart(found: Answer) -> Chart | None:
    """Draw the way from what it was to what it would be, by model."""
    total = found.total
    moves: dict[str, Decimal] = {}
    for row in found.rows:
        name = row.dimensions["model"]
        moves[name] = moves.get(name, Decimal(0)) + row.costs.comparable_difference
    moved = sorted(((n, d) for n, d in moves.items() if d), key=lambda one: -abs(one[1]))
    if not moved:
        return None
    shown = [Bar(name, amount) for name, amount in moved[:_STEPS]]
    rest = sum((amount for _, amount in moved[_STEPS:]), Decimal(0))
    steps = [
        Bar("Was", total.comparable_was, total=True),
        *shown,
        *([Bar("Other", rest)] if rest else []),
        Bar("Would be", total.comparable_would_be, total=True),
    ]
    frame = Frame(key="what-if-chart", title=_finding(found), currency=found.currency)
    return waterfall(frame, steps=steps)


def _finding(found: Answer) -> str:
    total, code = found.total, found.currency
    amount = presentation.money(abs(total.comparable_difference), code)
    word = "less" if total.comparable_difference < 0 else "more"
    percent = total.comparable_percent
    share = "" if percent is None else f", {presentation.percent(abs(percent).scaleb(-2))}"
    return f"It would have cost {amount} {word}{share}"


def _said(found: Answer, each: Any) -> str:
    unit = meter_facts(each.meter)
    name = f"{each.provider} {each.model}".strip()
    return f"{name}: {presentation.quantity(each.quantity)} {unit.label.lower()}"
