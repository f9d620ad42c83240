"""The pages of what sent models mean: the list, one with its history, its end, its withdrawal."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar, Final
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.views.generic import FormView, TemplateView

from apps.audit import selectors as audit
from apps.core import presentation
from apps.core.domain.access import Scope
from apps.core.domain.errors import Missing, Refusal
from apps.core.web.exports import list_response
from apps.core.web.lists import Column, DataList, Empty, ListState
from apps.core.web.page import Action, Crumb, Fact, Page
from apps.core.web.parts import Entry
from apps.core.web.views import PageMixin
from apps.ingest import services
from apps.ingest.web import links
from apps.ingest.web.foreseen import Shown, shown_of
from apps.ingest.web.solve import mapped_text, show
from apps.rating import selectors as rating

_READ: Final[dict[str, Scope | None]] = {"GET": Scope.COSTS_READ}
_WRITE: Final[dict[str, Scope | None]] = {"GET": Scope.PRICES_WRITE, "POST": Scope.PRICES_WRITE}
_COLUMNS: Final = (
    Column(key="sent", label="Sent as", link="url"),
    Column(key="means", label="Means"),
    Column(key="standing", label="Standing", kind="badge"),
    Column(key="valid_from", label="From", kind="when", wide=True),
    Column(key="valid_to", label="Until", kind="when", wide=True),
    Column(key="created_by", label="Said by", wide=True),
    Column(key="note", label="Note", wide=True),
)
_DEEDS: Final = {
    "model_mapping.recorded": "said what it means",
    "model_mapping.ended": "set its end",
    "model_mapping.withdrawn": "withdrew it",
}


class MeaningsPage(PageMixin, TemplateView):
    """Lists what sent models mean, those mappings that stand first."""

    template_name = "ingest/list.html"
    scopes = _READ

    def page(self) -> Page:
        return Page(
            title="Mappings of models",
            subtitle="A model that is sent under a name of its own is priced as the known one. A "
            "mapping is never changed: it is ended or withdrawn, and stays on record.",
            crumbs=_crumbs()[:2],
        )

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if ListState.of(request).export:
            return list_response(self._list(), filename="model-mappings")
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(list=self._list(), **kwargs)

    def _list(self) -> DataList:
        state = ListState.of(self.request)
        words = state.get("q").lower()
        rows = [_row(each) for each in rating.mappings()]
        return DataList(
            key="mappings",
            caption="What sent models mean",
            columns=_COLUMNS,
            rows=[row for row in rows if words in f"{row['sent']} {row['means']}".lower()],
            state=state,
            search="Search a model",
            exports=("csv", "xlsx"),
            empty=Empty(
                title="No model is mapped",
                text="Map one from the queue of what has no price.",
                icon="link",
                action=Action(label="See what has no price", url=links.unpriced_url()),
            ),
        )


class MeaningPage(PageMixin, TemplateView):
    """Shows one mapping, its history, and what taking it back would change."""

    template_name = "ingest/meaning.html"
    scopes = _READ

    @cached_property
    def found(self) -> rating.MappingFacts:
        """Return the mapping.

        :raises MappingUnknown: when there is none.
        """
        return rating.mapping(self.kwargs["mapping"])

    def page(self) -> Page:
        found = self.found
        return Page(
            title=_sent(found),
            subtitle=found.note,
            crumbs=_crumbs(),
            status=_standing(found),
            facts=[
                Fact("Means", _means(found)),
                Fact("From", presentation.moment(found.valid_from)),
                Fact("Until", _until(found)),
                Fact("Said by", found.created_by),
            ],
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        may_change = self.found.is_believed and self.actor.may(Scope.PRICES_WRITE)
        shown = {
            "mapping": self.found,
            "may_change": may_change,
            "shown": self._withdrawn() if may_change else None,
            "entries": _entries(self.found),
        }
        return super().get_context_data(**{**kwargs, **shown})

    def _withdrawn(self) -> Shown | None:
        try:
            seen = services.foresee_end(mapping=self.found.id, valid_to=None, actor=self.actor)
        except Refusal:
            return None
        return shown_of(seen)


class EndForm(forms.Form):
    """When a mapping ends."""

    valid_to = forms.DateTimeField(
        label="Ends at",
        widget=forms.DateTimeInput(
            attrs={"type": "datetime-local", "step": "1"}, format="%Y-%m-%dT%H:%M:%S"
        ),
    )


class EndMeaning(PageMixin, FormView):  # type: ignore[type-arg]
    """Ends a mapping at a moment."""

    template_name = "ingest/meaning_end.html"
    form_class = EndForm
    scopes = _WRITE

    def page(self) -> Page:
        found = rating.mapping(self.kwargs["mapping"])
        return Page(
            title="End a mapping",
            subtitle=f"{_sent(found)} means {_means(found)}. Usage from the end on has no price "
            "by it; open months are rated again at once.",
            crumbs=_crumbs(),
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        here = links.meaning_url(self.kwargs["mapping"])
        return super().get_context_data(cancel_url=here, **kwargs)

    def form_valid(self, form: EndForm) -> HttpResponse:
        try:
            done = services.end_meaning(
                mapping=self.kwargs["mapping"],
                valid_to=form.cleaned_data["valid_to"],
                actor=self.actor,
                now=timezone.now(),
            )
        except Missing:
            raise
        except Refusal as refusal:
            show(form, refusal)
            return self.form_invalid(form)
        messages.success(self.request, mapped_text(done))
        return HttpResponseRedirect(links.meaning_url(done.mapping))


class WithdrawMeaning(PageMixin, TemplateView):
    """Withdraws a mapping that was made in error."""

    http_method_names = ["post", "options"]
    scopes: ClassVar[dict[str, Scope | None]] = {"POST": Scope.PRICES_WRITE}

    def post(self, request: HttpRequest, mapping: UUID) -> HttpResponse:
        try:
            done = services.withdraw_meaning(
                mapping=mapping,
                reason=request.POST.get("reason", ""),
                actor=self.actor,
                now=timezone.now(),
            )
        except Missing:
            raise
        except Refusal as refusal:
            messages.error(request, refusal.message)
        else:
            text = mapped_text(done).replace("is in force", "is withdrawn", 1)
            messages.success(request, text)
        return HttpResponseRedirect(links.meaning_url(mapping))


def _crumbs() -> list[Crumb]:
    return [
        Crumb("Usage", links.log_url()),
        Crumb("Unpriced", links.unpriced_url()),
        Crumb("Mappings", links.meanings_url()),
    ]


def _row(found: rating.MappingFacts) -> dict[str, Any]:
    return {
        "sent": _sent(found),
        "url": links.meaning_url(found.id),
        "means": _means(found),
        "standing": _standing(found),
        "valid_from": found.valid_from,
        "valid_to": found.valid_to,
        "created_by": found.created_by,
        "note": found.note,
    }


def _sent(found: rating.MappingFacts) -> str:
    return f"{found.sent_provider} {found.sent_model}".strip()


def _means(found: rating.MappingFacts) -> str:
    return f"{found.provider} {found.model}".strip()


def _standing(found: rating.MappingFacts) -> str:
    return "active" if found.is_believed else "withdrawn"


def _until(found: rating.MappingFacts) -> str:
    return "further notice" if found.valid_to is None else presentation.moment(found.valid_to)


def _entries(found: rating.MappingFacts) -> list[Entry]:
    history = audit.history(subject="model_mapping", subject_id=str(found.id))
    return [
        Entry(
            at=one.at,
            actor=one.actor,
            text=_DEEDS.get(one.action, one.action),
            detail=one.detail.get("reason", "") or found.note,
            mark=one.hash[:12],
        )
        for one in reversed(history)
    ]
