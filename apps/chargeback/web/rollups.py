"""The pages of roll-ups: a month's by kind, and one with its statements and lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from typing import Any, ClassVar, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.generic import TemplateView
from django.views.generic.base import View

from apps.chargeback import selectors, services
from apps.chargeback.domain.rollups import RollupKind
from apps.chargeback.selectors import RollupDetail, RollupFacts
from apps.chargeback.web import links
from apps.chargeback.web.charts import charts_of
from apps.chargeback.web.lists import line_row
from apps.chargeback.web.months import ListPage
from apps.core import presentation
from apps.core.domain.access import Scope
from apps.core.domain.errors import Refusal
from apps.core.domain.months import Month
from apps.core.web.exports import list_response
from apps.core.web.lists import Column, DataList, Empty, Filter, ListState
from apps.core.web.page import Action, Crumb, Fact, Page, Tab
from apps.core.web.parts import Kpi
from apps.core.web.views import PageMixin
from apps.documents import selectors as documents
from apps.tenants import selectors as tenants

_KINDS: Final = (
    (RollupKind.PARENT.value, "Parent"),
    (RollupKind.PRODUCT.value, "Product"),
    (RollupKind.CUSTOMER.value, "Customer"),
)
_TABS: Final = (("rollup", "Overview"), ("rollup_lines", "Lines"))


class MonthRollups(ListPage):
    """Lists the roll-ups of a month."""

    template_name = "chargeback/months.html"

    @property
    def month(self) -> Month:
        """Return the month of the address."""
        return links.month_of(self.kwargs["month"])

    @property
    def filename(self) -> str:  # type: ignore[override]
        """Name the download after the month."""
        return f"rollups-{self.month}"

    def page(self) -> Page:
        return Page(
            title=f"Roll-ups of {presentation.month(self.month)}",
            subtitle="The month's statements by parent, by product and by customer, from the same "
            "run and to the same cent. They charge nothing themselves.",
            crumbs=[
                Crumb(links.HOME, "/statements/"),
                Crumb(presentation.month(self.month), links.month_url(self.month)),
            ],
            tabs=links.month_tabs(self.month, "rollups"),
        )

    def shown(self) -> DataList:
        kind = self.state.get("kind")
        known = kind in list(RollupKind)
        found = selectors.rollups(
            month=self.month, kind=RollupKind(kind) if known else None, actor=self.actor
        )
        return _list(found, self.state, empty=self._empty(), unmatched=self._unmatched(kind, found))

    def _unmatched(self, kind: str, found: Sequence[RollupFacts]) -> Empty | None:
        """Return why a filter shows nothing, when lifting it would not help."""
        if found or not kind:
            return None
        if not selectors.rollups(month=self.month, actor=self.actor):
            return self._empty()
        return self._no_parents() if kind == RollupKind.PARENT else None

    def _empty(self) -> Empty:
        return Empty(
            title="No roll-ups yet",
            text="They are made within the hour after a month is closed and its statements are "
            "issued.",
            icon="stack-2",
            action=self._make(),
        )

    def _no_parents(self) -> Empty:
        """Say why there are no roll-ups by parent, and where that is mended."""
        may = self.actor.may(Scope.DIRECTORY_WRITE)
        return Empty(
            title="No cost center stood under another",
            text="Name the parent of a cost center in the organization; the next statements that "
            f"are issued are rolled up by it, those of {presentation.month(self.month)} stay.",
            icon="sitemap",
            action=Action(
                label="Name parents" if may else "See the cost centers",
                url=reverse("directory:organization"),
                icon="sitemap",
            ),
        )

    def _make(self) -> Action | None:
        if not self.actor.may(Scope.BILLING_WRITE):
            return None
        url = reverse("chargeback:roll_up", kwargs={"month": str(self.month)})
        return Action(label="Roll them up now", url=url, icon="stack-2", method="post")


def _list(
    found: Sequence[RollupFacts],
    state: ListState,
    *,
    empty: Empty,
    unmatched: Empty | None,
) -> DataList:
    currency = found[0].currency if found else ""
    return DataList(
        key="rollups",
        caption="Roll-ups",
        state=state,
        filters=(Filter(key="kind", label="By", options=_KINDS),),
        rows=[_row(one) for one in found],
        columns=(
            Column(key="name", label="Name", link="url"),
            Column(key="by", label="By"),
            Column(key="code", label="Code", kind="code", wide=True),
            Column(key="number", label="Number", wide=True),
            Column(key="statements", label="Statements", kind="quantity", wide=True),
            Column(key="total", label="Total", kind="money", currency=currency),
            Column(key="change", label="Against last month", kind="money", currency=currency),
        ),
        exports=("csv", "xlsx"),
        unmatched=unmatched,
        empty=empty,
    )


def _row(one: RollupFacts) -> dict[str, Any]:
    return {
        "name": one.name,
        "url": links.rollup_url(one.id),
        "by": dict(_KINDS)[one.kind.value].lower(),
        "code": one.code or None,
        "number": one.number,
        "statements": one.parts,
        "total": one.total,
        "change": None if one.previous is None else one.total - one.previous,
    }


class RollUp(PageMixin, View):
    """Rolls a month's issued statements up."""

    http_method_names = ["post", "options"]
    scopes: ClassVar[Mapping[str, Scope | None]] = {"POST": Scope.BILLING_WRITE}

    def post(self, request: HttpRequest, month: str) -> HttpResponse:
        wanted = links.month_of(month)
        try:
            count = services.roll_up(month=wanted, actor=self.actor, now=timezone.now())
        except Refusal as refusal:
            messages.error(request, refusal.message)
        else:
            told = f"{count} roll-ups are made." if count else "There is nothing to roll up: no "
            told += "" if count else "cost center has a parent, and nothing names a product."
            messages.success(request, told)
        return HttpResponseRedirect(links.rollups_url(wanted))


class RollupPage(PageMixin, TemplateView):
    """What both tabs of a roll-up share."""

    tab = "rollup"
    scopes: ClassVar[Mapping[str, Scope | None]] = links.READ

    @cached_property
    def detail(self) -> RollupDetail:
        """Return the roll-up of the address."""
        return selectors.rollup(self.kwargs["id"], actor=self.actor)

    @cached_property
    def printed(self) -> Mapping[str, Any]:
        """Return the strings that the PDF prints."""
        return documents.laid_out(document=self.detail.facts.id, locale=tenants.current().locale)

    def page(self) -> Page:
        facts, head = self.detail.facts, self.printed["head"]
        files = [
            Action(label=suffix.upper(), url=links.rollup_file_url(facts.id, suffix), icon=icon)
            for suffix, icon in (
                ("pdf", "download"),
                ("csv", "file-type-csv"),
                ("xlsx", "file-spreadsheet"),
            )
        ]
        return Page(
            title=facts.name,
            subtitle=f"{head['title']}. {head['change'][:1].upper()}{head['change'][1:]}.",
            crumbs=[
                Crumb(links.HOME, "/statements/"),
                Crumb(presentation.month(facts.month), links.month_url(facts.month)),
                Crumb("Roll-ups", links.rollups_url(facts.month)),
            ],
            status="issued",
            primary=files[0],
            actions=files[1:],
            facts=_head(facts),
            tabs=[
                Tab(
                    label=label,
                    url=reverse(f"chargeback:{name}", args=[facts.id]),
                    active=name == self.tab,
                )
                for name, label in _TABS
            ],
        )


def _head(facts: RollupFacts) -> list[Fact]:
    replaced = [Fact("Replaces", facts.replaces)] if facts.replaces else []
    return [
        Fact("Total", presentation.money(facts.total, facts.currency)),
        Fact("Period", presentation.month(facts.month)),
        Fact("Number", facts.number),
        Fact(dict(_KINDS)[facts.kind.value], facts.code or presentation.MISSING),
        Fact("Statements", presentation.number(facts.parts)),
        *replaced,
    ]


class RollupOverview(RollupPage):
    """Answers how much, from which statements, and why it changed."""

    template_name = "chargeback/rollup.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        payload, facts = self.detail.payload, self.detail.facts
        parts = [
            row | {"url": links.statement_url(facts.month, row["code"])}
            for row in self.printed["parts"]["rows"]
        ]
        return super().get_context_data(
            printed=self.printed,
            parts=parts,
            kpis=_kpis(self.detail),
            charts=charts_of(payload),
            lines_url=reverse("chargeback:rollup_lines", args=[facts.id]),
            currency=payload["currency"],
            **kwargs,
        )


def _kpis(detail: RollupDetail) -> list[Kpi]:
    payload, facts = detail.payload, detail.facts
    previous = payload["change"]["previous"]
    against = presentation.month(previous["month"]) if previous else ""
    total = Kpi(
        label="Total",
        value=facts.total,
        currency=facts.currency,
        previous=facts.previous,
        against=against,
        trend=[point["total"] for point in payload["trend"]],
    )
    direct, shared = (
        Kpi(label=label, value=facts.sections[name], currency=facts.currency)
        for name, label in (("direct", "Direct usage"), ("shared", "Shared cost"))
    )
    costs = payload["unit_costs"]
    counted = costs["requests"]
    ratio = Kpi(
        label="Per 1,000 requests",
        value=costs["per_1000_requests"],
        currency=facts.currency,
        note=f"{presentation.compact(counted)} requests" if counted else "none counted",
    )
    return [total, direct, shared, ratio]


class RollupLines(RollupPage):
    """Lists every printed line of a roll-up."""

    template_name = "chargeback/lines.html"
    tab = "rollup_lines"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        shown = _lines(self.detail, ListState.of(request))
        if shown.state.export:
            return list_response(shown, filename=f"lines-{self.detail.facts.number}")
        return self.render_to_response(self.get_context_data(list=shown, **kwargs))


def _lines(detail: RollupDetail, state: ListState) -> DataList:
    facts = detail.facts
    exact = sum((Decimal(line["exact"]) for line in detail.payload["lines"]), Decimal(0))
    return DataList(
        key="lines",
        caption="Lines of the roll-up",
        state=state,
        rows=[line_row(line) for line in detail.payload["lines"]],
        columns=(
            Column(key="what", label="What"),
            Column(key="detail", label="Kind and detail"),
            Column(key="quantity", label="Quantity", kind="quantity", wide=True),
            Column(key="price", label="Unit price or share", wide=True),
            Column(key="exact", label="Exact", kind="exact", currency=facts.currency, wide=True),
            Column(key="amount", label="Amount", kind="money", currency=facts.currency),
        ),
        totals={"amount": facts.total, "exact": exact},
        exports=("csv", "xlsx"),
        empty=Empty(title="No cost in this month", icon="file-text"),
    )
