"""The operator's pages of list prices. Publishing asks every tenant to adopt them."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.generic import FormView, TemplateView, View

from apps.accounts.web.forms import show_refusal
from apps.catalog import selectors
from apps.catalog import services as catalog
from apps.core import presentation
from apps.core.domain.access import Scope
from apps.core.domain.errors import Invalid, Refusal
from apps.core.web.exports import list_response
from apps.core.web.lists import DataList, Empty, ListState
from apps.core.web.page import Action, Crumb, Fact, Page
from apps.core.web.views import PageMixin
from finops_platform.operator.prices import rows
from finops_platform.operator.prices.adoption import adopt_once_committed
from finops_platform.operator.prices.forms import PriceFileForm

_READ: Final[dict[str, Scope | None]] = {"GET": Scope.ADMIN}
_POST: Final[dict[str, Scope | None]] = {"POST": Scope.ADMIN}


class Sources(PageMixin, TemplateView):
    """Shows the sources of prices, how far they agree with the list, and what waits."""

    template_name = "operator/prices.html"
    scopes = _READ

    def page(self) -> Page:
        waiting = sum(n for kind, n in selectors.waiting_counts().items() if kind != "two")
        changes = reverse("operator:price_changes")
        return Page(
            title="Prices",
            subtitle="A change is published when two sources agree within 1 %, or when a person "
            "approves it. A price 100 times away from what it is compared with needs two people.",
            primary=Action(label="Load a file", url=reverse("operator:price_load"), icon="upload"),
            actions=[
                Action(
                    label="Read genai-prices", url=reverse("operator:price_sync"), method="post"
                ),
                Action(label="History of a price", url=reverse("operator:price_history")),
            ],
            facts=[Fact("Waiting for a person", f"{waiting:,} changes", changes)],
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        shown = DataList(
            key="imports",
            caption="Readings of sources",
            columns=rows.IMPORT_COLUMNS,
            rows=[rows.import_row(one) for one in selectors.imports(limit=30)],
            state=ListState.of(self.request),
            empty=Empty(title="No source was read yet", text="Read genai-prices, or load a file."),
        )
        return super().get_context_data(
            sources=selectors.sources(now=timezone.now()), list=shown, **kwargs
        )


class Sync(PageMixin, View):
    """Reads the installed genai-prices package."""

    http_method_names = ["post"]
    scopes = _POST

    def post(self, request: HttpRequest) -> HttpResponse:
        try:
            report = catalog.import_list_prices(now=timezone.now(), actor=self.actor)
        except Refusal as refusal:
            messages.error(request, refusal.message)
        else:
            messages.success(request, said_of(report))
            if report.opened or report.closed:
                adopt_once_committed()
        return HttpResponseRedirect(reverse("operator:prices"))


class Load(PageMixin, FormView):  # type: ignore[type-arg]
    """Takes a file of prices."""

    template_name = "operator/price_load.html"
    form_class = PriceFileForm
    scopes: ClassVar[dict[str, Scope | None]] = {**_READ, **_POST}

    def page(self) -> Page:
        return Page(
            title="Load a file of prices",
            subtitle="Nothing is listed blindly: what differs waits, unless two sources agree.",
            crumbs=[Crumb("Prices", reverse("operator:prices"))],
        )

    def form_valid(self, form: PriceFileForm) -> HttpResponse:
        file = form.cleaned_data["file"]
        try:
            report = catalog.load_prices(
                source=form.cleaned_data["source"],
                content=file.read(),
                file_name=file.name or "",
                actor=self.actor,
                now=timezone.now(),
            )
        except Invalid as refusal:
            form.add_error("file", refusal.message)
            return self.form_invalid(form)
        except Refusal as refusal:
            show_refusal(form, refusal)
            return self.form_invalid(form)
        messages.success(self.request, said_of(report))
        if report.opened or report.closed:
            adopt_once_committed()
        latest = selectors.imports(limit=1)[0]
        return HttpResponseRedirect(reverse("operator:price_import", args=[latest.public_id]))


class ImportPage(PageMixin, TemplateView):
    """Shows one reading and what no price was made of."""

    template_name = "operator/price_import.html"
    scopes = _READ

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        state = ListState.of(request)
        if not state.export:
            return super().get(request, *args, **kwargs)
        every = DataList(
            key="not-taken",
            caption="What became no price",
            columns=rows.EVERY_NOT_TAKEN,
            rows=selectors.not_taken(public_id=self.kwargs["public_id"]),
            state=state,
        )
        return list_response(every, filename="not-taken")

    def page(self) -> Page:
        one = self._import
        return Page(
            title=f"{one.source_name} {one.release}",
            crumbs=[Crumb("Prices", reverse("operator:prices"))],
            facts=[
                Fact("Read", presentation.moment(one.read_at)),
                Fact("By", one.read_by),
                Fact("Prices stated", presentation.quantity(one.prices)),
                Fact("Unlike before", presentation.quantity(one.opened)),
                Fact("Published", presentation.quantity(one.published)),
                Fact(
                    "Left to a person",
                    presentation.quantity(one.proposed),
                    _changes(source=one.source),
                ),
                *([Fact("File", one.file_name)] if one.file_name else []),
            ],
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        left = selectors.not_taken(public_id=self.kwargs["public_id"])
        shown = DataList(
            key="not-taken",
            caption="What became no price",
            columns=rows.NOT_TAKEN_COLUMNS,
            rows=rows.not_taken_rows(left),
            state=ListState.of(self.request),
            exports=("csv", "xlsx"),
            empty=Empty(title="Everything became a price", text="Nothing was left out."),
        )
        return super().get_context_data(list=shown, one=self._import, **kwargs)

    @property
    def _import(self) -> selectors.ImportFacts:
        return selectors.import_facts(public_id=self.kwargs["public_id"])


def said_of(report: catalog.ImportReport) -> str:
    """Say what a reading did."""
    if report.is_baseline:
        return f"The catalogue had no prices: all {report.opened:,} were taken over."
    if not report.said:
        return f"{report.source} says what it said before."
    return (
        f"{report.source}: {report.said:,} statements unlike before, {report.published:,} changes "
        f"published as sources agree, {report.proposed:,} wait for a person."
    )


def _changes(**query: str) -> str:
    params = "&".join(f"{key}={value}" for key, value in query.items())
    return f"{reverse('operator:price_changes')}?{params}"
