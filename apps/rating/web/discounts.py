"""The pages of discounts: what is off the list prices, of what, and since when."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.generic import FormView, TemplateView

from apps.core import presentation
from apps.core.domain.access import Scope
from apps.core.domain.errors import Refusal
from apps.core.web.exports import list_response
from apps.core.web.lists import Column, DataList, Empty, ListState
from apps.core.web.page import Action, Crumb, Fact, Page
from apps.core.web.views import PageMixin
from apps.rating import selectors, services
from apps.rating.selectors import DiscountFacts
from apps.rating.tasks import request_adoption
from apps.rating.web.endings import EndTerm, WithdrawTerm, entries_of
from apps.rating.web.forms import show_refusal
from apps.rating.web.tabs import exact_percent, here, price_tabs
from apps.rating.web.term_forms import DiscountForm

_READ: Final[dict[str, Scope | None]] = {"GET": Scope.COSTS_READ}
_WRITE: Final[dict[str, Scope | None]] = {"GET": Scope.PRICES_WRITE, "POST": Scope.PRICES_WRITE}
_COLUMNS: Final = (
    Column(key="scope", label="Off the list prices of", link="url"),
    Column(key="percent", label="Discount", kind="pct"),
    Column(key="conditions", label="Conditions", wide=True),
    Column(key="state", label="State", kind="badge"),
    Column(key="valid_from", label="From", kind="when", wide=True),
    Column(key="valid_to", label="To", kind="when", wide=True),
    Column(key="note", label="Note", wide=True),
)


class Discounts(PageMixin, TemplateView):
    """Lists the discounts that are believed now, or were on a day."""

    template_name = "rating/list.html"
    scopes = _READ

    def page(self) -> Page:
        new = Action(label="Add a discount", url=reverse("rating:new_discount"), icon="plus")
        return Page(
            title="Discounts",
            subtitle="A share off list prices. The most specific one holds; a fixed contract price "
            "goes over all of them.",
            crumbs=[here()],
            primary=new if self.actor.may(Scope.PRICES_WRITE) else None,
            tabs=price_tabs(self.actor, "Discounts"),
        )

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if ListState.of(request).export:
            return list_response(self._list(), filename="discounts")
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        outdated = selectors.is_outdated()
        return super().get_context_data(list=self._list(), outdated=outdated, **kwargs)

    def _list(self) -> DataList:
        state = ListState.of(self.request)
        words = state.get("q").lower().split()
        found = selectors.discounts(known_at=timezone.now())
        rows = [_row(one) for one in found]
        return DataList(
            key="discounts",
            caption="Discounts",
            columns=_COLUMNS,
            rows=[row for row in rows if all(word in row["text"] for word in words)],
            state=state,
            search="Search a provider, model or note",
            exports=("csv", "xlsx"),
            empty=Empty(
                title="No discounts",
                text="What you negotiated as a share off list prices stands here.",
                icon="discount",
            ),
        )


def _row(one: DiscountFacts) -> dict[str, Any]:
    return {
        "scope": one.scope_in_words,
        "url": reverse("rating:discount", args=[one.id]),
        "percent": one.percent.scaleb(-2),
        "conditions": one.conditions_in_words or "all requests",
        "state": _state(one),
        "valid_from": one.valid_from,
        "valid_to": one.valid_to,
        "note": one.note,
        "text": f"{one.scope_in_words} {one.note}".lower(),
    }


def _state(one: DiscountFacts) -> str:
    now = timezone.now()
    if one.known_to is not None:
        return "withdrawn"
    if not one.adopted:
        return "pending"
    if one.valid_from > now:
        return "future"
    return "current" if one.valid_to is None or one.valid_to > now else "past"


class NewDiscount(PageMixin, FormView):  # type: ignore[type-arg]
    """Records a discount."""

    template_name = "rating/discount_form.html"
    form_class = DiscountForm
    scopes = _WRITE

    def page(self) -> Page:
        return Page(title="Add a discount", crumbs=[here(), _crumb()])

    def get_initial(self) -> dict[str, Any]:
        try:
            replaced = selectors.discount(UUID(self.request.GET.get("replaces", "")))
        except ValueError:
            return {}
        scope = replaced.scope
        return {
            "provider": scope.provider,
            "family": scope.family,
            "model": scope.model,
            "meter": scope.meter,
            "percent": replaced.percent.normalize(),
            "service_tier": replaced.service_tier,
            "batch": {True: "yes", False: "no", None: ""}[replaced.batch],
            "region": replaced.region,
            "replaces": replaced.id,
        }

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(cancel_url=reverse("rating:discounts"), **kwargs)

    def form_valid(self, form: DiscountForm) -> HttpResponse:
        try:
            made = services.record_discount(
                draft=form.to_draft(), actor=self.actor, now=timezone.now()
            )
        except Refusal as refusal:
            show_refusal(form, refusal)
            return self.form_invalid(form)
        request_adoption()
        messages.success(self.request, "The discount is recorded; open months are being re-rated.")
        return HttpResponseRedirect(reverse("rating:discount", args=[made]))


class DiscountPage(PageMixin, TemplateView):
    """Shows one discount, what it reaches, its history, and what may be done with it."""

    template_name = "rating/discount.html"
    scopes = _READ

    def page(self) -> Page:
        one = self._discount
        share = exact_percent(one.percent)
        return Page(
            title=f"{share} off {one.scope_in_words}",
            subtitle=one.note,
            crumbs=[here(), _crumb()],
            status=_state(one),
            facts=[
                Fact("Conditions", one.conditions_in_words or "all requests"),
                Fact("Valid from", presentation.moment(one.valid_from)),
                Fact("Valid to", presentation.moment(one.valid_to)),
                Fact("Reaches", f"{selectors.reach(one.scope):,} list prices"),
                Fact("Recorded by", one.created_by),
            ],
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        one = self._discount
        may_change = self.actor.may(Scope.PRICES_WRITE) and one.known_to is None
        entries = entries_of(subject="discount", term=one.id, word="discount", note=one.note)
        shown = {"discount": one, "may_change": may_change, "entries": entries}
        if one.known_to is None:
            shown["cautions"] = selectors.cautions(discount=one.id)
        return super().get_context_data(**{**kwargs, **shown})

    @property
    def _discount(self) -> DiscountFacts:
        return selectors.discount(self.kwargs["discount"])


class EndDiscount(EndTerm):
    """Ends a discount at a moment."""

    argument = "discount"
    shown_at = "rating:discount"
    deed = services.end_discount
    submit = "End the discount"

    def page(self) -> Page:
        one = selectors.discount(self.kwargs["discount"])
        return Page(title="End a discount", subtitle=one.scope_in_words, crumbs=[here(), _crumb()])


class WithdrawDiscount(WithdrawTerm):
    """Withdraws a discount that was entered in error."""

    argument = "discount"
    shown_at = "rating:discount"
    deed = services.withdraw_discount
    refused = services.DiscountNotValid


def _crumb() -> Crumb:
    return Crumb("Discounts", reverse("rating:discounts"))
