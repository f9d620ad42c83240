"""The pages of runs: what each receiver bears and why, where pools went, two runs side by side."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import cached_property
from typing import Any, Final
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.generic import TemplateView

from apps.allocation import selectors
from apps.allocation.domain.rules import Axis
from apps.allocation.domain.sight import require_everything
from apps.allocation.web import words
from apps.core import presentation
from apps.core.domain.access import Scope
from apps.core.web import charts
from apps.core.web.charts import Chart, Flow, Frame
from apps.core.web.exports import list_response
from apps.core.web.lists import Column, DataList, Empty, Filter, ListState
from apps.core.web.page import Action, Crumb, Fact, Page, Tab
from apps.core.web.views import PageMixin

_READ: Final[dict[str, Scope | None]] = {"GET": Scope.BILLING_READ}
_MOST_LINES: Final = 500
_MOST_FLOWS: Final = 40
_LINE_COLUMNS: Final = (
    Column(key="what", label="What"),
    Column(key="kind", label="Kind", kind="badge"),
    Column(key="why", label="Why"),
    Column(key="share", label="Share", kind="pct"),
    Column(key="effective", label="Effective", kind="exact", currency_key="currency"),
    Column(key="billed", label="Billed", kind="exact", currency_key="currency", wide=True),
)


class Runs(PageMixin, TemplateView):
    """Lists the runs of all months: published, replaced, and what-if runs."""

    template_name = "allocation/runs.html"
    scopes = _READ

    def page(self) -> Page:
        return Page(
            title="Allocation runs",
            subtitle="Every run stays as it was. One a month is published; a what-if run shows "
            "what other rules would do and is never published.",
            crumbs=[Crumb("Months", "/month/"), Crumb("Allocation runs")],
        )

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        require_everything(self.actor)
        shown = self._list()
        if shown.state.export:
            return list_response(shown, filename="allocation-runs")
        return self.render_to_response(self.get_context_data(list=shown, **kwargs))

    def _list(self) -> DataList:
        state = ListState.of(self.request)
        wanted = state.get("state")
        found = [run for run in selectors.runs(limit=200) if wanted in ("", run.state)]
        return DataList(
            key="runs",
            caption="Allocation runs",
            columns=_RUN_COLUMNS,
            rows=[_run_row(run) for run in found],
            state=state,
            filters=(Filter(key="state", label="State", options=_RUN_STATES),),
            exports=("csv", "xlsx"),
            empty=Empty(
                title="No runs",
                text="A close allocates its month; a rule can be tried as a what-if run.",
                icon="arrows-split",
            ),
        )


_RUN_STATES: Final = (
    ("published", "Published"),
    ("superseded", "Replaced"),
    ("what_if", "What-if"),
)
_RUN_COLUMNS: Final = (
    Column(key="month", label="Month", kind="month", link="url"),
    Column(key="state", label="State", kind="badge"),
    Column(key="name", label="Supposes"),
    Column(key="cost", label="Cost", kind="money", currency_key="currency"),
    Column(key="lines", label="Lines", kind="quantity", wide=True),
    Column(key="at", label="Made", kind="when", wide=True),
    Column(key="by", label="By", wide=True),
)


def _run_row(run: selectors.RunFacts) -> dict[str, Any]:
    return {
        "id": str(run.id),
        "month": run.month,
        "url": reverse("allocation:run", args=[run.id]),
        "state": state_of(run.state),
        "name": run.name,
        "cost": run.sources.effective,
        "currency": run.currency,
        "lines": run.line_count,
        "at": run.created_at,
        "by": run.created_by,
    }


def state_of(state: str) -> str:
    """Return a run's state in words."""
    return {"what_if": "what-if", "superseded": "replaced"}.get(state, state)


class RunPage(PageMixin, TemplateView):
    """Shows one run: what each receiver bears, and for one receiver every line with its reason."""

    template_name = "allocation/run.html"
    scopes = _READ

    def page(self) -> Page:
        run = self._run
        name = presentation.month(run.month)
        others = selectors.runs_beside(run.id)
        compare = Action(
            label="Compare with the run before" if len(others) == 1 else "Compare with another run",
            url=reverse("allocation:compare", args=[run.id]),
        )
        return Page(
            title=f"Allocation of {name}",
            subtitle=f"Supposes: {run.name}. Never published." if run.name else "",
            crumbs=[
                Crumb("Months", "/month/"),
                Crumb(name, f"/month/{run.month}/"),
                Crumb("Runs", reverse("allocation:runs")),
            ],
            status=state_of(run.state),
            actions=[compare] if others else [],
            facts=[
                Fact("Cost base", presentation.exact_money(run.sources.effective, run.currency)),
                Fact("Sources", presentation.quantity(run.source_count)),
                Fact("Lines", presentation.quantity(run.line_count)),
                Fact("Input", run.input_hash[:12], help=run.input_hash),
                Fact("Output", run.output_hash[:12], help=run.output_hash),
            ],
        )

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        context = self.get_context_data(**kwargs)
        lines: DataList | None = context["list"]
        if lines is not None and lines.state.export:
            return list_response(self._lines(most=None), filename="allocation")
        return self.render_to_response(context)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        run = self._run
        receiver = ListState.of(self.request).get("receiver")
        axis = axis_of(self.request)
        shown = {
            "run": run,
            "axis": axis.value,
            "receiver": receiver,
            "receivers": selectors.totals_by_receiver(run=run.id, axis=axis),
            "total": run.totals[axis],
            "pools": pools_chart(run, axis),
            "list": self._lines(most=_MOST_LINES) if receiver else None,
        }
        return super().get_context_data(**(kwargs | shown))

    @cached_property
    def _run(self) -> selectors.RunFacts:
        return selectors.run(self.kwargs["run"])

    def _lines(self, *, most: int | None) -> DataList:
        run, state = self._run, ListState.of(self.request)
        axis = axis_of(self.request)
        found = selectors.lines_of(run=run.id, axis=axis, receiver=state.get("receiver"))
        shown = sorted(found, key=lambda line: (-abs(line.effective), line.source))[:most]
        return DataList(
            key="lines",
            caption=f"Lines of {state.get('receiver')}",
            columns=_LINE_COLUMNS,
            rows=[words.line_row(line, run.currency) for line in shown],
            state=state,
            totals={
                "effective": sum(line.effective for line in found),
                "billed": sum(line.billed for line in found),
            },
            totals_label=f"All {len(found)} lines",
            exports=("csv", "xlsx"),
        )


class Comparison(PageMixin, TemplateView):
    """Shows two runs of a month side by side: receiver by receiver, then line by line."""

    template_name = "allocation/compare.html"
    scopes = _READ

    def page(self) -> Page:
        after = self._after
        name = presentation.month(after.month)
        return Page(
            title="Two runs side by side",
            subtitle="Effective cost of each receiver; choose one to see its lines.",
            crumbs=[
                Crumb("Months", "/month/"),
                Crumb(name, f"/month/{after.month}/"),
                Crumb("Allocation", reverse("allocation:run", args=[after.id])),
            ],
        )

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        require_everything(self.actor)
        shown = self._list()
        if shown.state.export:
            return list_response(shown, filename="runs-compared")
        return self.render_to_response(self.get_context_data(list=shown, **kwargs))

    @cached_property
    def _after(self) -> selectors.RunFacts:
        return selectors.run(self.kwargs["run"])

    @cached_property
    def _others(self) -> list[tuple[UUID, str]]:
        return selectors.runs_beside(self._after.id)

    @property
    def _before(self) -> UUID | None:
        asked = self.request.GET.get("with", "")
        known = {str(id): id for id, _ in self._others}
        published = next((id for id, state in self._others if state == "published"), None)
        newest = self._others[0][0] if self._others else None
        return known.get(asked) or published or newest

    def _list(self) -> DataList:
        state = ListState.of(self.request)
        receiver = state.get("receiver")
        axis, several = axis_of(self.request).value, len(self._others) > 1
        before = self._before
        rows = [] if before is None else self._rows(before, receiver)
        head = Column(key="what", label="Line" if receiver else "Receiver", link="url")
        return DataList(
            key="changes",
            caption="What changed",
            columns=(head, *_changes(self._after.currency)),
            rows=rows,
            state=state,
            views=[
                Tab(label=label, url=state.url(axis=name, receiver=""), active=name == axis)
                for name, label in _AXES
            ],
            filters=(
                *([self._beside] if several else []),
                *([Filter(key="receiver", label="Receiver")] if receiver else []),
            ),
            totals={
                name: sum((row[name] or Decimal(0) for row in rows), Decimal(0))
                for name in ("before", "after", "difference")
            },
            exports=("csv", "xlsx"),
            empty=Empty(
                title="Nothing changed",
                text="Both runs give this axis the same amounts.",
                icon="check",
            ),
        )

    @property
    def _beside(self) -> Filter:
        """Let choose the other run; the published one is compared with unless one is named."""
        choices = [(str(id), f"{str(id)[:8]}, {state_of(state)}") for id, state in self._others]
        is_published = any(state == "published" for _, state in self._others)
        unset = "the published run" if is_published else "the newest run"
        return Filter(key="with", label="With", options=choices, unset=unset)

    def _rows(self, before: UUID, receiver: str) -> list[dict[str, Any]]:
        axis, after = axis_of(self.request), self._after
        selectors.same_month(before=before, after=after.id)
        if receiver:
            found = selectors.line_changes(
                before=before, after=after.id, axis=axis, receiver=receiver
            )
            named = [(f"{one.what}{f', {one.rule}' if one.rule else ''}", "", one) for one in found]
            return [_change(what, url, one) for what, url, one in named]
        state = ListState.of(self.request)
        return [
            _change(one.receiver, state.url(receiver=one.receiver), one)
            for one in selectors.compare(before=before, after=after.id)
            if one.axis is axis and one.difference
        ]


_AXES: Final = (("team", "Teams"), ("customer", "Customers"))


def _changes(currency: str) -> tuple[Column, ...]:
    named = (("before", "Before"), ("after", "This run"), ("difference", "Difference"))
    return tuple(
        Column(key=key, label=label, kind="money", currency=currency) for key, label in named
    )


def axis_of(request: HttpRequest) -> Axis:
    """Return the axis that an address asks for; teams by default."""
    return Axis.CUSTOMER if request.GET.get("axis") == "customer" else Axis.TEAM


def pools_chart(run: selectors.RunFacts, axis: Axis) -> Chart | None:
    """Draw how pools flow to receivers; None when nothing was shared."""
    found = [flow for flow in selectors.pool_flows(run=run.id, axis=axis) if flow.effective > 0]
    flows = sorted(found, key=lambda flow: flow.effective, reverse=True)
    if not flows:
        return None
    names = {str(rule["code"]): str(rule.get("name") or rule["code"]) for rule in run.rules}
    received: dict[str, Decimal] = {}
    for flow in flows:
        received[flow.receiver] = received.get(flow.receiver, Decimal(0)) + flow.effective
    title = _finding(received)
    if len(flows) > _MOST_FLOWS:
        title += f"; drawn are the {_MOST_FLOWS} largest of {len(flows):,} flows"
    frame = Frame(key="pools", title=title, currency=run.currency, height="large")
    drawn = [
        Flow(
            _pool_name(names.get(flow.rule, flow.rule), received),
            flow.receiver,
            f"{flow.effective:f}",
            f"?axis={axis.value}&receiver={flow.receiver}",
        )
        for flow in flows[:_MOST_FLOWS]
    ]
    return charts.sankey(frame, flows=drawn)


def _finding(received: Mapping[str, Decimal]) -> str:
    top = max(received, key=lambda code: (received[code], code))
    share = received[top] / sum(received.values(), Decimal(0))
    return f"{top} receives {presentation.percent(share, digits=0)} of the shared cost"


def _pool_name(name: str, receivers: Mapping[str, Decimal]) -> str:
    """Return a pool's name, told apart from a receiver of the same name."""
    return f"{name} (pool)" if name in receivers else name


def _change(what: str, url: str, one: Any) -> dict[str, Any]:
    return {
        "what": what,
        "url": url,
        "before": one.before,
        "after": one.after,
        "difference": one.difference,
    }
