"""The pages of bills and provider accounts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.generic import FormView, TemplateView

from apps.core import presentation
from apps.core.domain.access import Scope
from apps.core.domain.errors import Refusal, TooLarge
from apps.core.domain.months import Month
from apps.core.web.exports import list_response
from apps.core.web.lists import Column, DataList, Empty, ListState
from apps.core.web.page import Action, Crumb, Fact, Page, Tab
from apps.core.web.views import PageMixin
from apps.costs import selectors, services
from apps.costs.domain.diagnostics import Diagnostic
from apps.costs.domain.focus import RowRefused
from apps.costs.selectors import AccountFacts, BillFacts, ImportReport
from apps.costs.web.forms import AccountForm, UploadForm, show_refusal
from apps.costs.web.months import month_asked, month_filter
from apps.tenants import selectors as tenants

FILE_LIMIT: Final = 256 * 1024 * 1024
_READ: Final[dict[str, Scope | None]] = {"GET": Scope.BILLING_READ}
_WRITE: Final[dict[str, Scope | None]] = {"GET": Scope.BILLING_WRITE, "POST": Scope.BILLING_WRITE}
_TRUTHS: Final = {"billed": "the bill", "metered": "our metering", "trued_up": "trued up"}

_BILLS: Final = (
    Column(key="billing_month", label="Billing month", kind="month", link="url"),
    Column(key="account", label="Account", kind="code"),
    Column(key="version", label="Version", kind="quantity"),
    Column(key="standing", label="Standing", kind="badge"),
    Column(key="billed", label="Billed", kind="money", currency_key="currency"),
    Column(key="effective", label="Effective", kind="money", currency_key="currency"),
    Column(key="rows", label="Charges", kind="quantity", wide=True),
    Column(key="rejected", label="Left out", kind="quantity", wide=True),
    Column(key="period", label="Booked in", kind="month", wide=True),
)
_ACCOUNTS: Final = (
    Column(key="code", label="Code", kind="code"),
    Column(key="name", label="Name"),
    Column(key="covers", label="Metered usage it covers"),
    Column(key="counts", label="What counts"),
    Column(key="metered", label="Our metering", kind="money", currency_key="currency"),
    Column(key="billed", label="Its bill", kind="money", currency_key="currency"),
    Column(key="variance", label="Variance", kind="money", currency_key="currency"),
)
_DIAGNOSTICS: Final = (
    Column(key="message", label="What was odd"),
    Column(key="count", label="Times", kind="quantity"),
    Column(key="first_line", label="First on line", kind="quantity"),
)
_ERRORS: Final = (
    Column(key="line", label="Line", kind="quantity"),
    Column(key="field", label="Field", kind="code"),
    Column(key="message", label="Why it was left out"),
)


@dataclass(frozen=True, slots=True)
class BillRow:
    """A bill in one of its currencies, as the list shows it."""

    billing_month: str
    url: str
    account: str
    version: int
    standing: str
    currency: str
    billed: Decimal
    effective: Decimal
    rows: int
    rejected: int
    period: str


class Bills(PageMixin, TemplateView):
    """Lists the bills, the newest import first."""

    template_name = "costs/list.html"
    scopes = _READ

    def page(self) -> Page:
        upload = Action(label="Upload a bill", url=reverse("costs:upload"), icon="upload")
        return Page(
            title="Bills",
            subtitle="What providers bill, as delivered. A newer version takes the place of the "
            "whole bill before it; all versions stay on record.",
            crumbs=[Crumb("Sources")],
            primary=upload if self.actor.may(Scope.BILLING_WRITE) else None,
            tabs=source_tabs("bills"),
        )

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if ListState.of(request).export:
            return list_response(self._list(), filename="bills")
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(list=self._list(), **kwargs)

    def _list(self) -> DataList:
        return DataList(
            key="bills",
            caption="Bills",
            columns=_BILLS,
            rows=list(_bill_rows(selectors.bills())),
            state=ListState.of(self.request),
            exports=("csv", "xlsx"),
            empty=Empty(
                title="No bills yet",
                text="Upload a FOCUS file of your cloud or model provider.",
                icon="receipt",
            ),
        )


class BillPage(PageMixin, TemplateView):
    """Shows one version of a bill and what was odd about its file."""

    template_name = "costs/bill.html"
    scopes = _READ

    def page(self) -> Page:
        bill = self._bill
        name = f"{bill.provider_account}, {presentation.month(str(bill.billing_month))}"
        return Page(
            title=name,
            subtitle=bill.file_name,
            crumbs=[Crumb("Sources"), Crumb("Bills", reverse("costs:bills"))],
            status="current" if bill.is_current else "superseded",
            facts=[
                Fact("Version", str(bill.version)),
                Fact("Booked in", presentation.month(str(bill.period))),
                *_sums(bill),
                Fact("Charges", presentation.quantity(Decimal(bill.rows), "")),
                Fact("Rows left out", presentation.quantity(Decimal(bill.rejected), "")),
                Fact("Imported", f"{presentation.moment(bill.imported_at)} by {bill.imported_by}"),
                Fact("File's SHA-256", bill.source_sha256),
            ],
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        state = ListState.of(self.request)
        return super().get_context_data(
            list=_diagnostics(self._bill.diagnostics, state), bill=self._bill, **kwargs
        )

    @property
    def _bill(self) -> BillFacts:
        return selectors.bill(public_id=str(self.kwargs["public_id"]))


class Upload(PageMixin, FormView):  # type: ignore[type-arg]
    """Takes a FOCUS file and tells what came of it."""

    template_name = "costs/upload.html"
    form_class = UploadForm
    scopes = _WRITE

    def page(self) -> Page:
        return Page(
            title="Upload a bill",
            subtitle="It is read twice: once to check every row, once to book it.",
            crumbs=[Crumb("Sources"), Crumb("Bills", reverse("costs:bills"))],
        )

    def get_form_kwargs(self) -> dict[str, Any]:
        declared = selectors.accounts().declared
        named = [(account.code, f"{account.code}, {account.name}") for account in declared]
        return {**super().get_form_kwargs(), "accounts": named}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            cancel_url=reverse("costs:bills"),
            has_accounts=bool(selectors.accounts().declared),
            **kwargs,
        )

    def form_valid(self, form: UploadForm) -> HttpResponse:
        file = form.cleaned_data["file"]
        try:
            if file.size > FILE_LIMIT:
                raise TooLarge("The file is larger than 256 MiB; pack or split it.")
            report = services.import_focus(
                file=file.file,
                file_name=file.name or "",
                provider_account=form.cleaned_data["account"],
                actor=self.actor,
                now=timezone.now(),
            )
        except Refusal as refusal:
            show_refusal(form, refusal)
            return self.form_invalid(form)
        state = ListState.of(self.request)
        shown = {
            "page": _report_page(report),
            "report": report,
            "bills": list(_bill_rows(report.bills)),
            "errors": _errors(report.errors, state),
            "list": _diagnostics(report.diagnostics, state),
        }
        return render(self.request, "costs/report.html", shown)


class Accounts(PageMixin, TemplateView):
    """Lists the provider accounts, our metering beside their bills of a month."""

    template_name = "costs/list.html"
    scopes = _READ

    def page(self) -> Page:
        new = Action(label="Declare an account", url=reverse("costs:new_account"), icon="plus")
        return Page(
            title="Provider accounts",
            subtitle="Where cost comes from, and whose amounts count: our metering or the bill.",
            crumbs=[Crumb("Sources")],
            primary=new if self.actor.may(Scope.BILLING_WRITE) else None,
            tabs=source_tabs("accounts"),
        )

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if ListState.of(request).export:
            return list_response(self._list(), filename="provider-accounts")
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(list=self._list(), **kwargs)

    def _list(self) -> DataList:
        state = ListState.of(self.request)
        month = month_asked(state)
        return DataList(
            key="accounts",
            caption=f"Provider accounts in {presentation.month(str(month))}",
            columns=_ACCOUNTS,
            rows=_account_rows(month),
            state=state,
            filters=[month_filter()],
            exports=("csv", "xlsx"),
            empty=Empty(
                title="No provider accounts yet",
                text="Declare one for each provider that bills you.",
                icon="cloud",
            ),
        )


class NewAccount(PageMixin, FormView):  # type: ignore[type-arg]
    """Declares a provider account."""

    template_name = "costs/account_form.html"
    form_class = AccountForm
    scopes = _WRITE

    def page(self) -> Page:
        here = "Declare an account"
        crumbs = [Crumb("Sources"), Crumb("Accounts", reverse("costs:accounts"))]
        return Page(title=here, subtitle="It counts from the first open month on.", crumbs=crumbs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(cancel_url=reverse("costs:accounts"), **kwargs)

    def form_valid(self, form: AccountForm) -> HttpResponse:
        try:
            services.declare_account(draft=form.to_draft(), actor=self.actor, now=timezone.now())
        except Refusal as refusal:
            show_refusal(form, refusal)
            return self.form_invalid(form)
        messages.success(self.request, "The account is declared.")
        return HttpResponseRedirect(reverse("costs:accounts"))


def source_tabs(here: str) -> list[Tab]:
    """Return the tabs of bills, accounts and feeds."""
    return [
        Tab(label="Bills", url=reverse("costs:bills"), active=here == "bills"),
        Tab(label="Accounts", url=reverse("costs:accounts"), active=here == "accounts"),
        Tab(label="Feeds", url=reverse("costs:feeds"), active=here == "feeds"),
    ]


def _bill_rows(bills: Iterable[BillFacts]) -> Iterable[BillRow]:
    for bill in bills:
        for currency, sums in sorted(bill.totals.items()):
            yield BillRow(
                billing_month=str(bill.billing_month),
                url=reverse("costs:bill", args=[bill.id]),
                account=bill.provider_account,
                version=bill.version,
                standing="current" if bill.is_current else "superseded",
                currency=currency,
                billed=sums.billed,
                effective=sums.effective,
                rows=bill.rows,
                rejected=bill.rejected,
                period=str(bill.period),
            )


def _sums(bill: BillFacts) -> Iterable[Fact]:
    for currency, sums in sorted(bill.totals.items()):
        yield Fact("Billed", presentation.exact_money(sums.billed, currency))
        yield Fact("Effective", presentation.exact_money(sums.effective, currency))


def _account_rows(month: Month) -> list[dict[str, Any]]:
    found = {each.account: each for each in selectors.reconciliation_of_accounts(month=month)}
    currency = tenants.current().currency
    return [
        {
            "code": account.code,
            "name": account.name,
            "covers": _covers(account),
            "counts": _TRUTHS[account.truth.value],
            "metered": found[account.code].metered if account.provider else None,
            "billed": found[account.code].billed,
            "variance": found[account.code].variance if account.provider else None,
            "currency": currency,
        }
        for account in selectors.accounts(month).declared
    ]


def _covers(account: AccountFacts) -> str:
    if not account.provider:
        return "none, cost beside the usage"
    which = "every account" if account.account == "*" else account.account
    return f"{account.provider}, {which}"


def _report_page(report: ImportReport) -> Page:
    told = "The file had been imported before" if report.already_imported else "The bill is booked"
    return Page(
        title=told,
        crumbs=[Crumb("Sources"), Crumb("Bills", reverse("costs:bills"))],
        primary=Action(label="See the bills", url=reverse("costs:bills")),
        facts=[
            Fact("Charges", presentation.quantity(Decimal(report.rows), "")),
            Fact("Rows left out", presentation.quantity(Decimal(report.rejected), "")),
        ],
    )


def _diagnostics(found: Iterable[Diagnostic], state: ListState) -> DataList:
    return DataList(
        key="diagnostics",
        caption="What was odd and was accepted all the same",
        columns=_DIAGNOSTICS,
        rows=list(found),
        state=state,
        empty=Empty(title="Nothing was odd about the file", icon="circle-check"),
    )


def _errors(refused: Iterable[RowRefused], state: ListState) -> DataList:
    rows = [
        {"line": row.line, "field": error.field, "message": error.message}
        for row in refused
        for error in row.errors
    ]
    return DataList(
        key="errors",
        caption="Rows that were left out, the first hundred",
        columns=_ERRORS,
        rows=rows,
        state=state,
        empty=Empty(title="No row was left out", icon="circle-check"),
    )
