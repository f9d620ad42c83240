"""Lists of experiments, and some of them side by side."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.generic import TemplateView

from apps.core.domain.access import Scope
from apps.core.domain.errors import Invalid
from apps.core.web.exports import list_response
from apps.core.web.lists import Column, DataList, Empty, Filter, ListState, Paging
from apps.core.web.page import Action, Page, Tab
from apps.core.web.views import PageMixin
from apps.experiments import selectors
from apps.experiments.domain.facts import RequestFacts
from apps.experiments.domain.states import State, words
from apps.experiments.web.shared import READ, crumbs, page_of, spender

_MOST: Final = 4
_PAGE: Final = 100
_COLUMNS: Final = (
    Column(key="title", label="Experiment", link="url"),
    Column(key="code", label="Tag", kind="code"),
    Column(key="team", label="Team", kind="owner"),
    Column(key="state", label="State", kind="badge"),
    Column(key="asked", label="Asked for", kind="money", currency_key="currency"),
    Column(key="amount", label="Approved", kind="money", currency_key="currency"),
    Column(key="ends_on", label="Until", kind="day", wide=True),
)


class Experiments(PageMixin, TemplateView):
    """Lists the requests that the reader may see, the newest first."""

    template_name = "experiments/list.html"
    scopes = READ

    def page(self) -> Page:
        new = Action(label="Ask for a budget", url=reverse("experiments:new"), icon="plus")
        return Page(
            title="Experiments",
            subtitle="Money to try something, approved before it is spent. Usage that carries the "
            "tag draws the budget down live.",
            primary=new if self.actor.may(Scope.EXPERIMENTS_WRITE) else None,
        )

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        shown = self._list()
        if shown.state.export:
            return list_response(shown, filename="experiments")
        return self.render_to_response(self.get_context_data(list=shown, **kwargs))

    def _list(self) -> DataList:
        state = ListState.of(self.request)
        mine = state.get("mine") == "true"
        found = selectors.requests(
            actor=self.actor,
            states=_state_of(state.get("state")),
            team=state.get("team"),
            mine=mine,
            text=state.get("q"),
        )
        start = int(state.get("cursor")) if state.get("cursor").isdecimal() else 0
        shown = found if state.export else found[start : start + _PAGE]
        more = str(start + _PAGE) if len(found) > start + _PAGE and not state.export else ""
        return DataList(
            key="experiments",
            caption="Experiments",
            columns=(*_COLUMNS, spender(state)),
            rows=[_row(one) for one in shown],
            state=state,
            search="Search title or tag",
            filters=(
                Filter(
                    key="state",
                    label="State",
                    options=[(one.value, words(one).capitalize()) for one in State],
                ),
                Filter(key="team", label="Team"),
            ),
            views=(
                Tab(label="All", url=state.url(mine=""), active=not mine),
                Tab(label="Mine", url=state.url(mine="true"), active=mine),
            ),
            exports=("csv", "xlsx"),
            bulk=(
                Action(
                    label="Compare", url=reverse("experiments:compare"), icon="scale", method="post"
                ),
            ),
            paging=Paging(
                text=f"{len(found)} experiments",
                next_cursor=more,
                previous_cursor=str(start - _PAGE) if start > _PAGE else "",
            ),
            empty=Empty(
                title="No experiments yet",
                text="Ask for a budget before you run something that may cost money; it takes two "
                "minutes.",
                icon="flask",
                action=Action(label="Ask for a budget", url=reverse("experiments:new"))
                if self.actor.may(Scope.EXPERIMENTS_WRITE)
                else None,
            ),
        )


class Compare(PageMixin, TemplateView):
    """Shows up to four experiments side by side."""

    template_name = "experiments/compare.html"
    scopes = {"GET": Scope.BUDGETS_READ, "POST": Scope.BUDGETS_READ}

    def page(self) -> Page:
        return Page(
            title="Experiments side by side",
            subtitle="Spend against estimate, and what a success cost.",
            crumbs=crumbs(),
        )

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        chosen = [("id", one) for one in request.POST.getlist("selected")[:_MOST]]
        return HttpResponseRedirect(f"{reverse('experiments:compare')}?{urlencode(chosen)}")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        shown = [self._column(one) for one in self._chosen()]
        return super().get_context_data(
            shown=shown, most=_MOST, list_url=reverse("experiments:list"), **kwargs
        )

    def _chosen(self) -> list[RequestFacts]:
        found = []
        for text in dict.fromkeys(self.request.GET.getlist("id")[:_MOST]):
            try:
                id = UUID(text)
            except ValueError:
                raise Invalid(f"{text[:40]!r} names no experiment.", code="experiment") from None
            found.append(selectors.request(id=id, actor=self.actor))
        return found

    def _column(self, found: RequestFacts) -> dict[str, Any]:
        row = selectors.row_of(id=found.id, actor=self.actor)
        return {
            "request": found,
            "url": page_of(found.id),
            "models": ", ".join(found.proposal.models),
            "band": found.revision.assessment.estimate.band,
            "results": selectors.results(row=row, now=timezone.now()),
            "lessons": next((one.lessons for one in selectors.reports(row=row)), ""),
        }


def _state_of(text: str) -> list[State]:
    known = {state.value for state in State}
    return [State(text)] if text in known else []


def _row(one: RequestFacts) -> dict[str, Any]:
    names = ("id", "title", "code", "team", "asked", "amount", "currency", "owner")
    return {
        **{name: getattr(one, name) for name in names},
        "who": one.owner.partition("@")[0],
        "state": one.state.value,
        "ends_on": one.ends_on or one.proposal.ends_on,
        "url": page_of(one.id),
    }
