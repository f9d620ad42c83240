"""Month, Journals: batches, their lines and files, the mapping of accounts, the layout."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.generic import FormView
from django.views.generic.base import View

from apps.chargeback import selectors, services
from apps.chargeback.domain.journal import Completeness, JournalFacts, JournalKind, MappingKind
from apps.chargeback.domain.journal_layout import FIELDS, parse_layout, text_of
from apps.chargeback.web.answer_forms import show_refusal
from apps.chargeback.web.journal_forms import LayoutForm, MappingForm, PostingForm
from apps.chargeback.web.links import month_of
from apps.chargeback.web.months import ListPage
from apps.core import presentation
from apps.core.domain.access import Scope
from apps.core.domain.errors import Refusal
from apps.core.domain.months import Month
from apps.core.web.exports import list_response
from apps.core.web.lists import Column, DataList, Empty, ListState
from apps.core.web.page import Action, Crumb, Fact, Page, Tab
from apps.core.web.views import PageMixin
from apps.directory import selectors as directory

_READ: Final[Mapping[str, Scope | None]] = {"GET": Scope.BILLING_READ}
_WRITE: Final[Mapping[str, Scope | None]] = {
    "GET": Scope.BILLING_WRITE,
    "POST": Scope.BILLING_WRITE,
}
_HOME: Final = "Journals"


def tabs(active: str) -> list[Tab]:
    """Return the three pages as tabs."""
    return [
        Tab(label=label, url=reverse(f"chargeback:{name}"), active=name == active)
        for name, label in (
            ("journals", "Batches"),
            ("mapping", "Accounts"),
            ("layout", "Columns"),
        )
    ]


class Journals(ListPage):
    """Lists journals, and makes the next one."""

    template_name = "chargeback/journals.html"
    filename = "journals"
    scopes: ClassVar[Mapping[str, Scope | None]] = _READ

    def page(self) -> Page:
        return Page(
            title=_HOME,
            subtitle="What a closed month books in the ledger: cost centers debited, clearing "
            "accounts credited.",
            tabs=tabs("journals") if self.actor.may(Scope.BILLING_WRITE) else [],
        )

    @cached_property
    def found(self) -> list[JournalFacts]:
        """Return all journals."""
        return selectors.journals(actor=self.actor)

    def shown(self) -> DataList:
        return DataList(
            key="journals",
            caption="Journals",
            state=self.state,
            rows=[_journal_row(one) for one in self.found],
            columns=(
                Column(key="batch", label="Batch", link="url"),
                Column(key="month", label="Month", wide=True),
                Column(key="kind", label="Kind", wide=True),
                Column(key="state", label="State", kind="badge"),
                Column(key="other", label="Takes back", wide=True),
                Column(key="reference", label="Ledger reference", wide=True),
                Column(key="lines", label="Lines", kind="quantity", wide=True),
                Column(key="total", label="Debits = credits", kind="money", currency_key="ccy"),
            ),
            exports=("csv", "xlsx"),
            empty=Empty(
                title="No journal yet",
                text="A closed month gets one. Map accounts first, then make it here.",
                icon="receipt",
            ),
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        waiting = selectors.months_to_book(actor=self.actor)
        standing = {one.month: one.batch for one in self.found if _stands(one)}
        next_up = [
            {
                "month": str(month),
                "name": presentation.month(month),
                "replaces": standing.get(month, ""),
                "gaps": selectors.mapping_gaps(month=month, actor=self.actor),
                "then": [presentation.month(later) for later in waiting[1:]],
            }
            for month in waiting[:1]
        ]
        return super().get_context_data(
            waiting=next_up, may_change=self.actor.may(Scope.BILLING_WRITE), **kwargs
        )


def _stands(one: JournalFacts) -> bool:
    return one.kind == JournalKind.CHARGE.value and not one.reversed_by


def _journal_row(one: JournalFacts) -> dict[str, Any]:
    return {
        "batch": one.batch,
        "url": reverse("chargeback:journal", kwargs={"batch": one.batch}),
        "month": presentation.month(one.month),
        "kind": one.kind,
        "state": one.state,
        "other": one.reverses or None,
        "reference": one.posting.reference if one.posting else None,
        "lines": one.lines,
        "total": one.total,
        "ccy": one.currency,
    }


class Prepare(PageMixin, View):
    """Makes the journal of a closed month."""

    http_method_names = ["post", "options"]
    scopes: ClassVar[Mapping[str, Scope | None]] = {"POST": Scope.BILLING_WRITE}

    def post(self, request: HttpRequest, month: str) -> HttpResponse:
        try:
            facts = services.prepare_journal(
                month=month_of(month), actor=self.actor, now=timezone.now()
            )
        except Refusal as refusal:
            messages.error(request, refusal.message)
            return HttpResponseRedirect(reverse("chargeback:journals"))
        messages.success(request, f"{facts.batch} is ready for the ledger.")
        return HttpResponseRedirect(reverse("chargeback:journal", kwargs={"batch": facts.batch}))


class JournalPage(PageMixin, FormView):  # type: ignore[type-arg]
    """Shows the lines of a journal, its files, and takes the confirmation of its posting."""

    template_name = "chargeback/journal.html"
    form_class = PostingForm
    scopes: ClassVar[Mapping[str, Scope | None]] = {
        "GET": Scope.BILLING_READ,
        "POST": Scope.BILLING_WRITE,
    }

    @cached_property
    def facts(self) -> JournalFacts:
        """Return the journal of the address."""
        return selectors.journal(batch=self.kwargs["batch"], actor=self.actor)

    def page(self) -> Page:
        facts = self.facts
        return Page(
            title=f"Journal {facts.batch}",
            subtitle=f"It takes {facts.reverses} back." if facts.reverses else "",
            crumbs=[Crumb(_HOME, reverse("chargeback:journals"))],
            status=facts.state,
            primary=Action(label="CSV", url=self._file("csv"), icon="download"),
            actions=[Action(label="XLSX", url=self._file("xlsx"), icon="file-spreadsheet")],
            facts=_facts(facts),
        )

    def _file(self, suffix: str) -> str:
        named = {"period": str(self.facts.month), "suffix": suffix}
        return f"{reverse('journal_file', kwargs=named)}?batch={self.facts.batch}"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        shown = self._lines()
        if shown.state.export:
            return list_response(shown, filename=self.facts.batch)
        return self.render_to_response(self.get_context_data(**kwargs))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        may_post = self.facts.posting is None and self.actor.may(Scope.BILLING_WRITE)
        return super().get_context_data(list=self._lines(), may_post=may_post, **kwargs)

    def _lines(self) -> DataList:
        entries = selectors.entries(batch=self.facts.batch, actor=self.actor)
        currency = self.facts.currency
        return DataList(
            key="entries",
            caption="Lines of the journal",
            state=ListState.of(self.request),
            rows=[
                {
                    "account": one.account,
                    "target": one.target or None,
                    "text": one.text,
                    "debit": one.debit or None,
                    "credit": one.credit or None,
                }
                for one in entries
            ],
            columns=(
                Column(key="account", label="Account", kind="code"),
                Column(key="target", label="Cost center"),
                Column(key="text", label="Text", wide=True),
                Column(key="debit", label="Debit", kind="money", currency=currency),
                Column(key="credit", label="Credit", kind="money", currency=currency),
            ),
            totals={"debit": self.facts.total, "credit": self.facts.total},
        )

    def form_valid(self, form: PostingForm) -> HttpResponse:
        try:
            services.confirm_posting(
                batch=self.facts.batch,
                **form.cleaned_data,
                actor=self.actor,
                now=timezone.now(),
            )
        except Refusal as refusal:
            show_refusal(form, refusal)
            return self.form_invalid(form)
        messages.success(self.request, "Noted.")
        return HttpResponseRedirect(self.request.path)


def _facts(facts: JournalFacts) -> list[Fact]:
    posting = facts.posting
    rows = [
        ("Debits = credits", presentation.money(facts.total, facts.currency)),
        ("Period", presentation.month(facts.month)),
        ("Lines", presentation.number(facts.lines)),
        ("Taken back by", facts.reversed_by),
        ("Ledger reference", posting.reference if posting else ""),
        ("Posted on", presentation.day(posting.posted_on) if posting else ""),
        ("Made", presentation.moment(facts.created_at)),
    ]
    return [Fact(label, value) for label, value in rows if value]


class MappingPage(PageMixin, FormView):  # type: ignore[type-arg]
    """Shows the accounts in force with what is missing, and takes another one."""

    template_name = "chargeback/mapping.html"
    form_class = MappingForm
    scopes: ClassVar[Mapping[str, Scope | None]] = _WRITE

    def page(self) -> Page:
        return Page(
            title=_HOME,
            subtitle="Accounts hold from a month on. Journals that were made keep theirs.",
            tabs=tabs("mapping"),
        )

    @cached_property
    def month(self) -> Month:
        """Return the month asked for, else the newest one that has statements."""
        text = self.request.GET.get("month", "")
        if text:
            return month_of(text)
        known = selectors.months(actor=self.actor)
        return known[0].month if known else Month.of(timezone.now().date())

    def get_initial(self) -> dict[str, Any]:
        asked = {name: self.request.GET.get(name, "")[:64] for name in ("kind", "key")}
        return {**asked, "valid_from": str(self.month)}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        gaps = selectors.mapping_gaps(month=self.month, actor=self.actor)
        return super().get_context_data(
            month=self.month,
            gaps=gaps,
            missing=_missing(gaps),
            rows=self._rows(),
            **kwargs,
        )

    def _rows(self) -> list[dict[str, Any]]:
        chart = selectors.chart(month=self.month)
        rows = [
            {
                "what": f"{one.code}, {one.name}",
                "account": mapped.account if mapped else one.gl_code,
                "target": mapped.target if mapped else "",
                "source": f"from {mapped.valid_from}" if mapped else "organization",
            }
            for one in directory.cost_centers(self.month.last_day)
            for mapped in [chart.centers.get(one.code)]
        ]
        return rows + [
            {
                "what": "any provider" if key == "*" else f"provider {key}",
                "account": one.account,
                "target": "",
                "source": f"from {one.valid_from}",
            }
            for key, one in sorted(chart.clearing.items())
        ]

    def form_valid(self, form: MappingForm) -> HttpResponse:
        try:
            services.map_account(mapping=form.to_mapping(), actor=self.actor, now=timezone.now())
        except Refusal as refusal:
            show_refusal(form, refusal)
            return self.form_invalid(form)
        messages.success(self.request, f"{form.cleaned_data['key']} is mapped.")
        return HttpResponseRedirect(f"{self.request.path}?month={self.month}")


def _missing(gaps: Completeness) -> list[dict[str, str]]:
    centers = [
        {"kind": MappingKind.COST_CENTER.value, "key": code, "name": f"{code}, {name}"}
        for code, name in gaps.centers
    ]
    return centers + [
        {
            "kind": MappingKind.CLEARING.value,
            "key": key,
            "name": "any provider" if key == "*" else f"provider {key}",
        }
        for key in gaps.clearing
    ]


class LayoutPage(PageMixin, FormView):  # type: ignore[type-arg]
    """Chooses the columns of journal files."""

    template_name = "chargeback/layout.html"
    form_class = LayoutForm
    scopes: ClassVar[Mapping[str, Scope | None]] = _WRITE

    def page(self) -> Page:
        return Page(
            title=_HOME,
            subtitle="Files are written with these columns; the same batch and columns are always "
            "the same bytes.",
            tabs=tabs("layout"),
        )

    def get_initial(self) -> dict[str, Any]:
        found = selectors.layout()
        return {
            "preset": found.preset,
            "company": found.company,
            "columns": text_of(found.columns),
        }

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(fields=list(FIELDS.items()), **kwargs)

    def form_valid(self, form: LayoutForm) -> HttpResponse:
        asked = form.cleaned_data
        try:
            layout = parse_layout(
                preset=asked["preset"], company=asked["company"], text=asked["columns"]
            )
            services.set_layout(layout=layout, actor=self.actor, now=timezone.now())
        except Refusal as refusal:
            show_refusal(form, refusal)
            return self.form_invalid(form)
        messages.success(self.request, "Files are written with these columns from now on.")
        return HttpResponseRedirect(self.request.path)
