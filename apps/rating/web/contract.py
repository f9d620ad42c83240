"""The pages of one contract price: what it says, its history, its end and its withdrawal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from django.urls import reverse
from django.views.generic import TemplateView

from apps.catalog.domain.meters import meter_facts
from apps.core import presentation
from apps.core.domain.access import Scope
from apps.core.web.page import Crumb, Fact, Page
from apps.core.web.parts import Entry
from apps.core.web.views import PageMixin
from apps.rating import selectors, services
from apps.rating.web.endings import EndTerm, WithdrawTerm, entries_of
from apps.rating.web.lists import conditions_of, kind_of, unit_price_of

_HERE: Final = "Prices"
_READ: Final[dict[str, Scope | None]] = {"GET": Scope.COSTS_READ}


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


class EndContractPrice(EndTerm):
    """Ends a contract price at a moment."""

    argument = "price"
    shown_at = "rating:contract_price"
    deed = services.end_contract_price
    submit = "End the price"

    def page(self) -> Page:
        price = selectors.contract_price(self.kwargs["price"])
        return Page(
            title="End a contract price",
            subtitle=f"{price.provider} {price.model}, {price.meter}",
            crumbs=[Crumb(_HERE, reverse("rating:prices"))],
        )


class WithdrawContractPrice(WithdrawTerm):
    """Withdraws a contract price that was entered in error."""

    argument = "price"
    shown_at = "rating:contract_price"
    deed = services.withdraw_contract_price
    refused = services.PriceNotValid


def price_entries(price: selectors.PriceFacts) -> list[Entry]:
    """Return what was done to a contract price, the latest first."""
    assert price.public_id is not None, "a contract price has an id"
    return entries_of(subject="contract_price", term=price.public_id, word="price", note=price.note)
