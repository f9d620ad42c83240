"""The inbox: what a person was told, and what a person wants to be told of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.views.generic import FormView, TemplateView
from django.views.generic.base import View

from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Refusal
from apps.core.web.lists import Column, DataList, Empty, Filter, ListState, Paging
from apps.core.web.page import Action, Crumb, Page, Tab
from apps.core.web.views import PageMixin
from apps.notifications import selectors, services
from apps.notifications.domain.preferences import Preferences
from apps.notifications.domain.topics import GROUPS, WORDS, Cadence, Medium, Topic
from apps.notifications.selectors import InboxEntry
from apps.tenants import selectors as tenants

_EVERYBODY: Final[Mapping[str, Scope | None]] = {"GET": None, "POST": None}
_PAGE: Final = 50
_MOST_SHOWN: Final = 99
_CHOICES: Final = {
    Medium.INBOX: (("at_once", "At once"), ("off", "Off")),
    Medium.EMAIL: (("at_once", "At once"), ("digest", "Daily digest"), ("off", "Off")),
}


@dataclass(frozen=True, slots=True)
class Bell:
    """The bell of the top bar: where it leads, and how much was not read."""

    url: str
    unread: int

    @property
    def shown(self) -> str:
        """Return the count as the bell shows it."""
        return f"{_MOST_SHOWN}+" if self.unread > _MOST_SHOWN else str(self.unread)


def bell(request: HttpRequest) -> Bell | None:
    """Return the bell of a person within an organization; one query."""
    actor = getattr(request, "actor", None)
    if tenants.on_public() or not isinstance(actor, Actor) or not actor.is_person:
        return None
    return Bell(reverse("notifications:inbox"), selectors.unread(actor=actor))


def _tabs(active: str) -> list[Tab]:
    return [
        Tab(label=label, url=reverse(f"notifications:{name}"), active=name == active)
        for name, label in (("inbox", "Inbox"), ("preferences", "What I am told of"))
    ]


class Inbox(PageMixin, TemplateView):
    """Lists what the person was told, newest first."""

    template_name = "notifications/inbox.html"
    scopes: ClassVar[Mapping[str, Scope | None]] = {"GET": None}

    def page(self) -> Page:
        read = Action(
            label="Mark all as read", url=reverse("notifications:read"), icon="check", method="post"
        )
        waits = selectors.unread(actor=self.actor)
        return Page(title="Inbox", actions=[read] if waits else [], tabs=_tabs("inbox"))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        state = ListState.of(self.request)
        cursor = state.get("cursor")
        entries, more = selectors.inbox(
            is_unread=state.get("state") == "unread",
            topic=state.get("topic"),
            before=int(cursor) if cursor.isascii() and cursor.isdigit() else None,
            limit=_PAGE,
            actor=self.actor,
        )
        return super().get_context_data(list=_list(entries, more, state), **kwargs)


def _list(entries: list[InboxEntry], more: int | None, state: ListState) -> DataList:
    topics = tuple((topic.value, words) for topic, words in WORDS.items())
    return DataList(
        key="inbox",
        caption="Inbox",
        state=state,
        filters=(
            Filter(key="state", label="State", options=(("unread", "Unread"),)),
            Filter(key="topic", label="About", options=topics),
        ),
        rows=[_row(one) for one in entries],
        columns=(
            Column(key="subject", label="Subject", link="url"),
            Column(key="state", label="State", kind="badge"),
            Column(key="about", label="About", wide=True),
            Column(key="created_at", label="When", kind="when", wide=True),
        ),
        paging=Paging(next_cursor=str(more) if more is not None else ""),
        bulk=[Action(label="Mark as read", url=reverse("notifications:read"), icon="check")],
        empty=Empty(
            title="Nothing in your inbox",
            text="What concerns you turns up here: alerts of budgets, requests that wait for "
            "your decision, statements of your cost center.",
            icon="inbox",
        ),
    )


def _row(one: InboxEntry) -> dict[str, Any]:
    grave = {"critical": "critical", "warning": "warning"}.get(one.severity.value, "unread")
    return {
        "id": str(one.id),
        "subject": one.subject,
        "url": reverse("notifications:entry", args=[one.id]),
        "state": "read" if one.read_at else grave,
        "about": WORDS[one.topic],
        "created_at": one.created_at,
    }


class Entry(PageMixin, TemplateView):
    """Shows one notice; whoever opened it has read it."""

    template_name = "notifications/entry.html"
    scopes: ClassVar[Mapping[str, Scope | None]] = {"GET": None}

    def page(self) -> Page:
        one = self._entry
        link = Action(label="Open the page", url=one.link, icon="arrow-right")
        return Page(
            title=one.subject,
            status=one.severity.value if one.severity.value != "info" else "",
            primary=link if one.link else None,
            crumbs=[Crumb("Inbox", reverse("notifications:inbox"))],
        )

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        shown = self.render_to_response(self.get_context_data(entry=self._entry, **kwargs))
        services.mark_read(ids=[self.kwargs["id"]], actor=self.actor, now=timezone.now())
        return shown

    @cached_property
    def _entry(self) -> InboxEntry:
        return selectors.inbox_entry(id=self.kwargs["id"], actor=self.actor)


class Read(PageMixin, View):
    """Marks chosen notices, or all of them, as read."""

    http_method_names = ["post", "options"]
    scopes: ClassVar[Mapping[str, Scope | None]] = {"POST": None}

    def post(self, request: HttpRequest) -> HttpResponse:
        now = timezone.now()
        if "selected" in request.POST:
            ids = [one for text in request.POST.getlist("selected") if (one := _uuid(text))]
            count = services.mark_read(ids=ids[:_PAGE], actor=self.actor, now=now)
        else:
            count = services.mark_all_read(actor=self.actor, now=now)
        messages.success(request, f"{count} marked as read." if count else "Nothing was unread.")
        return HttpResponseRedirect(reverse("notifications:inbox"))


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


class PreferencesForm(forms.Form):
    """A choice for each topic and medium."""

    def __init__(self, *args: Any, held: Preferences, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for topic in Topic:
            for medium in Medium:
                self.fields[f"{topic.value}.{medium.value}"] = forms.ChoiceField(
                    label=f"{WORDS[topic]}: {'inbox' if medium is Medium.INBOX else 'e-mail'}",
                    choices=_CHOICES[medium],
                    initial=held.of(topic, medium).value,
                )

    def groups(self) -> list[dict[str, Any]]:
        """Return the fields as the page lays them out."""
        return [
            {"label": label, "rows": [self._row(topic) for topic in topics]}
            for label, topics in GROUPS
        ]

    def chosen(self) -> dict[tuple[Topic, Medium], Cadence]:
        """Return the choices as the service takes them."""
        return {
            (topic, medium): Cadence(self.cleaned_data[f"{topic.value}.{medium.value}"])
            for topic in Topic
            for medium in Medium
        }

    def _row(self, topic: Topic) -> dict[str, Any]:
        return {
            "words": WORDS[topic],
            "fields": [self[f"{topic.value}.{medium.value}"] for medium in Medium],
        }


class PreferencesPage(PageMixin, FormView):  # type: ignore[type-arg]
    """Chooses what one is told of, by which medium and when."""

    template_name = "notifications/preferences.html"
    form_class = PreferencesForm
    scopes: ClassVar[Mapping[str, Scope | None]] = _EVERYBODY

    def page(self) -> Page:
        return Page(
            title="What I am told of",
            subtitle="Only what concerns you: your teams, your budgets, your requests, your "
            "decisions. The digest comes at eight; what is critical waits for no digest.",
            crumbs=[Crumb("Inbox", reverse("notifications:inbox"))],
            tabs=_tabs("preferences"),
        )

    def get_form_kwargs(self) -> dict[str, Any]:
        return super().get_form_kwargs() | {"held": selectors.preferences(actor=self.actor)}

    def form_valid(self, form: PreferencesForm) -> HttpResponse:
        try:
            services.set_preferences(chosen=form.chosen(), actor=self.actor, now=timezone.now())
        except Refusal as refusal:
            form.add_error(None, refusal.message)
            return self.form_invalid(form)
        messages.success(self.request, "Saved.")
        return HttpResponseRedirect(reverse("notifications:preferences"))
