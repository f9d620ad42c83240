"""The organization pages: cost centers, teams, products, features and customers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, ClassVar, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.generic import FormView, TemplateView

from apps.audit import selectors as audit
from apps.core.domain.access import Scope
from apps.core.domain.errors import Missing, Refusal
from apps.core.web.exports import list_response
from apps.core.web.lists import DataList, Empty, ListState
from apps.core.web.page import Action, Crumb, Page, Tab
from apps.core.web.parts import Entry as Told
from apps.core.web.views import PageMixin
from apps.directory import services
from apps.directory.domain.entries import CostCenterFacts, Entry
from apps.directory.domain.sight import seen_by
from apps.directory.web.forms import EntryForm, show_refusal
from apps.directory.web.kinds import KINDS, Kind, kind_of

_TITLE: Final = "Organization"
_WRITE: Final[dict[str, Scope | None]] = {
    "GET": Scope.DIRECTORY_WRITE,
    "POST": Scope.DIRECTORY_WRITE,
}


class Entries(PageMixin, TemplateView):
    """Lists the entries of one kind; cost centers as a tree."""

    template_name = "directory/entries.html"
    scopes: ClassVar[dict[str, Scope | None]] = {"GET": Scope.COSTS_READ}

    def page(self) -> Page:
        kind = self._kind
        new = Action(
            label=f"New {kind.singular}",
            url=reverse("directory:new", args=[kind.slug]),
            icon="plus",
        )
        return Page(
            title=_TITLE,
            subtitle=kind.what,
            crumbs=[Crumb("Settings")],
            primary=new if self.actor.may(Scope.DIRECTORY_WRITE) else None,
            tabs=[Tab(label=one.plural, url=_list_url(one), active=one is kind) for one in KINDS],
        )

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if ListState.of(request).export:
            return list_response(self._list(), filename=self._kind.slug)
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(list=self._list(), **kwargs)

    @property
    def _kind(self) -> Kind:
        return kind_of(self.kwargs.get("kind", KINDS[0].slug))

    def _list(self) -> DataList:
        kind, state = self._kind, ListState.of(self.request)
        rows = _rows(
            kind, seen_by(self.actor, kind.listed()), self.actor.may(Scope.DIRECTORY_WRITE)
        )
        return DataList(
            key=kind.slug,
            caption=kind.plural,
            columns=kind.columns,
            rows=[row for row in rows if _found(row, state.get("q"))],
            state=state,
            search=f"Search {kind.plural.lower()}",
            exports=("csv", "xlsx"),
            empty=Empty(
                title=f"No {kind.plural.lower()} yet",
                text=f"{kind.what} Codes are what senders put into tags.",
                icon="sitemap",
            ),
        )


class _EntryPage(PageMixin, FormView):  # type: ignore[type-arg]
    """The form of an entry."""

    template_name = "directory/entry_form.html"
    scopes = _WRITE

    @property
    def kind(self) -> Kind:
        """Return the kind of entry that the address names."""
        return kind_of(self.kwargs["kind"])

    def get_form_class(self) -> type[EntryForm]:
        return self.kind.form

    @property
    def crumbs(self) -> list[Crumb]:
        """Return the way to this page."""
        return [Crumb("Settings"), Crumb(self.kind.plural, _list_url(self.kind))]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(cancel_url=_list_url(self.kind), **kwargs)

    def form_valid(self, form: EntryForm) -> HttpResponse:
        try:
            self.save(form.to_entry(), form)
        except Refusal as refusal:
            show_refusal(form, refusal)
            return self.form_invalid(form)
        messages.success(self.request, f"The {self.kind.singular} is saved.")
        return HttpResponseRedirect(_list_url(self.kind))

    def save(self, entry: Entry, form: EntryForm) -> None:
        """Call the service."""
        raise NotImplementedError


class NewEntry(_EntryPage):
    """Enters an entry."""

    def page(self) -> Page:
        title = f"New {self.kind.singular}"
        return Page(title=title, subtitle=self.kind.what, crumbs=self.crumbs)

    def get_initial(self) -> dict[str, Any]:
        return {"code": self.request.GET.get("code", "")[:64]}

    def save(self, entry: Entry, form: EntryForm) -> None:
        services.enter(entry=entry, actor=self.actor, now=timezone.now())


class EditEntry(_EntryPage):
    """Revises an entry, and moves it in the tree from a day on."""

    def page(self) -> Page:
        entry = self._entry
        return Page(title=f"{entry.code}, {entry.name}", crumbs=self.crumbs)

    def get_initial(self) -> dict[str, Any]:
        return asdict(self._entry)

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "fixed_code": self._entry.code}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        history = audit.history(subject=self.kind.subject, subject_id=self._entry.code)
        return super().get_context_data(entries=list(_told(history)), **kwargs)

    def save(self, entry: Entry, form: EntryForm) -> None:
        now = timezone.now()
        services.revise_and_move(
            entry=entry, since=form.cleaned_data.get("since"), actor=self.actor, now=now
        )

    @property
    def _entry(self) -> Entry:
        for entry in self.kind.listed():
            if entry.code == self.kwargs["code"]:
                return entry
        raise Missing(f"There is no {self.kind.singular} {self.kwargs['code']}.")


def _rows(kind: Kind, entries: Sequence[Entry], may_edit: bool) -> list[dict[str, Any]]:
    depths = _depths([entry for entry in entries if isinstance(entry, CostCenterFacts)])
    ordered = sorted(entries, key=lambda entry: depths.get(entry.code, (entry.code,)))
    return [
        {
            **asdict(entry),
            "shown_name": "\u2003" * (len(depths.get(entry.code, ("",))) - 1) + entry.name,
            "url": reverse("directory:edit", args=[kind.slug, entry.code]) if may_edit else "",
        }
        for entry in ordered
    ]


def _depths(centers: Sequence[CostCenterFacts]) -> dict[str, tuple[str, ...]]:
    """Return of every cost center the codes from its root down to itself."""
    parents = {center.code: center.parent for center in centers}

    def path(code: str) -> tuple[str, ...]:
        parent = parents.get(code, "")
        return (*path(parent), code) if parent else (code,)

    return {code: path(code) for code in parents}


def _found(row: dict[str, Any], query: str) -> bool:
    texts = (str(value).casefold() for value in row.values() if isinstance(value, str))
    return not query or any(query.casefold() in text for text in texts)


def _told(history: Iterable[audit.Entry]) -> Iterable[Told]:
    for one in reversed(list(history)):
        verb = one.action.rpartition(".")[2]
        yield Told(
            at=one.at, actor=one.actor, text=_DEEDS.get(verb, one.action), mark=one.hash[:12]
        )


_DEEDS: Final = {
    "created": "entered it",
    "changed": "changed it",
    "moved": "moved it in the tree",
}


def _list_url(kind: Kind) -> str:
    if kind is KINDS[0]:
        return reverse("directory:organization")
    return reverse("directory:entries", args=[kind.slug])
