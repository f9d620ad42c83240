"""The sheet page: contract prices and discounts out as a file, and in by two steps."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from typing import Any, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.generic import TemplateView

from apps.core.domain.access import Scope
from apps.core.domain.errors import Invalid, Refusal
from apps.core.web.page import Page
from apps.core.web.views import PageMixin
from apps.rating import selectors, services
from apps.rating.domain.sheets import Draft
from apps.rating.domain.terms import DiscountDraft
from apps.rating.services import RowPlan
from apps.rating.tasks import request_adoption
from apps.rating.web.tabs import here, price_tabs
from apps.rating.web.term_forms import SheetForm

_SCOPES: Final[dict[str, Scope | None]] = {"GET": Scope.PRICES_WRITE, "POST": Scope.PRICES_WRITE}
_TYPES: Final = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


class Sheet(PageMixin, TemplateView):
    """Tries a sheet row by row, and records it when it was tried and is meant."""

    template_name = "rating/sheet.html"
    scopes = _SCOPES

    def page(self) -> Page:
        return Page(
            title="Prices as a sheet",
            subtitle="Contract prices and discounts as a file. An export imports again without a "
            "change; what you edit replaces what it was.",
            crumbs=[here()],
            tabs=price_tabs(self.actor, "Sheet"),
        )

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        kind = request.GET.get("format", "")
        if kind in _TYPES:
            body = selectors.sheet_csv() if kind == "csv" else selectors.sheet_xlsx()
            response = HttpResponse(body, content_type=_TYPES[kind])
            response["Content-Disposition"] = f'attachment; filename="contract-prices.{kind}"'
            return response
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(**{"form": SheetForm(), **kwargs})

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        form = SheetForm(request.POST, request.FILES)
        if "sheet" in request.POST:
            return self._decide(_kept(request.POST["sheet"]))
        if not form.is_valid():
            return self.render_to_response(self.get_context_data(form=form), status=422)
        return self._try(form.cleaned_data["file"].read(), form, frozenset())

    def _try(self, body: bytes, form: SheetForm, confirmed: frozenset[int]) -> HttpResponse:
        try:
            plans = services.rehearse_sheet(
                body=body, confirmed=confirmed, actor=self.actor, now=timezone.now()
            )
        except Refusal as refusal:
            form.add_error("file", refusal.message)
            return self.render_to_response(self.get_context_data(form=form), status=422)
        context = self.get_context_data(
            form=SheetForm(),
            sheet=b64encode(body).decode(),
            rows=[_shown(plan, confirmed) for plan in plans],
            counts=_counts(plans),
            may_take=not any(plan.faults for plan in plans),
            asks=any(_is_slip(plan) for plan in plans),
        )
        return self.render_to_response(context)

    def _decide(self, body: bytes) -> HttpResponse:
        marks = [mark for mark in self.request.POST.getlist("confirm") if mark.isdigit()]
        confirmed = frozenset(int(mark) for mark in marks)
        if "take" not in self.request.POST:
            return self._try(body, SheetForm(), confirmed)
        try:
            plans = services.import_sheet(
                body=body, confirmed=confirmed, actor=self.actor, now=timezone.now()
            )
        except services.SheetHasErrors as refusal:
            messages.error(self.request, refusal.message)
            return self._try(body, SheetForm(), confirmed)
        request_adoption()
        counts = _counts(plans)
        messages.success(
            self.request,
            f"Recorded: {counts['new']} new, {counts['replaces']} replaced. Open months are being "
            "re-rated.",
        )
        return HttpResponseRedirect(reverse("rating:prices"))


def _kept(text: str) -> bytes:
    """Return the sheet that the page carries; in base64, as browsers change the ends of lines.

    :raises Invalid: when it is not what the page gave out.
    """
    try:
        return b64decode(text.encode(), validate=True)
    except (ValueError, binascii.Error):
        raise Invalid("This is not the sheet of the page; upload it again.", code="sheet") from None


def _counts(plans: list[RowPlan]) -> dict[str, int]:
    deeds = ("new", "replaces", "unchanged", "error")
    return {deed: sum(plan.deed == deed for plan in plans) for deed in deeds}


def _is_slip(plan: RowPlan) -> bool:
    return any(fault.code == "unit_slip" for fault in plan.faults)


def _shown(plan: RowPlan, confirmed: frozenset[int]) -> dict[str, Any]:
    return {
        "line": plan.line,
        "deed": plan.deed,
        "what": "" if plan.draft is None else _what(plan.draft),
        "now": "" if plan.draft is None else _value(plan.draft),
        "was": "" if plan.was is None else _value(plan.was),
        "faults": [(fault.field or "row", fault.message) for fault in plan.faults],
        "slip": _is_slip(plan) or plan.line in confirmed,
        "confirmed": plan.line in confirmed,
    }


def _what(draft: Draft) -> str:
    if isinstance(draft, DiscountDraft):
        return f"off list: {selectors.in_words(draft.scope)}"
    words = draft.conditions.in_words()
    name = f"{draft.provider} {draft.model}, {draft.meter}".strip()
    return f"{name}, {words}" if words else name


def _value(draft: Draft) -> str:
    if isinstance(draft, DiscountDraft):
        return f"{draft.percent.normalize():f} %"
    return f"{draft.amount.normalize():f} {draft.currency} per {draft.unit_size:,}"
