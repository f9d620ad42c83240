"""The pages of self-hosted models: what a token costs, and how that follows from the fleet."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.generic import FormView, TemplateView

from apps.catalog.domain.meters import meter_facts
from apps.core import presentation
from apps.core.domain.access import Scope
from apps.core.domain.errors import Refusal
from apps.core.web.lists import Column, DataList, Empty, ListState
from apps.core.web.page import Action, Crumb, Fact, Page
from apps.core.web.views import PageMixin
from apps.rating import selectors, services
from apps.rating.selectors import CostModelFacts
from apps.rating.tasks import request_adoption
from apps.rating.web.tabs import here, price_tabs
from apps.rating.web.term_forms import CostModelForm

_READ: Final[dict[str, Scope | None]] = {"GET": Scope.COSTS_READ}
_WRITE: Final[dict[str, Scope | None]] = {"GET": Scope.PRICES_WRITE, "POST": Scope.PRICES_WRITE}
_COLUMNS: Final = (
    Column(key="name", label="Cost model", link="url"),
    Column(key="hourly", label="Fleet an hour"),
    Column(key="busy", label="In use", kind="pct"),
    Column(key="prices", label="Prices", wide=True),
    Column(key="created_at", label="Derived", kind="when", wide=True),
)


class CostModels(PageMixin, TemplateView):
    """Lists the cost models of self-hosted models."""

    template_name = "rating/list.html"
    scopes = _READ

    def page(self) -> Page:
        new = Action(label="Derive prices", url=reverse("rating:new_cost_model"), icon="plus")
        return Page(
            title="Self-hosted models",
            subtitle="What a token costs follows from what the GPUs cost and how busy they are. "
            "GPU hours and provisioned throughput are priced as contract prices of their meters.",
            crumbs=[here()],
            primary=new if self.actor.may(Scope.PRICES_WRITE) else None,
            tabs=price_tabs(self.actor, "Self-hosted"),
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        shown = DataList(
            key="cost-models",
            caption="Cost models",
            columns=_COLUMNS,
            rows=[_row(one) for one in selectors.cost_models()],
            state=ListState.of(self.request),
            empty=Empty(
                title="No self-hosted models",
                text="Say what a fleet costs, how fast it is and how busy; prices follow.",
                icon="cpu",
            ),
        )
        return super().get_context_data(list=shown, outdated=selectors.is_outdated(), **kwargs)


def _row(one: CostModelFacts) -> dict[str, Any]:
    return {
        "name": one.name,
        "url": reverse("rating:cost_model", args=[one.id]),
        "hourly": _hourly(one),
        "busy": _busy(one),
        "prices": ", ".join(
            f"{meter_facts(each['meter']).label.lower()} {each['amount']}"
            for each in one.derivation["prices"]
        ),
        "created_at": one.created_at,
    }


def _hourly(one: CostModelFacts) -> str:
    return presentation.money(one.derivation["hourly_cost"], one.inputs["currency"])


def _busy(one: CostModelFacts) -> Decimal:
    ratio = Fraction(one.derivation["utilization"])
    return Decimal(round(ratio * 10**6)).scaleb(-6)


class NewCostModel(PageMixin, FormView):  # type: ignore[type-arg]
    """Derives the prices of a self-hosted model and records them."""

    template_name = "rating/cost_model_form.html"
    form_class = CostModelForm
    scopes = _WRITE

    def page(self) -> Page:
        return Page(
            title="Derive the prices of a self-hosted model",
            subtitle="The price of a token is what the fleet costs while it makes it, at the "
            "speed and utilization you state. Every step is kept.",
            crumbs=[here(), _crumb()],
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(cancel_url=reverse("rating:cost_models"), **kwargs)

    def form_valid(self, form: CostModelForm) -> HttpResponse:
        try:
            made = services.record_cost_model(
                draft=form.to_draft(),
                priced=form.to_priced(),
                actor=self.actor,
                now=timezone.now(),
            )
        except Refusal as refusal:
            _show(form, refusal)
            return self.form_invalid(form)
        request_adoption()
        messages.success(self.request, "The prices are recorded; open months are being re-rated.")
        return HttpResponseRedirect(reverse("rating:cost_model", args=[made]))


def _show(form: CostModelForm, refusal: Refusal) -> None:
    kinds = {"throughput": "speed", "measured": "made"}
    for wrong in refusal.errors:
        kind, _, meter = wrong.field.partition(".")
        place = f"{kinds[kind]}_{meter or 'output_tokens'}" if kind in kinds else wrong.field
        form.add_error(place if place in form.fields else None, wrong.message)
    if not refusal.errors:
        form.add_error(None, refusal.message)


class CostModelPage(PageMixin, TemplateView):
    """Shows a cost model: what was entered, each step, and the prices that rest on it."""

    template_name = "rating/cost_model.html"
    scopes = _READ

    def page(self) -> Page:
        one = self._found
        inputs = one.inputs
        measured = f"measured over {inputs['hours']} hours" if inputs["measured"] else "stated"
        return Page(
            title=one.name,
            crumbs=[here(), _crumb()],
            facts=[
                Fact("One GPU, an hour", f"{inputs['currency']} {inputs['gpu_hourly_rate']}"),
                Fact("GPUs", inputs["gpus"]),
                Fact("Fleet an hour", _hourly(one)),
                Fact("In use", f"{presentation.percent(_busy(one), digits=2)}, {measured}"),
                Fact("Derived by", one.created_by),
            ],
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        one = self._found
        derived = [
            {**each, "label": meter_facts(each["meter"]).label} for each in one.derivation["prices"]
        ]
        prices = [
            (each, reverse("rating:contract_price", args=[each.public_id])) for each in _of(one)
        ]
        return super().get_context_data(derived=derived, prices=prices, **kwargs)

    @property
    def _found(self) -> CostModelFacts:
        return selectors.cost_model(self.kwargs["cost_model"])


def _of(one: CostModelFacts) -> list[selectors.PriceFacts]:
    return [selectors.contract_price(UUID(str(price))) for price in one.prices]


def _crumb() -> Crumb:
    return Crumb("Self-hosted models", reverse("rating:cost_models"))
