"""Month, Exports: FOCUS files with their progress, downloaded by a signed link."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.generic import FormView
from django.views.generic.base import View

from apps.chargeback import selectors, services
from apps.chargeback.domain.focus_columns import Dataset, FileFormat, Version
from apps.chargeback.selectors import ExportFacts, Wanted
from apps.chargeback.tasks import write_export
from apps.chargeback.web.answer_forms import show_refusal
from apps.chargeback.web.links import month_of
from apps.core import presentation
from apps.core.db import current_schema
from apps.core.domain.access import Scope
from apps.core.domain.errors import Refusal
from apps.core.web.page import Page
from apps.core.web.parts import Step, StepState, Work
from apps.core.web.views import PageMixin

_READ: Final[Mapping[str, Scope | None]] = {
    "GET": Scope.BILLING_READ,
    "POST": Scope.BILLING_READ,
}
_NAMES: Final = {
    Dataset.COST_AND_USAGE: "Cost and usage",
    Dataset.BILLING_PERIOD: "Billing period",
    Dataset.INVOICE_DETAIL: "Invoice detail",
}
_STATES: Final[dict[str, StepState]] = {
    "queued": "pending",
    "running": "running",
    "done": "done",
    "failed": "failed",
}


class ExportForm(forms.Form):
    """A file to write."""

    period = forms.ChoiceField(label="Month")
    dataset = forms.ChoiceField(
        label="Dataset", choices=[(one.value, name) for one, name in _NAMES.items()]
    )
    version = forms.ChoiceField(
        label="FOCUS version",
        choices=[(one.value, one.value) for one in Version],
        help_text="Billing period and invoice detail exist in 1.4.",
    )
    format = forms.ChoiceField(
        label="Format", choices=[(one.value, one.value.upper()) for one in FileFormat]
    )
    draft_keys = forms.BooleanField(label="With the token keys of the 1.5 draft", required=False)

    def __init__(self, *args: Any, months: list[tuple[str, str]], **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["period"].choices = months  # type: ignore[attr-defined]

    def to_wanted(self) -> Wanted:
        """Return what is asked for as the service takes it."""
        asked = self.cleaned_data
        return Wanted(
            month=month_of(asked["period"]),
            dataset=Dataset(asked["dataset"]),
            version=Version(asked["version"]),
            format=FileFormat(asked["format"]),
            draft_keys=asked["draft_keys"],
        )


class Exports(PageMixin, FormView):  # type: ignore[type-arg]
    """Asks for a file, and lists those that were asked for."""

    template_name = "chargeback/exports.html"
    form_class = ExportForm
    scopes: ClassVar[Mapping[str, Scope | None]] = _READ

    def page(self) -> Page:
        return Page(
            title="Exports",
            subtitle="The published allocation of a month as FOCUS, the open format of cost and "
            "usage.",
        )

    def get_form_kwargs(self) -> dict[str, Any]:
        known = selectors.months(actor=self.actor)
        months = [(str(one.month), presentation.month(one.month)) for one in known]
        return {**super().get_form_kwargs(), "months": months}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        found = selectors.exports(actor=self.actor)
        return super().get_context_data(
            works=[work_of(one) for one in found if one.state in ("queued", "running")],
            rows=[_row(one) for one in found if one.state in ("done", "failed")],
            **kwargs,
        )

    def form_valid(self, form: ExportForm) -> HttpResponse:
        try:
            facts = services.request_export(
                wanted=form.to_wanted(), actor=self.actor, now=timezone.now()
            )
        except Refusal as refusal:
            show_refusal(form, refusal)
            return self.form_invalid(form)
        if facts.state != "done":
            write_export.delay_on_commit(schema=current_schema(), export=str(facts.id))
        messages.success(self.request, f"{facts.wanted.filename} is on the list below.")
        return HttpResponseRedirect(reverse("chargeback:exports"))


def work_of(facts: ExportFacts) -> Work:
    """Return an export as work in progress."""
    percent = facts.rows * 100 // facts.rows_total if facts.rows_total else None
    step = Step(
        name="Write the file",
        state=_STATES[facts.state],
        percent=percent,
        message=facts.error
        or f"{presentation.number(facts.rows)} of {presentation.number(facts.rows_total)} lines",
    )
    return Work(
        key=f"export-{facts.id}",
        title=facts.wanted.filename,
        steps=[step],
        poll_url=reverse("chargeback:export_progress", kwargs={"id": facts.id}),
    )


def _row(facts: ExportFacts) -> dict[str, Any]:
    return {
        "name": facts.wanted.filename,
        "state": facts.state,
        "url": reverse("chargeback:export_download", kwargs={"id": facts.id})
        if facts.state == "done"
        else "",
        "size": facts.size,
        "by": facts.requested_by,
        "at": facts.finished_at,
        "error": facts.error,
        "sha256": facts.sha256,
    }


class Progress(PageMixin, View):
    """Answers with the state of one export, for a page that watches it."""

    scopes: ClassVar[Mapping[str, Scope | None]] = {"GET": Scope.BILLING_READ}

    def get(self, request: HttpRequest, id: UUID) -> HttpResponse:
        facts = selectors.export(id=id, actor=self.actor)
        answer = render(request, "components/steps.html", {"work": work_of(facts)})
        if facts.state in ("done", "failed") and request.headers.get("HX-Request"):
            answer["HX-Refresh"] = "true"
        return answer


class Download(PageMixin, View):
    """Leads to the signed link of a finished export."""

    scopes: ClassVar[Mapping[str, Scope | None]] = {"GET": Scope.BILLING_READ}

    def get(self, request: HttpRequest, id: UUID) -> HttpResponse:
        return HttpResponseRedirect(services.export_link(id=id, actor=self.actor))


class ExportFile(View):
    """Answers with the file that a signed link names; the link is the permission."""

    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest, token: str) -> FileResponse:
        facts, file = services.open_export(token=token)
        kind = "text/csv; charset=utf-8"
        if facts.wanted.format is FileFormat.PARQUET:
            kind = "application/vnd.apache.parquet"
        response = FileResponse(
            file, as_attachment=True, filename=facts.wanted.filename, content_type=kind
        )
        response["Cache-Control"] = "private, no-store"
        response["Referrer-Policy"] = "no-referrer"
        return response
