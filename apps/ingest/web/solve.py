"""Solves what has no price: says that a sent model is a known one, after showing what that does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time
from decimal import Decimal
from functools import cached_property
from typing import Any, ClassVar, Final

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.views.generic import TemplateView

from apps.catalog.domain.meters import meter_facts, plural
from apps.core import presentation
from apps.core.domain.access import Scope
from apps.core.domain.errors import Invalid, Refusal
from apps.core.web.page import Crumb, Page
from apps.core.web.views import PageMixin
from apps.costs import selectors as costs
from apps.ingest import services
from apps.ingest.web import links
from apps.ingest.web.foreseen import Shown, shown_of, sums_text
from apps.ingest.web.unpriced import worst_text
from apps.periods import selectors as periods
from apps.rating.domain.missing import IN_WORDS
from apps.rating.services import MappingDraft
from apps.tenants import selectors as tenants
from apps.usage import selectors as usage

_SHORT: Final = {"autocomplete": "off", "spellcheck": "false"}


class MeaningForm(forms.Form):
    """Which catalogue model a sent one is, and from when on."""

    sent_provider = forms.CharField(required=False, max_length=200, widget=forms.HiddenInput)
    sent_model = forms.CharField(max_length=200, widget=forms.HiddenInput)
    provider = forms.CharField(
        max_length=64,
        required=False,
        widget=forms.TextInput(attrs=_SHORT),
        help_text="As the price list has it, such as openai.",
    )
    model = forms.CharField(
        max_length=200,
        widget=forms.TextInput(attrs=_SHORT),
        help_text="A model that has prices, by any of its names.",
    )
    valid_from = forms.DateTimeField(
        label="From",
        widget=forms.DateTimeInput(
            attrs={"type": "datetime-local", "step": "1"}, format="%Y-%m-%dT%H:%M:%S"
        ),
    )
    valid_to = forms.DateTimeField(
        label="Until",
        required=False,
        help_text="Empty: until further notice.",
        widget=forms.DateTimeInput(
            attrs={"type": "datetime-local", "step": "1"}, format="%Y-%m-%dT%H:%M:%S"
        ),
    )
    note = forms.CharField(
        max_length=500, required=False, help_text="How you know that it is that model."
    )

    def to_draft(self) -> MappingDraft:
        """Return the mapping as the service takes it."""
        return MappingDraft(**self.cleaned_data)


@dataclass(frozen=True, slots=True)
class LackingRow:
    """A meter of the model that lacks a price in a month."""

    month: str
    sku: str
    meter: str
    quantity: Decimal
    unit: str
    events: Decimal
    reason: str
    worst: Decimal | None
    currency: str
    how: str
    price_url: str


@dataclass(frozen=True, slots=True)
class NearRow:
    """A model that the sent one may mean, and the address that shows what that would change."""

    name: str
    url: str
    active: bool


class SolvePage(PageMixin, TemplateView):
    """Shows what of one sent model lacks a price, and maps it to a known model."""

    template_name = "ingest/solve.html"
    scopes: ClassVar[dict[str, Scope | None]] = {
        "GET": Scope.PRICES_WRITE,
        "POST": Scope.PRICES_WRITE,
    }

    def page(self) -> Page:
        return Page(
            title=f"{self._sent[0]} {self._sent[1]}".strip(),
            subtitle="Has no price yet. Either it is a known model under another name, or it needs "
            "a price of its own.",
            crumbs=[Crumb("Usage", links.log_url()), Crumb("Unpriced", links.unpriced_url())],
        )

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        form = self._form(request.GET) if request.GET.get("meant") else self._blank()
        return self.render_to_response(self._context(form))

    def post(self, request: HttpRequest) -> HttpResponse:
        form = self._form(request.POST)
        if form.is_valid():
            try:
                done = services.map_model(
                    draft=form.to_draft(), actor=self.actor, now=timezone.now()
                )
            except Refusal as refusal:
                show(form, refusal)
            else:
                messages.success(request, mapped_text(done))
                return HttpResponseRedirect(links.unpriced_url())
        return self.render_to_response(self._context(form), status=422)

    @cached_property
    def _sent(self) -> tuple[str, str]:
        asked: Mapping[str, str] = self.request.POST or self.request.GET
        provider, model = (
            asked.get(name, "").replace("\x00", "")[:200]
            for name in ("sent_provider", "sent_model")
        )
        if not model:
            raise Invalid("Name the model by ?sent_provider= and &sent_model=.", code="sent_model")
        return provider, model

    @cached_property
    def _rows(self) -> list[usage.QueueRow]:
        wanted = (self._sent[0], self._sent[1].lower())
        return [
            row
            for month in sorted(usage.months_in_use(periods.open_months()))
            for row in usage.unpriced_queue(
                month=month, actor=self.actor, declared=costs.declared_feeds()
            )
            if (row.sku.provider, row.sku.model.lower()) == wanted
        ]

    def _form(self, asked: Any) -> MeaningForm:
        return MeaningForm(asked)

    def _blank(self) -> MeaningForm:
        provider, model = self._sent
        return MeaningForm(
            initial={"sent_provider": provider, "sent_model": model, "valid_from": self._since}
        )

    @property
    def _since(self) -> datetime:
        """Return the start of the first open month, or of the first that holds it."""
        months = [row.month for row in self._rows] or list(periods.open_months()[:1])
        month = min(months, default=periods.calendar().periods[0].month)
        return datetime.combine(month.first_day, time(), tzinfo=tenants.current().timezone)

    def _context(self, form: MeaningForm) -> dict[str, Any]:
        return self.get_context_data(
            form=form,
            rows=[_row(row) for row in self._rows],
            near=self._near(form),
            shown=self._foreseen(form) if form.is_bound else None,
            cancel_url=links.unpriced_url(),
        )

    def _foreseen(self, form: MeaningForm) -> Shown | None:
        if not form.is_valid():
            return None
        try:
            return shown_of(services.foresee_mapping(draft=form.to_draft(), actor=self.actor))
        except Refusal as refusal:
            show(form, refusal)
            return None

    def _near(self, form: MeaningForm) -> list[NearRow]:
        month = self._rows[0].month if self._rows else periods.open_months()[-1]
        meter = self._rows[0].meter if self._rows else "input_tokens"
        provider, model = self._sent
        chosen = (form["provider"].value() or "", form["model"].value() or "")
        found = usage.diagnostician(month=month).near(provider=provider, model=model, meter=meter)
        since = self._since.strftime("%Y-%m-%dT%H:%M:%S")
        return [
            NearRow(
                name=f"{near.provider} {near.model}",
                url=links.solve_url(
                    provider=provider,
                    model=model,
                    meant=(near.provider, near.model),
                    since=since,
                ),
                active=chosen == (near.provider, near.model),
            )
            for near in found
        ]


def show(form: forms.Form, refusal: Refusal) -> None:
    """Put a service's refusal beside the fields that it names, else above the form."""
    for wrong in refusal.errors:
        form.add_error(wrong.field if wrong.field in form.fields else None, wrong.message)
    if not refusal.errors:
        form.add_error(None, refusal.message)


def mapped_text(done: services.Mapped) -> str:
    """Say what rating again did: "The mapping is in force. October 2026: USD 1 became USD 2." """
    said = [
        f"{presentation.month(month.month)}: {sums_text(month.before)} became "
        f"{sums_text(month.after)}."
        for month in done.adoption.months
        if month.cells
    ]
    return " ".join(["The mapping is in force.", *(said or ["No open month changed."])])


def _row(row: usage.QueueRow) -> LackingRow:
    facts = meter_facts(row.meter)
    return LackingRow(
        month=str(row.month),
        sku=row.sku.label,
        meter=facts.label,
        quantity=row.quantity,
        unit=plural(facts.unit),
        events=row.events,
        reason=IN_WORDS[row.reason],
        worst=None if row.worst is None else row.worst.amount,
        currency=tenants.current().currency,
        how=worst_text(row.worst),
        price_url=links.price_url(provider=row.sku.provider, model=row.sku.model, meter=row.meter),
    )
