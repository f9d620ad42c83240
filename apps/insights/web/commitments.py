"""The page of one commitment: its levels, and how it stands month by month."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.views.generic import TemplateView

from apps.core import presentation
from apps.core.domain.access import Scope
from apps.core.domain.months import Month, local_day
from apps.core.web.charts import Chart, Frame, Series, trend
from apps.core.web.lists import Column, DataList, Empty, ListState
from apps.core.web.page import Action, Crumb, Fact, Page
from apps.core.web.views import PageMixin
from apps.insights import selectors
from apps.insights.selectors import MonthStanding
from apps.insights.web.around import prices
from apps.rating import selectors as rating
from apps.rating.selectors import CommitmentFacts, TermFacts
from apps.tenants import selectors as tenants
from apps.usage.domain.sight import sees_everything


class CommitmentPage(PageMixin, TemplateView):
    """Shows how a commitment stands; those who see all usage see the shortfall."""

    template_name = "insights/commitment.html"
    scopes = {"GET": Scope.COSTS_READ}

    def page(self) -> Page:
        found = self._commitment
        url = reverse("rating:level_in_force", args=[found.id])
        put = Action(label="Put a level in force", url=url, icon="plus")
        return Page(
            title=found.name,
            subtitle=found.note,
            crumbs=[prices(), Crumb("Commitments", reverse("rating:commitments"))],
            primary=put if self.actor.may(Scope.PRICES_WRITE) else None,
            facts=[
                Fact("For", rating.in_words(found.scope)),
                Fact("Committed", "spend" if found.measure == "spend" else found.scope.meter),
                Fact("Currency", found.currency),
                Fact("Recorded by", found.created_by),
            ],
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        found = self._commitment
        standings = self._standings(found)
        return super().get_context_data(
            list=_list(found, standings, ListState.of(self.request)),
            chart=_chart(found, standings),
            levels=[rating.level_in_words(level, found) for level in found.levels],
            terms=[_term(found, term) for term in found.terms],
            may_change=self.actor.may(Scope.PRICES_WRITE),
            **kwargs,
        )

    @property
    def _commitment(self) -> CommitmentFacts:
        return rating.commitment(self.kwargs["commitment"])

    def _standings(self, found: CommitmentFacts) -> list[MonthStanding]:
        if not sees_everything(self.actor) or not self.actor.may(Scope.BILLING_READ):
            return []
        today = Month.of(local_day(timezone.now(), tenants.current().timezone))
        return selectors.standings(commitment=found, through=today, actor=self.actor)


def _term(found: CommitmentFacts, term: TermFacts) -> dict[str, Any]:
    url = reverse("rating:withdraw_level", args=[found.id, term.id])
    return {"term": term, "state": term.state(timezone.now()), "withdraw_url": url}


def _list(found: CommitmentFacts, standings: list[MonthStanding], state: ListState) -> DataList:
    spend = found.measure == "spend"
    more: dict[str, Any] = (
        {"kind": "money", "currency": found.currency} if spend else {"kind": "quantity"}
    )
    return DataList(
        key="standings",
        caption="How it stands by month",
        columns=(
            Column(key="month", label="Month", kind="month"),
            Column(key="state", label="State", kind="badge"),
            Column(key="levels", label="Level", wide=True),
            Column(key="committed", label="Committed", **more),
            Column(key="used", label="Used", **more),
            Column(key="ratio", label="Used of it", kind="pct", wide=True),
            Column(key="shortfall", label="Shortfall", **more),
        ),
        rows=[
            {
                "month": str(one.month),
                "state": "provisional" if one.provisional else "final",
                "levels": ", ".join(str(level) for level in one.standing.levels),
                "committed": one.standing.committed,
                "used": one.standing.used,
                "ratio": one.standing.ratio,
                "shortfall": one.standing.shortfall,
            }
            for one in standings
        ],
        state=state,
        empty=Empty(
            title="Nothing to stand against yet",
            text="Months in which a level is in force are shown to those who see all usage.",
            icon="scale",
        ),
    )


def _chart(found: CommitmentFacts, standings: list[MonthStanding]) -> Chart | None:
    if not standings:
        return None
    months = list(reversed(standings))
    final = [one for one in months if not one.provisional]
    missing = [one for one in final if one.standing.shortfall]
    finding = (
        f"{len(missing)} of {len(final)} finished months fell short of the commitment"
        if final
        else "No month under the commitment is finished yet"
    )
    spend = found.measure == "spend"
    frame = Frame(
        key="commitment-chart",
        title=finding,
        currency=found.currency if spend else "",
        unit="" if spend else found.scope.meter,
    )
    return trend(
        frame,
        categories=[presentation.month(str(one.month)) for one in months],
        series=[
            Series("Committed", [one.standing.committed for one in months]),
            Series("Used", [one.standing.used for one in months]),
        ],
        kind="line",
    )
