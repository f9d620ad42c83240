"""The exchange rates: which apply to each month, who published them, and how to enter one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.generic import FormView, TemplateView

from apps.core import presentation
from apps.core.domain.access import Scope
from apps.core.domain.canonical import plain_decimal
from apps.core.domain.errors import Refusal
from apps.core.domain.months import Month, local_day
from apps.core.web.exports import list_response
from apps.core.web.lists import Column, DataList, Empty, Filter, ListState
from apps.core.web.page import Action, Crumb, Fact, Page
from apps.core.web.views import PageMixin
from apps.periods import selectors, services
from apps.periods.domain.calendar import State
from apps.periods.domain.fx import FxRateFacts, RateKind
from apps.periods.web.forms import RateForm, show_refusal
from apps.tenants import selectors as tenants

_TITLE: Final = "Exchange rates"
_COLUMNS: Final = (
    Column(key="month", label="Month", kind="month"),
    Column(key="pair", label="Pair", kind="code"),
    Column(key="rate", label="Rate", kind="code", help="Units of the second for one of the first."),
    Column(key="kind", label="Kind", kind="badge"),
    Column(key="standing", label="Standing", kind="badge"),
    Column(key="source", label="Source"),
    Column(key="rate_on", label="Published for", kind="day", wide=True),
)
_KINDS: Final = [("budget", "Budget rates"), ("frozen", "Frozen rates")]


@dataclass(frozen=True, slots=True)
class RateRow:
    """An entered rate as the list shows it."""

    month: str
    pair: str
    rate: str
    kind: str
    standing: str
    source: str
    rate_on: date


class Rates(PageMixin, TemplateView):
    """Lists every entered rate, the newest month first, and which of them count."""

    template_name = "periods/rates.html"
    scopes: ClassVar[dict[str, Scope | None]] = {"GET": Scope.COSTS_READ}

    def page(self) -> Page:
        enter = Action(label="Enter a rate", url=reverse("periods:new_rate"), icon="plus")
        currency = tenants.current().currency
        return Page(
            title=_TITLE,
            subtitle=f"Every cost is converted into {currency} once, at its month's rate. Until a "
            "month is frozen its budget rate applies and amounts are provisional.",
            crumbs=[Crumb("Settings")],
            primary=enter if self.actor.may(Scope.PRICES_WRITE) else None,
            facts=[Fact("Your currency", currency)],
        )

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if ListState.of(request).export:
            return list_response(self._list(), filename="exchange-rates")
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(list=self._list(), **kwargs)

    def _list(self) -> DataList:
        state = ListState.of(self.request)
        return DataList(
            key="rates",
            caption="Entered exchange rates",
            columns=_COLUMNS,
            rows=[row for row in _rows() if state.get("kind") in ("", row.kind)],
            state=state,
            filters=[Filter(key="kind", label="Kind", options=_KINDS)],
            exports=("csv", "xlsx"),
            empty=Empty(
                title="No rates yet",
                text="Needed as soon as a price or a bill is in another currency than yours.",
                icon="coins",
            ),
        )


class NewRate(PageMixin, FormView):  # type: ignore[type-arg]
    """Enters a rate; an entered rate never changes, a correction is a new revision."""

    template_name = "periods/rate_form.html"
    form_class = RateForm
    scopes: ClassVar[dict[str, Scope | None]] = {
        "GET": Scope.PRICES_WRITE,
        "POST": Scope.PRICES_WRITE,
    }

    def page(self) -> Page:
        return Page(
            title="Enter a rate",
            subtitle="What was entered stays on record; entering a pair again corrects it.",
            crumbs=[Crumb("Settings"), Crumb(_TITLE, reverse("periods:rates"))],
        )

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "months": _writable_months()}

    def get_initial(self) -> dict[str, Any]:
        today = local_day(timezone.now(), tenants.current().timezone)
        asked = {name: self.request.GET.get(name, "") for name in ("month", "base", "kind")}
        return {
            "month": asked["month"] or str(Month.of(today)),
            "kind": asked["kind"] or RateKind.BUDGET.value,
            "base": asked["base"],
            "quote": tenants.current().currency,
            "rate_on": today,
        }

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(cancel_url=reverse("periods:rates"), **kwargs)

    def form_valid(self, form: RateForm) -> HttpResponse:
        try:
            rate = services.set_rate(**form.to_values(), actor=self.actor, now=timezone.now())
        except Refusal as refusal:
            show_refusal(form, refusal)
            return self.form_invalid(form)
        messages.success(
            self.request,
            f"In {presentation.month(str(rate.month))} one {rate.base} is "
            f"{plain_decimal(rate.rate)} {rate.quote}.",
        )
        return HttpResponseRedirect(reverse("periods:rates"))


def _writable_months() -> list[tuple[str, str]]:
    return [
        (str(period.month), presentation.month(str(period.month)))
        for period in reversed(selectors.calendar().periods)
        if period.state is not State.CLOSED
    ]


def _rows() -> list[RateRow]:
    periods = {period.month: period for period in selectors.calendar().periods}
    if not periods:
        return []
    seen: set[tuple[Month, str, str, RateKind]] = set()
    rows = []
    for rate in selectors.entered_rates(first=min(periods), last=max(periods)):
        key = (rate.month, rate.base, rate.quote, rate.kind)
        standing = _standing(rate, periods[rate.month].is_open, is_latest=key not in seen)
        seen.add(key)
        rows.append(
            RateRow(
                month=str(rate.month),
                pair=f"{rate.base}/{rate.quote}",
                rate=plain_decimal(rate.rate),
                kind=rate.kind.value,
                standing=standing,
                source=rate.source,
                rate_on=rate.rate_on,
            )
        )
    return rows


def _standing(rate: FxRateFacts, is_open: bool, *, is_latest: bool) -> str:
    if not is_latest:
        return "corrected"
    applies = RateKind.BUDGET if is_open else RateKind.FROZEN
    if rate.kind is applies:
        return "current"
    return "from the freeze on" if is_open else "until the freeze"
