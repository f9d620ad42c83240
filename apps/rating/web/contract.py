"""The pages of one contract price: what it says, its history, its end and its withdrawal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Final
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.views.generic import FormView, TemplateView, View

from apps.audit import selectors as audit
from apps.catalog.domain.meters import meter_facts
from apps.core import presentation
from apps.core.domain.access import Scope
from apps.core.domain.errors import Missing, Refusal
from apps.core.web.page import Crumb, Fact, Page
from apps.core.web.parts import Entry
from apps.core.web.views import PageMixin
from apps.rating import selectors, services
from apps.rating.tasks import request_adoption
from apps.rating.web.forms import EndForm, show_refusal
from apps.rating.web.lists import conditions_of, kind_of, unit_price_of

_HERE: Final = "Prices"
_READ: Final[dict[str, Scope | None]] = {"GET": Scope.COSTS_READ}
_WRITE: Final[dict[str, Scope | None]] = {"GET": Scope.PRICES_WRITE, "POST": Scope.PRICES_WRITE}


class ContractPricePage(PageMixin, TemplateView):
    """Shows one contract price, its history, and what may be done with it."""

    template_name = "rating/contract_price.html"
    scopes = _READ

    def page(self) -> Page:
        price = self._price
        meter = meter_facts(price.meter).label
        name = f"{price.provider} {price.model}".strip()
        return Page(
            title=f"{name}, {meter.lower()}",
            subtitle=price.note,
            crumbs=[Crumb(_HERE, reverse("rating:prices"))],
            status="withdrawn" if price.known_to else kind_of(price),
            facts=[
                Fact("Price", presentation.unit_price(unit_price_of(price))),
                Fact("Conditions", conditions_of(price)),
                Fact("Valid from", presentation.moment(price.valid_from)),
                Fact("Valid to", presentation.moment(price.valid_to)),
                Fact("Recorded by", price.created_by),
                *_origin(price),
            ],
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        price = self._price
        may_change = self.actor.may(Scope.PRICES_WRITE) and price.known_to is None
        shown = {"price": price, "may_change": may_change, "entries": price_entries(price)}
        return super().get_context_data(**{**kwargs, **shown})

    @property
    def _price(self) -> selectors.PriceFacts:
        return selectors.contract_price(self.kwargs["price"])


def _origin(price: selectors.PriceFacts) -> Iterator[Fact]:
    """Yield where a price comes from: what it took over, and what it was derived by."""
    if price.replaces is not None:
        url = reverse("rating:contract_price", args=[price.replaces])
        yield Fact("Took over from", "an earlier price", url)
    if price.cost_model is not None:
        url = reverse("rating:cost_model", args=[price.cost_model])
        yield Fact("Derived", "from a cost model", url)


class EndContractPrice(PageMixin, FormView):  # type: ignore[type-arg]
    """Ends a contract price at a moment."""

    template_name = "rating/price_end.html"
    form_class = EndForm
    scopes = _WRITE

    def page(self) -> Page:
        price = selectors.contract_price(self.kwargs["price"])
        return Page(
            title="End a contract price",
            subtitle=f"{price.provider} {price.model}, {price.meter}",
            crumbs=[Crumb(_HERE, reverse("rating:prices"))],
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        here = reverse("rating:contract_price", args=[self.kwargs["price"]])
        return super().get_context_data(cancel_url=here, **kwargs)

    def form_valid(self, form: EndForm) -> HttpResponse:
        try:
            ended = services.end_contract_price(
                price=self.kwargs["price"],
                valid_to=form.cleaned_data["valid_to"],
                actor=self.actor,
                now=timezone.now(),
            )
        except Missing:
            raise
        except Refusal as refusal:
            show_refusal(form, refusal)
            return self.form_invalid(form)
        request_adoption()
        messages.success(self.request, "The price ends then; open months are being re-rated.")
        return HttpResponseRedirect(reverse("rating:contract_price", args=[ended]))


class WithdrawContractPrice(PageMixin, View):
    """Withdraws a contract price that was entered in error."""

    http_method_names = ["post"]
    scopes: ClassVar[dict[str, Scope | None]] = {"POST": Scope.PRICES_WRITE}

    def post(self, request: HttpRequest, price: UUID) -> HttpResponseBase:
        try:
            services.withdraw_contract_price(
                price=price,
                reason=request.POST.get("reason", ""),
                actor=self.actor,
                now=timezone.now(),
            )
        except services.PriceNotValid as refusal:
            messages.error(request, refusal.message)
        else:
            request_adoption()
            messages.success(request, "The price is withdrawn; open months are being re-rated.")
        return HttpResponseRedirect(reverse("rating:contract_price", args=[price]))


def price_entries(price: selectors.PriceFacts) -> list[Entry]:
    """Return what was done to a contract price, the latest first."""
    history = audit.history(subject="contract_price", subject_id=str(price.public_id))
    return [
        Entry(
            at=one.at,
            actor=one.actor,
            text=_DEEDS.get(one.action, one.action),
            detail=one.detail.get("reason", "") or price.note,
            mark=one.hash[:12],
        )
        for one in reversed(history)
    ]


_DEEDS: Final = {
    "contract_price.recorded": "recorded this price",
    "contract_price.ended": "set the end of this price",
    "contract_price.withdrawn": "withdrew this price",
}
