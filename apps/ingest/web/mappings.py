"""The pages on which somebody says what events of other vocabularies mean."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.generic import FormView, TemplateView

from apps.audit import selectors as audit
from apps.core.domain.access import Scope
from apps.core.domain.errors import Missing, Refusal
from apps.core.web.exports import list_response
from apps.core.web.lists import Column, DataList, Empty, ListState
from apps.core.web.page import Action, Crumb, Fact, Page
from apps.core.web.parts import Entry
from apps.core.web.views import PageMixin
from apps.ingest import selectors, services
from apps.ingest.domain.event_mapping import fields_as_text, fields_from_text
from apps.ingest.domain.foreign import Door

_SCOPES: Final[dict[str, Scope | None]] = {
    "GET": Scope.USAGE_CORRECT,
    "POST": Scope.USAGE_CORRECT,
}
_DOORS: Final = {Door.CLOUDEVENTS.value: "CloudEvents", Door.LAGO.value: "Lago"}
_COLUMNS: Final = (
    Column(key="name", label="Type or code", kind="code", link="url"),
    Column(key="vocabulary", label="Vocabulary"),
    Column(key="meaning", label="Counts"),
    Column(key="created_by", label="By", wide=True),
    Column(key="created_at", label="Since", kind="when"),
)
_SAMPLES: Final[Mapping[str, Mapping[str, Any]]] = {
    Door.CLOUDEVENTS.value: {
        "specversion": "1.0",
        "id": "evt-1",
        "source": "my-service",
        "type": "prompt",
        "subject": "customer-1",
        "data": {"model": "gpt-4o", "type": "input", "tokens": "1500"},
    },
    Door.LAGO.value: {
        "transaction_id": "tx-1",
        "external_subscription_id": "sub_1",
        "code": "prompt",
        "properties": {"model": "gpt-4o", "input_tokens": "1500"},
    },
}
_EXAMPLE: Final = "provider: =openai\nmodel: data.model\nusage.input_tokens: data.tokens\n"


class MappingForm(forms.Form):
    """What events of one type mean, with a sample to try it on."""

    door = forms.ChoiceField(label="Vocabulary", choices=list(_DOORS.items()))
    name = forms.CharField(
        label="Type or code",
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text="The type of a CloudEvent, the code of a Lago event, exactly as sent.",
    )
    fields_text = forms.CharField(
        label="Mapping",
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 10, "spellcheck": "false", "class": "code"}),
        help_text="One field a line: the field of our event, a colon, and where it comes from: "
        "data.NAME, subject, type, source, id, a fixed text after =, or several separated by |.",
    )
    sample = forms.CharField(
        label="Sample event",
        required=False,
        max_length=100_000,
        widget=forms.Textarea(attrs={"rows": 10, "spellcheck": "false", "class": "code"}),
        help_text="An event as your sender sends it. It is tried, never stored.",
    )


class Mappings(PageMixin, TemplateView):
    """Lists the mappings in force."""

    template_name = "ingest/list.html"
    scopes = {"GET": Scope.USAGE_CORRECT}

    def page(self) -> Page:
        return Page(
            title="Event mappings",
            subtitle="What CloudEvents and Lago events mean here. Events without a mapping are "
            "understood by default: model, provider, tokens, team, feature, customer.",
            crumbs=[Crumb("Settings")],
            primary=Action(label="New mapping", url=reverse("usage:mapping_new"), icon="plus"),
        )

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if ListState.of(request).export:
            return list_response(self._list(), filename="event-mappings")
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(list=self._list(), **kwargs)

    def _list(self) -> DataList:
        state = ListState.of(self.request)
        words = state.get("q").lower()
        rows = [_row(one) for one in selectors.event_mappings()]
        return DataList(
            key="mappings",
            caption="Event mappings",
            columns=_COLUMNS,
            rows=[row for row in rows if words in row["name"].lower()],
            state=state,
            search="Search a type or code",
            exports=("csv", "xlsx"),
            empty=Empty(
                title="No mappings yet",
                text="Events are understood by default. Map those that show up as services "
                "without a price among the unpriced usage.",
                icon="adjustments",
            ),
        )


class _MappingForm(PageMixin, FormView):  # type: ignore[type-arg]
    """The form of a mapping with what it makes of a sample beside it."""

    template_name = "ingest/mapping.html"
    form_class = MappingForm
    scopes = _SCOPES

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            cancel_url=reverse("usage:mappings"), preview=self._preview(), **kwargs
        )

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if "preview" in request.POST:
            written = MappingForm(initial=request.POST.dict())
            return self.render_to_response(self.get_context_data(form=written))
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        sent = form.cleaned_data
        try:
            services.record_mapping(
                door=sent["door"],
                name=sent["name"],
                fields=fields_from_text(sent["fields_text"]),
                actor=self.actor,
                now=timezone.now(),
            )
        except Refusal as refusal:
            _show(form, refusal)
            return self.form_invalid(form)
        messages.success(self.request, f"Events of {sent['name']} are understood so from now on.")
        return HttpResponseRedirect(reverse("usage:mappings"))

    def _preview(self) -> dict[str, Any]:
        if self.request.method == "POST":
            return preview_of(self.request.POST)
        return preview_of(self.get_initial())


class NewMapping(_MappingForm):
    """Says what events of a type mean."""

    def page(self) -> Page:
        return Page(title="New event mapping", crumbs=_crumbs())

    def get_initial(self) -> dict[str, Any]:
        asked = self.request.GET
        door = asked.get("door", Door.CLOUDEVENTS.value)
        sample = _SAMPLES.get(door, _SAMPLES[Door.CLOUDEVENTS.value])
        name = asked.get("name", "")[:200]
        return {
            "door": door,
            "name": name,
            "fields_text": _EXAMPLE,
            "sample": json.dumps(sample, indent=2),
        }


class MappingPage(_MappingForm):
    """Shows a mapping, and takes another in its place."""

    def page(self) -> Page:
        found = self._found
        retire = Action(label="Retire", dialog="retire", danger=True)
        return Page(
            title=found.name,
            crumbs=_crumbs(),
            status="retired" if found.retired_at else "active",
            facts=[Fact("Vocabulary", _DOORS[found.door]), Fact("By", found.created_by)],
            actions=() if found.retired_at else [retire],
        )

    def get_initial(self) -> dict[str, Any]:
        found = self._found
        return {
            "door": found.door,
            "name": found.name,
            "fields_text": fields_as_text(found.fields),
            "sample": json.dumps(_SAMPLES[found.door], indent=2),
        }

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        told = audit.history(subject="event_mapping", subject_id=str(self._found.id))
        entries = [Entry(at=one.at, actor=one.actor, text=_WORDS[one.action]) for one in told]
        return super().get_context_data(mapping=self._found, entries=entries, **kwargs)

    @cached_property
    def _found(self) -> selectors.EventMappingFacts:
        found = selectors.event_mapping(mapping=self.kwargs["mapping"])
        if found is None:
            raise Missing("There is no such mapping.")
        return found


class RetireMapping(PageMixin):
    """Ends a mapping."""

    scopes = {"POST": Scope.USAGE_CORRECT}

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        services.retire_mapping(mapping=kwargs["mapping"], actor=self.actor, now=timezone.now())
        messages.success(request, "Such events are understood by default again.")
        return HttpResponseRedirect(reverse("usage:mappings"))


class Preview(PageMixin):
    """Tells what a mapping makes of a sample, while it is being written."""

    scopes = {"POST": Scope.USAGE_CORRECT}

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return render(request, "ingest/mapping_preview.html", {"preview": preview_of(request.POST)})


def preview_of(sent: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is shown of a sample: the event it becomes, or what is wrong."""
    door, sample = str(sent.get("door", "")), str(sent.get("sample", ""))
    if door not in _DOORS or not sample.strip():
        return {}
    try:
        tried = services.rehearse_mapping(
            door=door,
            sample=sample,
            fields=fields_from_text(str(sent.get("fields_text", ""))),
            received_at=timezone.now(),
        )
    except Refusal as refusal:
        return {"problems": [one.message for one in refusal.errors] or [refusal.message]}
    if tried.problem is not None:
        return {"problems": [tried.problem.message]}
    return {
        "event": json.dumps(tried.event, indent=2, default=str),
        "meters": sorted(tried.meters.items()),
        "tags": sorted((tried.event.get("tags") or {}).items()),
        "subject": tried.event.get("service")
        or f"{tried.event.get('provider')} {tried.event.get('model')}",
    }


_WORDS: Final = {
    "event_mapping.recorded": "Recorded the mapping",
    "event_mapping.retired": "Retired the mapping",
}


def _crumbs() -> list[Crumb]:
    return [Crumb("Settings"), Crumb("Event mappings", reverse("usage:mappings"))]


def _row(one: selectors.EventMappingFacts) -> dict[str, Any]:
    counted = [name for name in one.fields if name.startswith(("usage.", "meters."))]
    return {
        "name": one.name,
        "vocabulary": _DOORS[one.door],
        "meaning": ", ".join(name.partition(".")[2] for name in counted),
        "created_by": one.created_by,
        "created_at": one.created_at,
        "url": reverse("usage:mapping", args=[one.id]),
    }


def _show(form: forms.Form, refusal: Refusal) -> None:
    for wrong in refusal.errors:
        name = "fields_text" if wrong.field.startswith("fields") else wrong.field
        form.add_error(name if name in form.fields else None, wrong.message)
    if not refusal.errors:
        form.add_error(None, refusal.message)
