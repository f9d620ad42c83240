"""The home page: what this month costs, where it goes, and what needs a person."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar

from django.http import HttpRequest
from django.utils import timezone
from django.views.generic import TemplateView

from apps.core import presentation
from apps.core.domain.access import Actor, Scope
from apps.core.domain.months import Month
from apps.core.web.page import Crumb, Page, Tab
from apps.core.web.shell import PeriodBadge
from apps.core.web.views import PageMixin
from apps.costs import selectors as costs
from apps.directory import selectors as directory
from apps.insights.web import figures
from apps.insights.web.attention import attention
from apps.periods import selectors as periods
from apps.tenants import selectors as tenants

_SHOWN_MONTHS = 4


class Home(PageMixin, TemplateView):
    """Shows one month at a glance; `?month=2026-10` shows an earlier one."""

    template_name = "insights/home.html"
    scopes: ClassVar[Mapping[str, Scope | None]] = {"GET": Scope.COSTS_READ}

    def page(self) -> Page:
        month = self._month
        return Page(
            title=f"Spend in {presentation.month(str(month))}",
            subtitle=f"{tenants.current().name}: everything metered and billed, as booked so far.",
            crumbs=[Crumb("Home", "/")],
            status=periods.period(month).state.value,
            tabs=[
                Tab(
                    label=presentation.month(str(shown)),
                    url=f"/?month={shown}",
                    active=shown == month,
                )
                for shown in self._months
            ],
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        overview = costs.overview(month=self._month, actor=self.actor)
        return super().get_context_data(
            kpis=figures.kpis(overview, self.actor),
            trend=figures.daily_trend(overview),
            by_team=figures.by_team(overview),
            by_model=figures.by_model(overview),
            attention=attention(overview=overview, actor=self.actor),
            empty=figures.NOTHING_YET,
            **kwargs,
        )

    @cached_property
    def _known(self) -> list[Month]:
        return [period.month for period in periods.calendar().periods]

    @cached_property
    def _today(self) -> Month:
        """Return the present month, or the last one that the calendar has."""
        local = timezone.now().astimezone(tenants.current().timezone)
        return min(Month.of(local.date()), self._known[-1])

    @cached_property
    def _month(self) -> Month:
        asked = self.request.GET.get("month", "")
        return Month.parse(asked) if asked else self._today

    @property
    def _months(self) -> list[Month]:
        last = max(self._today, self._month)
        shown = [last - back for back in reversed(range(_SHOWN_MONTHS))]
        return [month for month in shown if month in self._known]


def period_badge(request: HttpRequest) -> PeriodBadge | None:
    """Return the present accounting month for the top bar of every page, None outside of all."""
    if tenants.on_public():
        return None
    today = Month.of(timezone.now().astimezone(tenants.current().timezone).date())
    known = {period.month: period for period in periods.calendar().periods}
    if today not in known:
        return None
    state = known[today].state.value
    actor = getattr(request, "actor", None)
    may_open = isinstance(actor, Actor) and actor.may(Scope.BILLING_READ)
    url = f"/month/{today}/" if may_open else ""
    return PeriodBadge(label=presentation.month(str(today)), status=state, url=url)


def owner_names(request: HttpRequest) -> list[str]:
    """Return the teams in a stable order, so that each keeps its color on every page.

    They are read once a request: every name of a list asks for its color. The operator has none.
    """
    if tenants.on_public():
        return []
    names: list[str] | None = getattr(request, "owner_names", None)
    if names is None:
        today = timezone.now().astimezone(tenants.current().timezone).date()
        names = [team.code for team in directory.teams(today)]
        request.owner_names = names  # type: ignore[attr-defined]
    return names
