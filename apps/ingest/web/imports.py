"""The pages of imported files: upload, progress, and what was wrong with which row."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils import timezone
from django.views.generic import FormView, TemplateView, View

from apps.core import presentation
from apps.core.domain.access import Scope
from apps.core.domain.errors import Conflict, Refusal
from apps.core.web.exports import list_response
from apps.core.web.lists import Column, DataList, Empty, ListState, Paging
from apps.core.web.page import Action, Crumb, Fact, Page
from apps.core.web.parts import Step, StepState, Work
from apps.core.web.views import PageMixin
from apps.ingest import selectors, services
from apps.ingest.domain.report import csv_lines
from apps.ingest.selectors import ImportFacts
from apps.ingest.tasks import enqueue_import
from apps.ingest.web import links
from apps.ingest.web.receipts import ERRORS, matching

_READ: Final[dict[str, Scope | None]] = {"GET": Scope.USAGE_READ}
_WRITE: Final[dict[str, Scope | None]] = {"GET": Scope.USAGE_WRITE, "POST": Scope.USAGE_WRITE}
_CANCEL: Final[dict[str, Scope | None]] = {"POST": Scope.USAGE_WRITE}
_STATES: Final[dict[str, StepState]] = {
    "queued": "pending",
    "running": "running",
    "done": "done",
    "failed": "failed",
    "cancelled": "skipped",
}
_KINDS: Final = {
    "native": "events in our own words",
    "litellm": "LiteLLM's log",
    "bedrock": "Bedrock's invocation log",
    "focus": "a bill in FOCUS",
}
_FORMS: Final = {"csv": "CSV", "jsonl": "JSON lines", "parquet": "Parquet"}
_COLUMNS: Final = (
    Column(key="name", label="File", link="url"),
    Column(key="state", label="State", kind="badge"),
    Column(key="rows", label="Rows read", kind="quantity"),
    Column(key="accepted", label="Accepted", kind="quantity"),
    Column(key="duplicates", label="Duplicates", kind="quantity", wide=True),
    Column(key="wrong", label="Not stored", kind="quantity"),
    Column(key="created_at", label="Uploaded", kind="when", wide=True),
    Column(key="created_by", label="By", wide=True),
)


class UploadForm(forms.Form):
    """A file of events."""

    file = forms.FileField(
        label="File of events",
        help_text="CSV, JSON lines or Parquet, plain or gzip, up to 1 GiB. The same file again "
        "changes nothing.",
    )
    kind = forms.ChoiceField(
        label="What its rows are",
        required=False,
        choices=[
            ("", "Told by the first row"),
            ("native", "Events, in the fields of the events API"),
            ("litellm", "LiteLLM: spend log or logging payloads"),
            ("bedrock", "Bedrock: model invocation log"),
        ],
    )
    form = forms.ChoiceField(
        label="How it is written",
        required=False,
        choices=[("", "Told by the name of the file"), *_FORMS.items()],
    )
    source = forms.CharField(
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text="The source of rows that name none, such as my-gateway.",
    )


class Imports(PageMixin, TemplateView):
    """Lists the files that were brought, the newest first."""

    template_name = "ingest/list.html"
    scopes = _READ

    def page(self) -> Page:
        upload = Action(label="Upload a file", url=reverse("usage:upload"), icon="upload")
        return Page(
            title="Imports",
            subtitle="Files of events. They go through the same checks as events that are posted.",
            crumbs=[Crumb("Usage", links.log_url())],
            primary=upload if self.actor.may(Scope.USAGE_WRITE) else None,
        )

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if ListState.of(request).export:
            return list_response(self._list(), filename="imports")
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(list=self._list(), **kwargs)

    def _list(self) -> DataList:
        state = ListState.of(self.request)
        words = state.get("q").lower()
        found = selectors.imports(actor=self.actor)
        return DataList(
            key="imports",
            caption="Imports",
            columns=_COLUMNS,
            rows=[_row(one) for one in found if words in one.name.lower()],
            state=state,
            search="Search a file name",
            exports=("csv", "xlsx"),
            empty=Empty(
                title="No imports yet",
                text="Upload a file to bring usage that was metered elsewhere.",
                icon="upload",
            ),
        )


class Upload(PageMixin, FormView):  # type: ignore[type-arg]
    """Takes a file of events and leads to its progress."""

    template_name = "ingest/upload.html"
    form_class = UploadForm
    scopes = _WRITE

    def page(self) -> Page:
        return Page(
            title="Upload a file of events",
            subtitle="Rows that cannot be taken are listed, each with its reason; the others are "
            "stored.",
            crumbs=[
                Crumb("Usage", links.log_url()),
                Crumb("Imports", reverse("usage:imports")),
            ],
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(cancel_url=reverse("usage:imports"), **kwargs)

    def form_valid(self, form: UploadForm) -> HttpResponse:
        file = form.cleaned_data["file"]
        upload = services.Upload(
            name=file.name or "",
            file=file.file,
            size=file.size or 0,
            form=form.cleaned_data["form"],
            kind=form.cleaned_data["kind"],
            source=form.cleaned_data["source"],
        )
        try:
            import_id = services.start_import(upload=upload, actor=self.actor, now=timezone.now())
        except Refusal as refusal:
            form.add_error("file", refusal.message)
            return self.form_invalid(form)
        enqueue_import(import_id)
        messages.success(self.request, "The file is stored. This page follows its import.")
        return HttpResponseRedirect(reverse("usage:import", args=[import_id]))


class ImportPage(PageMixin, TemplateView):
    """Follows one import, and lists the rows that were not stored."""

    template_name = "ingest/import.html"
    scopes = _READ

    @cached_property
    def found(self) -> ImportFacts:
        """Return the import.

        :raises ImportMissing: when there is none, or none that this person may see.
        """
        return selectors.one_import(import_id=self.kwargs["import_id"], actor=self.actor)

    def page(self) -> Page:
        one = self.found
        counts = (
            ("Rows read", one.rows),
            ("Accepted", one.accepted),
            ("Duplicates", one.duplicates),
            ("Conflicts", one.conflicts),
            ("Rejected", one.rejected),
            ("Unpriced", one.unpriced),
            *([("Told no use", one.ignored)] if one.ignored else []),
        )
        return Page(
            title=one.name,
            subtitle=f"{presentation.moment(one.created_at)}, by {one.created_by}",
            crumbs=[
                Crumb("Usage", links.log_url()),
                Crumb("Imports", reverse("usage:imports")),
            ],
            status=one.state,
            actions=self._actions(),
            facts=[
                Fact("Read as", f"{_KINDS[one.kind]}, {_FORMS[one.form]}"),
                *(Fact(label, presentation.quantity(count)) for label, count in counts),
            ],
        )

    def _actions(self) -> list[Action]:
        if not self.found.conflicts + self.found.rejected:
            return []
        url = reverse("usage:import_errors", args=[self.found.id])
        return [Action(label="Download every problem", url=url, icon="download")]

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if ListState.of(request).export:
            return list_response(self._errors(), filename=f"import-{self.found.id}-errors")
        answer = super().get(request, *args, **kwargs)
        if request.headers.get("HX-Target") == _WORK and self.found.finished_at is not None:
            answer["HX-Refresh"] = "true"
        return answer

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        is_over = self.found.finished_at is not None
        return super().get_context_data(
            work=_work(self.found, timezone.now(), may_cancel=self._may_cancel()),
            list=self._errors(),
            is_over=is_over,
            may_cancel=self._may_cancel(),
            was_cancelled=self.found.state == "cancelled",
            rows=self.found.rows,
            found_id=self.found.id,
            **kwargs,
        )

    def _may_cancel(self) -> bool:
        one = self.found
        open_to_it = one.finished_at is None and not one.is_cancelled and one.kind != "focus"
        return open_to_it and self.actor.may(Scope.USAGE_WRITE)

    def _errors(self) -> DataList:
        one = self.found
        wrong, kept = one.conflicts + one.rejected, len(one.errors)
        state = ListState.of(self.request)
        return DataList(
            key="errors",
            caption="Rows that were not stored",
            columns=ERRORS,
            rows=matching(one.errors, state.get("q")),
            state=state,
            search="Search an event id or a message",
            paging=Paging(text=f"the first {kept} of {wrong}" if wrong > kept else ""),
            exports=("csv", "xlsx"),
            empty=Empty(title="No row was left out", icon="circle-check"),
        )


class CancelImport(PageMixin, View):
    """Ends an import at its next part, and leads back to it."""

    scopes = _CANCEL

    def post(self, request: HttpRequest, import_id: UUID) -> HttpResponse:
        """Begin no further part."""
        try:
            services.cancel_import(import_id=import_id, actor=self.actor)
            messages.success(request, "No further part is begun. What is stored stays.")
        except Conflict as over:
            messages.error(request, over.message)
        return HttpResponseRedirect(reverse("usage:import", args=[import_id]))


class ErrorReport(PageMixin, View):
    """Downloads every row of a file that was not stored."""

    scopes = _READ

    def get(self, request: HttpRequest, import_id: UUID) -> StreamingHttpResponse:
        """Answer with a CSV of all of them, made while it is read."""
        problems = selectors.import_problems(import_id=import_id, actor=self.actor)
        response = StreamingHttpResponse(
            csv_lines(problems), content_type="text/csv; charset=utf-8"
        )
        name = f"import-{import_id}-errors.csv"
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        return response


_WORK: Final = "import"


def _work(one: ImportFacts, now: datetime, *, may_cancel: bool) -> Work:
    counts = f"{presentation.quantity(one.rows)} rows, {presentation.quantity(one.accepted)} stored"
    cancel = Action(label="Cancel", dialog="cancel", icon="ban")
    return Work(
        key=_WORK,
        title="Import",
        poll_url=reverse("usage:import", args=[one.id]) if one.finished_at is None else "",
        time_left=_time_left(one, now),
        cancel=cancel if may_cancel else None,
        steps=(
            Step(name="Store the file", state="done", message=filesizeformat(one.size)),
            Step(
                name="Check and store its rows",
                state=_STATES[one.state],
                percent=one.size_done * 100 // one.size if one.size else None,
                message=_told(one) or (counts if one.rows else ""),
                took=None if one.finished_at is None else one.finished_at - one.created_at,
            ),
        ),
    )


def _told(one: ImportFacts) -> str:
    if one.message or not one.is_cancelled:
        return one.message
    return "Ends after the part that is being stored."


def _time_left(one: ImportFacts, now: datetime) -> timedelta | None:
    """Return how long the rest takes at the pace so far, None while that is not known."""
    if one.finished_at is not None or one.started_at is None or not one.size_done:
        return None
    return (now - one.started_at) * (one.size - one.size_done) // one.size_done


def _row(one: ImportFacts) -> dict[str, Any]:
    return {
        "name": one.name,
        "url": reverse("usage:import", args=[one.id]),
        "state": one.state,
        "rows": one.rows,
        "accepted": one.accepted,
        "duplicates": one.duplicates,
        "wrong": one.conflicts + one.rejected,
        "created_at": one.created_at,
        "created_by": one.created_by,
    }
