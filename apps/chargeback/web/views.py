"""The page of a statement with its four tabs, and the explanation of a line."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import cached_property
from typing import Any, ClassVar, Final

from django.http import HttpRequest, HttpResponse
from django.views.generic import TemplateView

from apps.audit import selectors as audit
from apps.chargeback import selectors
from apps.chargeback.selectors import StatementDetail, StatementFacts
from apps.chargeback.web import links
from apps.chargeback.web.charts import charts_of
from apps.chargeback.web.lists import lines_list, sources_list
from apps.chargeback.web.wording import heading_of, meter_of, price_of, status_of, what_of
from apps.core import presentation
from apps.core.domain.access import Scope
from apps.core.web.exports import list_response
from apps.core.web.lists import ListState
from apps.core.web.page import Action, Crumb, Fact, Page, Tab
from apps.core.web.parts import Entry, Kpi
from apps.core.web.views import PageMixin
from apps.documents import selectors as documents
from apps.tenants import selectors as tenants


class StatementPage(PageMixin, TemplateView):
    """What every tab of a statement shares: the statement, its head, its files."""

    tab = "overview"
    scopes: ClassVar[Mapping[str, Scope | None]] = links.READ

    @cached_property
    def detail(self) -> StatementDetail:
        """Return the latest statement of the cost center in the month."""
        return selectors.statement_of(
            month=links.month_of(self.kwargs["month"]),
            cost_center=self.kwargs["cost_center"],
            actor=self.actor,
        )

    @cached_property
    def printed(self) -> Mapping[str, Any]:
        """Return the strings that the PDF prints."""
        return documents.laid_out(document=self.detail.facts.id, locale=tenants.current().locale)

    @cached_property
    def reads_answers(self) -> bool:
        """Tell whether the reader is finance, the owner, or named to answer."""
        if self.actor.may(Scope.BILLING_READ):
            return True
        facts, recipient = self.detail.facts, self.detail.payload["recipient"]
        return selectors.answers_for(
            cost_center=facts.cost_center,
            owner_email=recipient.get("owner_email") or "",
            actor=self.actor,
        )

    def page(self) -> Page:
        facts, head = self.detail.facts, self.printed["head"]
        return Page(
            title=facts.name,
            subtitle=f"{head['change'][:1].upper()}{head['change'][1:]}.",
            crumbs=self.crumbs(),
            status=status_of(facts.state),
            primary=Action(label="PDF", url=links.file_url(facts.id, "pdf"), icon="download"),
            actions=[
                Action(label="CSV", url=links.file_url(facts.id, "csv"), icon="file-type-csv"),
                Action(label="XLSX", url=links.file_url(facts.id, "xlsx"), icon="file-spreadsheet"),
            ],
            facts=_head_facts(facts, head),
            tabs=[
                Tab(
                    label=label,
                    url=links.statement_url(facts.month, facts.cost_center, name),
                    active=name == self.tab,
                )
                for name, label in _TABS
                if name != "acceptance" or self.reads_answers
            ],
        )

    def crumbs(self) -> list[Crumb]:
        """Return the way to this page."""
        facts = self.detail.facts
        return [
            Crumb(links.HOME, "/statements/"),
            Crumb(presentation.month(facts.month), links.month_url(facts.month)),
        ]


_TABS: Final = (
    ("overview", "Overview"),
    ("lines", "Lines"),
    ("explanation", "Explanation"),
    ("acceptance", "Acceptance"),
    ("history", "History"),
)


def _head_facts(facts: StatementFacts, head: Mapping[str, Any]) -> list[Fact]:
    replaced = [Fact("Replaces", facts.replaces)] if facts.replaces else []
    return [
        Fact("Total", presentation.money(facts.total, facts.currency)),
        Fact("Period", presentation.month(facts.month)),
        Fact("Number", facts.number or presentation.MISSING),
        Fact("Cost center", facts.cost_center),
        Fact("Owner", head["owner"]),
        Fact("GL account", head["gl_code"]),
        Fact("Issued", head["issued"]),
        *replaced,
    ]


class Overview(StatementPage):
    """Answers how much, why it changed, and what to do."""

    template_name = "chargeback/overview.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        payload = self.detail.payload
        return super().get_context_data(
            printed=self.printed,
            kpis=_kpis(self.detail),
            charts=charts_of(payload),
            lines_url=links.statement_url(
                self.detail.facts.month, self.detail.facts.cost_center, "lines"
            ),
            currency=payload["currency"],
            **kwargs,
        )


def _kpis(detail: StatementDetail) -> list[Kpi]:
    payload, currency = detail.payload, detail.facts.currency
    previous = payload["change"]["previous"]
    against = presentation.month(previous["month"]) if previous else ""
    cards = [
        Kpi(
            label="Total charge",
            value=detail.facts.total,
            currency=currency,
            previous=detail.facts.previous,
            against=against,
            trend=[point["total"] for point in payload["trend"]],
        )
    ]
    cards += [
        Kpi(
            label=heading_of(name),
            value=payload["sections"][name],
            currency=currency,
            previous=previous["sections"][name] if previous else None,
            against=against,
        )
        for name in ("direct", "shared")
    ]
    ratio = payload["unit_costs"]["per_1000_requests"]
    requests = payload["unit_costs"]["requests"]
    return [
        *cards,
        Kpi(
            label="Per 1,000 requests",
            value=ratio,
            currency=currency,
            note=f"{presentation.compact(requests)} requests" if requests else "none counted",
        ),
    ]


class Lines(StatementPage):
    """Lists every printed line; each leads to its explanation."""

    template_name = "chargeback/lines.html"
    tab = "lines"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        shown = lines_list(self.detail, ListState.of(request))
        if shown.state.export:
            facts = self.detail.facts
            return list_response(shown, filename=f"lines-{facts.month}-{facts.cost_center}")
        return self.render_to_response(self.get_context_data(list=shown, **kwargs))


class Line(StatementPage):
    """Explains one line: rule, driver values, sources, and from there the events."""

    template_name = "chargeback/line.html"
    tab = "lines"

    @cached_property
    def explained(self) -> selectors.Explanation:
        """Return the explanation of the line of the address."""
        return selectors.explanation(
            id=self.detail.facts.id, position=int(self.kwargs["position"]), actor=self.actor
        )

    def crumbs(self) -> list[Crumb]:
        facts = self.detail.facts
        lines = links.statement_url(facts.month, facts.cost_center, "lines")
        return [
            *super().crumbs(),
            Crumb(facts.name, links.statement_url(facts.month, facts.cost_center)),
            Crumb("Lines", lines),
        ]

    def page(self) -> Page:
        line, facts = self.explained.line, self.detail.facts
        return Page(
            title=f"Line {line['position']}: {what_of(line)}",
            subtitle=f"{presentation.money(line['amount'], facts.currency)} on the statement of "
            f"{facts.name} for {presentation.month(facts.month)}.",
            crumbs=self.crumbs(),
        )

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        facts = self.detail.facts
        shown = sources_list(
            self.explained, month=facts.month, currency=facts.currency, state=ListState.of(request)
        )
        if shown.state.export:
            name = f"line-{facts.month}-{facts.cost_center}-{kwargs['position']}"
            return list_response(shown, filename=name)
        context = self.get_context_data(list=shown, **kwargs)
        return self.render_to_response(
            context
            | {
                "line": self.explained.line,
                "line_facts": self._facts(),
                "rule_facts": _rule_facts(self.explained.rule),
                "hops": _hops(self.explained),
                "currency": facts.currency,
            }
        )

    def _facts(self) -> list[Fact]:
        line, currency = self.explained.line, self.detail.facts.currency
        rows = [
            ("Kind", heading_of(line["section"])),
            ("Amount", presentation.money(line["amount"], currency)),
            ("Exact amount", presentation.exact_money(line["exact"], currency)),
            (
                "Quantity",
                presentation.quantity(line["quantity"], f"{line['unit']}s")
                if line["quantity"] is not None
                else None,
            ),
            ("Meter", meter_of(line["meter"]) if line["meter"] else None),
            ("Price or share", price_of(line)),
            ("Price source", line["price"]["source"] if line["price"] else None),
            (
                "Used in",
                presentation.month(line["original_month"]) if line["original_month"] else None,
            ),
        ]
        return [Fact(label, value) for label, value in rows if value]


def _rule_facts(rule: Mapping[str, Any] | None) -> list[Fact]:
    if rule is None:
        return []
    rows = [
        ("Rule", str(rule.get("name") or rule["code"])),
        ("Version", str(rule["version"])),
        ("Method", str(rule["method"])),
        ("Driver", str(rule.get("driver") or "")),
        ("Level", str(rule.get("level", ""))),
    ]
    return [Fact(label, value) for label, value in rows if value]


def _hops(explained: selectors.Explanation) -> list[dict[str, Any]]:
    """Return the distinct steps of shared cost behind a line, in order."""
    seen: dict[tuple[str, ...], dict[str, Any]] = {}
    for source in explained.sources:
        for hop in source.hops:
            key = (hop.sender, hop.receiver, hop.rule, hop.driver, hop.value, hop.total)
            seen.setdefault(
                key,
                {
                    "sender": hop.sender or "pool",
                    "receiver": hop.receiver,
                    "rule": hop.rule,
                    "driver": hop.driver or hop.method,
                    "value": presentation.number(hop.value),
                    "total": presentation.number(hop.total),
                    "share": _share(hop.share),
                },
            )
    return list(seen.values())


def _share(text: str) -> str:
    numerator, _, denominator = text.partition("/")
    return presentation.percent(Decimal(numerator) / Decimal(denominator or "1"), digits=2)


class ExplanationTab(StatementPage):
    """Shows how the month ties out, how it is posted, and what proves it."""

    template_name = "chargeback/explanation.html"
    tab = "explanation"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            printed=self.printed, currency=self.detail.facts.currency, **kwargs
        )


class History(StatementPage):
    """Shows what happened to the month and which files are on record."""

    template_name = "chargeback/history.html"
    tab = "history"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        facts = self.detail.facts
        records = audit.history(subject="period", subject_id=str(facts.month))
        return super().get_context_data(
            entries=[_entry(record) for record in reversed(records)],
            renditions=documents.renditions(facts.id),
            **kwargs,
        )


def _entry(record: audit.Entry) -> Entry:
    words = record.action.replace(".", " ").replace("_", " ")
    shown = ("reason", "total", "currency", "first", "last", "approved_by")
    detail = ", ".join(
        f"{name.replace('_', ' ')} {record.detail[name]}"
        for name in shown
        if record.detail.get(name)
    )
    return Entry(
        at=record.at,
        actor=record.actor,
        text=words,
        detail=detail,
        icon="lock" if record.action in ("period.closed", "statements.issued") else "point",
        mark=record.hash[:12],
    )
