"""The price pages: what things cost, since when, and by which contract."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any, ClassVar, Final
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.views.generic import FormView, TemplateView, View

from apps.catalog import selectors as catalog
from apps.core import presentation
from apps.core.domain.access import Scope
from apps.core.domain.errors import Refusal
from apps.core.web.exports import list_response
from apps.core.web.lists import DataList, Empty, Filter, ListState, Paging
from apps.core.web.page import Action, Crumb, Fact, Page
from apps.core.web.views import PageMixin
from apps.rating import selectors, services
from apps.rating.tasks import request_adoption
from apps.rating.web.contract import price_entries
from apps.rating.web.forms import (
    CONDITIONS,
    ContractPriceForm,
    meter_choices,
    show_refusal,
)
from apps.rating.web.lists import (
    COLUMNS,
    MODEL_COLUMNS,
    charged,
    history_chart,
    row_of,
)
from apps.rating.web.preview import preview_of
from apps.rating.web.tabs import price_tabs
from apps.tenants import selectors as tenants

PAGE: Final = 50
MOST_EXPORTED: Final = 10_000
_HERE: Final = "Prices"
_READ: Final[dict[str, Scope | None]] = {"GET": Scope.COSTS_READ}
_WRITE: Final[dict[str, Scope | None]] = {"GET": Scope.PRICES_WRITE, "POST": Scope.PRICES_WRITE}


class Prices(PageMixin, TemplateView):
    """Lists all prices, contract prices before list prices of the same thing."""

    template_name = "rating/prices.html"
    scopes = _READ

    def page(self) -> Page:
        version = selectors.current_version()
        new = Action(label="Add a contract price", url=reverse("rating:new"), icon="plus")
        return Page(
            title=_HERE,
            subtitle="What providers list and what you negotiated. A contract price goes over "
            "the list price of the same meter under the same conditions.",
            primary=new if self.actor.may(Scope.PRICES_WRITE) else None,
            tabs=price_tabs(self.actor, _HERE),
            facts=[
                Fact("Price book", f"version {version.version}"),
                Fact("List prices as of", presentation.moment(version.catalog_known_at)),
            ],
        )

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if self._state.export:
            return list_response(self._list(limit=MOST_EXPORTED), filename="prices")
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            list=self._list(limit=PAGE), outdated=selectors.is_outdated(), **kwargs
        )

    @property
    def _state(self) -> ListState:
        return ListState.of(self.request)

    def _list(self, *, limit: int) -> DataList:
        state = self._state
        page = selectors.browse_prices(
            wanted=_wanted(state),
            kind=state.get("kind") if state.get("kind") in dict(_KINDS) else "",
            cursor=state.get("cursor"),
            limit=limit,
            known_at=known_on(state),
        )
        return DataList(
            key="prices",
            caption="Prices",
            columns=COLUMNS,
            rows=[row_of(price, now=timezone.now()) for price in page.prices],
            state=state,
            search="Search models and providers",
            filters=_filters(),
            paging=Paging(next_cursor=page.next, previous_cursor=page.previous),
            exports=("csv", "xlsx"),
            empty=Empty(
                title="No prices yet",
                text="List prices are imported once a day; the operator can run sync_prices.",
                icon="tag",
            ),
        )


_KINDS: Final = [("contract", "Contract prices"), ("list", "List prices")]


def _filters() -> list[Filter]:
    return [
        Filter(key="kind", label="Kind", options=_KINDS),
        Filter(key="provider", label="Provider", options=list(catalog.provider_names().items())),
        Filter(key="meter", label="Meter", options=meter_choices()),
        Filter(key="family", label="Family"),
        Filter(key="on", label="Valid on", kind="date"),
        Filter(key="as_known_on", label="As known on", kind="date"),
    ]


def known_on(state: ListState) -> datetime:
    """Return the end of the day in `as_known_on`, in the tenant's zone; now without one."""
    day = _day(state, "as_known_on")
    now = timezone.now()
    if day is None or day > now.date():
        return now
    return min(now, _midnight(day + timedelta(days=1)))


def _day(state: ListState, name: str) -> date | None:
    try:
        return parse_date(state.get(name))
    except ValueError:
        return None


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=tenants.current().timezone)


def _wanted(state: ListState) -> catalog.PriceFilter:
    day = _day(state, "on")
    return catalog.PriceFilter(
        provider=state.get("provider"),
        model=state.get("model"),
        meter=state.get("meter"),
        text=state.get("q")[:200],
        family=state.get("family"),
        on=None if day is None else _midnight(day),
    )


class ModelPrices(PageMixin, TemplateView):
    """Shows everything known about the prices of one model, now or on an earlier day."""

    template_name = "rating/model.html"
    scopes = _READ

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if ListState.of(request).export:
            return list_response(self.get_context_data()["list"], filename="model-prices")
        return super().get(request, *args, **kwargs)

    def page(self) -> Page:
        provider, model = self._names
        facts = catalog.ai_model(provider=provider, code=model)
        new = reverse("rating:new") + f"?provider={provider}&model={model}"
        window = facts.context_window
        return Page(
            title=facts.name,
            crumbs=[Crumb(_HERE, reverse("rating:prices"))],
            status="deprecated" if facts.deprecated else "",
            primary=Action(label="Add a contract price", url=new, icon="plus")
            if self.actor.may(Scope.PRICES_WRITE)
            else None,
            facts=[
                Fact("Provider", facts.provider_name, facts.pricing_url),
                Fact("Code", facts.code),
                Fact("Family", facts.family),
                Fact("Context window", presentation.quantity(window, "tokens")),
                Fact("Source", facts.source),
            ],
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        now = timezone.now()
        provider, model = self._names
        state = ListState.of(self.request)
        known_at = known_on(state)
        prices = selectors.price_history(provider=provider, model=model, known_at=known_at)
        book = selectors.book_as_known(known_at)
        shown = DataList(
            key="model-prices",
            caption="Prices of this model, past and future",
            columns=MODEL_COLUMNS,
            rows=[row_of(price, now=now) for price in prices],
            state=state,
            filters=[Filter(key="as_known_on", label="As known on", kind="date")],
            exports=("csv", "xlsx"),
            empty=Empty(title="No price is known", text="Its usage is unpriced until one is."),
        )
        contracted = [price for price in prices if price.public_id is not None]
        entries = [entry for price in contracted for entry in price_entries(price)]
        return super().get_context_data(
            list=shown,
            chart=history_chart(prices, book=book, now=now),
            charged=charged(book, provider=provider, model=model, now=now),
            known_on=state.get("as_known_on") and known_at,
            entries=sorted(entries, key=lambda entry: entry.at, reverse=True),
            **kwargs,
        )

    @property
    def _names(self) -> tuple[str, str]:
        return self.kwargs["provider"], self.kwargs["model"]


class NewContractPrice(PageMixin, FormView):  # type: ignore[type-arg]
    """Records a contract price, with what it means shown beside the form."""

    template_name = "rating/price_form.html"
    form_class = ContractPriceForm
    scopes = _WRITE

    def page(self) -> Page:
        return Page(
            title="Add a contract price",
            crumbs=[Crumb(_HERE, reverse("rating:prices"))],
        )

    def get_initial(self) -> dict[str, Any]:
        asked = {
            name: self.request.GET[name].replace("\x00", "")
            for name in ("provider", "model", "meter")
            if name in self.request.GET
        }
        return {**asked, **self._replaced()}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        form = kwargs.get("form") or self.get_form()
        context = {
            "form": form,
            "meters": meter_choices(),
            "cancel_url": reverse("rating:prices"),
            "conditions_open": any(form[name].value() for name in CONDITIONS),
        }
        return super().get_context_data(**{**kwargs, **context})

    def form_valid(self, form: ContractPriceForm) -> HttpResponse:
        try:
            price = services.record_contract_price(
                draft=form.to_draft(), actor=self.actor, now=timezone.now()
            )
        except services.PriceOverlaps:
            form.add_error(None, _OVERLAP)
            return self.form_invalid(form)
        except Refusal as refusal:
            show_refusal(form, refusal)
            return self.form_invalid(form)
        request_adoption()
        messages.success(self.request, "The price is recorded; open months are being re-rated.")
        return HttpResponseRedirect(reverse("rating:contract_price", args=[price]))

    def _replaced(self) -> dict[str, Any]:
        try:
            public_id = UUID(self.request.GET.get("replaces", ""))
        except ValueError:
            return {}
        price = selectors.contract_price(public_id)
        same = ("provider", "model", "meter", "amount", "unit_size", "currency")
        terms = {name: getattr(price, name) for name in same}
        return {**terms, **price.conditions._asdict(), "replaces": public_id}


_OVERLAP: Final = (
    "Another contract price holds for the same meter under the same conditions at some of this "
    "time. Find it under Prices, open it, and choose Replace it."
)


class Preview(PageMixin, View):
    """Answers with what the form's price means, while it is being filled in."""

    scopes: ClassVar[dict[str, Scope | None]] = {"POST": Scope.PRICES_WRITE}

    def post(self, request: HttpRequest) -> HttpResponse:
        form = ContractPriceForm(request.POST)
        form.is_valid()
        return render(request, "rating/preview.html", {"preview": preview_of(form)})
