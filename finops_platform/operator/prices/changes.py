"""The operator's pages of changes of prices: what waits, one by one, and deciding on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.generic import TemplateView, View

from apps.catalog import selectors
from apps.catalog import services as catalog
from apps.core import presentation
from apps.core.domain.access import Scope
from apps.core.domain.errors import Refusal
from apps.core.web.exports import list_response
from apps.core.web.lists import DataList, Empty, Filter, ListState, Paging
from apps.core.web.page import Action, Crumb, Fact, Page, Tab
from apps.core.web.parts import Entry
from apps.core.web.views import PageMixin
from finops_platform.operator.prices import rows
from finops_platform.operator.prices.adoption import adopt_once_committed
from finops_platform.operator.prices.forms import ReasonForm, SelectedForm

PAGE: Final = 100
MOST_EXPORTED: Final = 20_000
_READ: Final[dict[str, Scope | None]] = {"GET": Scope.ADMIN}
_POST: Final[dict[str, Scope | None]] = {"POST": Scope.ADMIN}


class Changes(PageMixin, TemplateView):
    """Lists changes: those that wait for a person by kind, and those that are settled."""

    template_name = "operator/price_changes.html"
    scopes = _READ

    def page(self) -> Page:
        return Page(
            title="Changes of prices",
            subtitle="A price that is not published leaves usage unpriced; it is never guessed.",
            crumbs=[Crumb("Prices", reverse("operator:prices"))],
            actions=_on_all(ListState.of(self.request)),
        )

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if ListState.of(request).export:
            return list_response(self._list(limit=MOST_EXPORTED), filename="price-changes")
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(list=self._list(limit=PAGE), **kwargs)

    def _list(self, *, limit: int) -> DataList:
        state = ListState.of(self.request)
        view = _view(state)
        found = selectors.changes(
            wanted=_wanted(state, view), limit=limit + 1, after=_place(state.get("cursor"))
        )
        shown = found[:limit]
        waits = view != "settled"
        return DataList(
            key="changes",
            caption="Changes of prices",
            columns=rows.CHANGE_COLUMNS if waits else rows.SETTLED_COLUMNS,
            rows=[rows.change_row(one) for one in shown],
            state=state,
            search="Search provider, model, meter",
            filters=_filters(),
            views=_tabs(state, view),
            paging=Paging(next_cursor=_cursor(shown[-1]) if len(found) > limit else ""),
            exports=("csv", "xlsx"),
            bulk=_BULK if waits else (),
            empty=Empty(title="Nothing waits here", text=_VIEWS[view], icon="check"),
        )


_VIEWS: Final = {
    "changed": "No source states another price than is listed without being answered.",
    "new_price": "Every price that a source states of a known model is listed or was rejected.",
    "new_model": "No source states prices of a model that the catalogue does not have.",
    "withdrawn": "No source stopped stating a price that is listed.",
    "two": "No price is so far from what it is compared with that two people must approve.",
    "settled": "Nothing was decided yet.",
}
_LABELS: Final = {
    "changed": "Differ from the list",
    "new_price": "New prices",
    "new_model": "New models",
    "withdrawn": "Withdrawn",
    "two": "Need two people",
    "settled": "Settled",
}
_BULK: Final = (
    Action(label="Approve", url="/prices/changes/approve/", icon="check"),
    Action(label="Reject", url="/prices/changes/reject/", icon="x", danger=True),
)


def _on_all(state: ListState) -> list[Action]:
    """Return what can be done with everything that matches, beyond the page that is shown."""
    if state.get("view") == "settled":
        return []
    query = state.params.copy()
    query.pop("cursor", None)
    query["all"] = "1"
    return [
        Action(
            label=f"{word} all that match",
            url=f"{reverse('operator:price_decision', args=[verdict])}?{query.urlencode()}",
            method="post",
            danger=verdict == "reject",
        )
        for verdict, word in (("approve", "Approve"), ("reject", "Reject"))
    ]


def _view(state: ListState) -> str:
    view = state.get("view")
    return view if view in _VIEWS else "changed"


def _tabs(state: ListState, view: str) -> list[Tab]:
    counts = selectors.waiting_counts()
    return [
        Tab(label=label, url=state.url(view=key), active=key == view, count=counts.get(key))
        for key, label in _LABELS.items()
    ]


def _filters() -> list[Filter]:
    return [
        Filter(key="provider", label="Provider"),
        Filter(
            key="source",
            label="Source",
            options=[(one.code, one.name) for one in selectors.sources(now=timezone.now())],
        ),
        Filter(key="view", label="View", options=list(_LABELS.items())),
    ]


def _wanted(state: ListState, view: str) -> selectors.ChangeFilter:
    return selectors.ChangeFilter(
        state="" if view == "settled" else "proposed",
        kind=view if view in rows.KINDS else "",
        provider=state.get("provider")[:64],
        source=state.get("source")[:30],
        text=state.get("q")[:200],
        needs_two=view == "two",
        is_settled=view == "settled",
    )


def _place(cursor: str) -> tuple[str, str, str, int] | None:
    parts = cursor.split("\x1f")
    if len(parts) != 4 or not parts[3].isdecimal() or len(parts[3]) > 18:
        return None
    return parts[0], parts[1], parts[2], int(parts[3])


def _cursor(last: selectors.ChangeFacts) -> str:
    return "\x1f".join([*last.subject[:3], str(last.id)])


class ChangePage(PageMixin, TemplateView):
    """Shows one change: old and new side by side, what sources say, who decided."""

    template_name = "operator/price_change.html"
    scopes = _READ

    def page(self) -> Page:
        one = self._change
        return Page(
            title=f"{one.subject.model}: {one.meter_label.lower()}",
            subtitle=f"{one.subject.provider}, {rows.conditions_of(one.subject)}",
            status=one.state,
            crumbs=[
                Crumb("Prices", reverse("operator:prices")),
                Crumb("Changes", reverse("operator:price_changes")),
            ],
            primary=Action(label="Approve", dialog="approve") if one.state == "proposed" else None,
            actions=[
                *([Action(label="Reject", dialog="reject")] if one.state == "proposed" else []),
                Action(label="History of this price", url=rows.history_url(one.subject)),
            ],
            facts=[
                Fact("Applies", rows.validity_of(one.valid_from, one.valid_to)),
                Fact("Called for by", one.source_name, _reading(one)),
                Fact("Proposed", presentation.moment(one.proposed_at)),
                Fact("Sources", rows.agreement_of(one), help="State it within 1 %."),
                Fact("Needs", rows.needs_of(one))
                if one.state == "proposed"
                else Fact("Because", rows.basis_of(one.basis) or one.state),
            ],
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        one = self._change
        stated = DataList(
            key="stated",
            caption="What sources say now",
            columns=rows.STATED_COLUMNS,
            rows=[
                rows.stated_row(said, one.unit)
                for said in selectors.statements_about(subject=one.subject)
            ],
            state=ListState.of(self.request),
            empty=Empty(title="No source says anything", text="The source fell silent about it."),
        )
        return super().get_context_data(
            change=one,
            row=rows.change_row(one),
            list=stated,
            entries=_entries(one),
            consequences=rows.consequences([one], now=timezone.now()),
            reason_form=ReasonForm(),
            hidden={"selected": str(one.public_id), "confirmed": "1"},
            **kwargs,
        )

    @property
    def _change(self) -> selectors.ChangeFacts:
        return selectors.change(public_id=self.kwargs["public_id"])


def _reading(change: selectors.ChangeFacts) -> str:
    return reverse("operator:price_import", args=[change.reading])


def _entries(change: selectors.ChangeFacts) -> list[Entry]:
    return [
        Entry(
            at=one.decided_at,
            actor=one.decided_by,
            text="Approved" if one.verdict == "approve" else "Rejected",
            detail=one.reason,
        )
        for one in selectors.decisions_of(change=change.id)
    ]


class Decide(PageMixin, View):
    """Approves or rejects chosen changes: says first what follows, and does it when confirmed."""

    http_method_names = ["post"]
    scopes = _POST

    def post(self, request: HttpRequest, verdict: str) -> HttpResponse:
        form = SelectedForm(selected=request.POST.getlist("selected"), data=request.POST)
        ids = form.ids() or self._matching()
        if not ids:
            messages.error(request, "Choose at least one change first.")
            return HttpResponseRedirect(reverse("operator:price_changes"))
        if not form.is_valid() or not form.cleaned_data["confirmed"]:
            return self._ask(request, verdict, ids, "")
        decision = catalog.Decision(
            changes=ids,
            verdict=catalog.Verdict(verdict),
            reason=form.cleaned_data["reason"],
        )
        try:
            done = catalog.decide(decision=decision, actor=self.actor, now=timezone.now())
        except Refusal as refusal:
            return self._ask(request, verdict, ids, refusal.message)
        messages.success(request, _done(done))
        if done.published:
            adopt_once_committed()
        return HttpResponseRedirect(_back(ids))

    def _matching(self) -> tuple[UUID, ...]:
        """Return all changes that the list's filter finds, as many as one decision takes."""
        state = ListState.of(self.request)
        if not state.get("all"):
            return ()
        found = selectors.changes(wanted=_wanted(state, _view(state)), limit=catalog.MOST_AT_ONCE)
        return tuple(one.public_id for one in found if one.state == "proposed")

    def _ask(
        self, request: HttpRequest, verdict: str, ids: Sequence[UUID], wrong: str
    ) -> HttpResponse:
        changes = selectors.changes_named(ids=ids[: catalog.MOST_AT_ONCE])
        approves = verdict == "approve"
        page = Page(
            title=f"{'Approve' if approves else 'Reject'} {len(changes):,} "
            f"{'change' if len(changes) == 1 else 'changes'}?",
            crumbs=[
                Crumb("Prices", reverse("operator:prices")),
                Crumb("Changes", reverse("operator:price_changes")),
            ],
        )
        shown = DataList(
            key="chosen",
            caption="Chosen changes",
            columns=rows.CHANGE_COLUMNS,
            rows=[rows.change_row(one) for one in changes[:PAGE]],
            state=ListState.of(request),
        )
        context = {
            "page": page,
            "list": shown,
            "ids": ",".join(map(str, ids)),
            "more": max(0, len(changes) - PAGE),
            "approves": approves,
            "wrong": wrong,
            "reason": request.POST.get("reason", "")[:500],
            "consequences": rows.consequences(changes, now=timezone.now())
            if approves
            else [
                "They are not listed. Usage of a model without a price stays unpriced.",
                "The same source may propose them again when it changes its mind and back.",
            ],
        }
        return render(
            request, "operator/price_decision.html", context, status=422 if wrong else 200
        )


def _back(ids: Sequence[UUID]) -> str:
    if len(ids) == 1:
        return reverse("operator:price_change", args=[ids[0]])
    return reverse("operator:price_changes")


def _done(done: catalog.Decided) -> str:
    parts = [
        f"{count:,} {words}"
        for count, words in (
            (done.published, "published; tenants adopt them now"),
            (done.waiting, "wait for a second person"),
            (done.rejected, "rejected"),
            (done.superseded, "others became pointless"),
        )
        if count
    ]
    return f"{', '.join(parts)}."
