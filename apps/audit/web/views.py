"""The audit page: who changed what, and whether the chain holds."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.generic import TemplateView, View

from apps.audit import selectors
from apps.audit.domain.words import words
from apps.core.domain.access import Scope
from apps.core.web.lists import Column, DataList, Empty, Filter, ListState, Paging
from apps.core.web.page import Action, Crumb, Fact, Page
from apps.core.web.views import PageMixin

PAGE = 50


class Trail(PageMixin, TemplateView):
    """Lists the records, newest first."""

    template_name = "audit/trail.html"
    scopes: ClassVar[dict[str, Scope | None]] = {"GET": Scope.ADMIN}

    def page(self) -> Page:
        head = selectors.head()
        return Page(
            title="Audit",
            subtitle="Every change of configuration, access, money documents and months. Each "
            "record carries the hash of the one before it.",
            crumbs=[Crumb("Settings")],
            facts=[
                Fact("Records", f"{head.sequence:,}"),
                Fact("Head", head.hash[:16], help=f"Full hash: {head.hash}"),
            ],
            primary=Action(
                label="Verify the chain",
                url=reverse("audit:verify"),
                icon="shield-check",
                method="post",
            ),
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        state = ListState.of(self.request)
        records = selectors.page(
            before=_sequence(state.get("cursor")),
            limit=PAGE + 1,
            action=state.get("action"),
            actor=state.get("actor"),
            subject=state.get("subject"),
        )
        more = str(records[PAGE - 1].sequence) if len(records) > PAGE else ""
        shown = DataList(
            key="audit",
            caption="Audit records",
            columns=_COLUMNS,
            rows=[_row(one) for one in records[:PAGE]],
            row_template="audit/row.html",
            state=state,
            filters=_FILTERS,
            paging=Paging(next_cursor=more),
            empty=Empty(title="Nothing recorded yet"),
        )
        return super().get_context_data(list=shown, **kwargs)


_COLUMNS = [
    Column(key="sequence", label="No.", kind="quantity"),
    Column(key="at", label="When", kind="when"),
    Column(key="actor", label="Who"),
    Column(key="what", label="What"),
    Column(key="detail", label="Detail", wide=True),
    Column(key="mark", label="Hash", wide=True),
]
_FILTERS = [
    Filter(key="action", label="Action starts with"),
    Filter(key="actor", label="Actor starts with"),
    Filter(key="subject", label="Subject"),
]


class Verify(PageMixin, View):
    """Reads the whole chain and says whether it holds."""

    http_method_names = ["post"]
    scopes: ClassVar[dict[str, Scope | None]] = {"POST": Scope.ADMIN}

    def post(self, request: HttpRequest) -> HttpResponse:
        faults = selectors.faults()
        if faults:
            first = faults[0]
            text = (
                f"The chain is broken in {len(faults)} places, first at record {first.sequence}: "
            )
            messages.error(request, text + first.message)
        else:
            messages.success(request, f"All {selectors.head().sequence:,} records are intact.")
        return HttpResponseRedirect(reverse("audit:trail"))


def _row(one: selectors.Entry) -> dict[str, Any]:
    return {
        "entry": one,
        "what": words(one.action),
        "details": [(words(name), _shown(value)) for name, value in sorted(one.detail.items())],
        "mark": one.hash[:8],
    }


def _shown(value: Any) -> str:
    """Return a value of a record's detail as a person reads it."""
    if isinstance(value, list):
        return ", ".join(_shown(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(item)}" for name, item in sorted(value.items()))
    return "" if value is None else str(value)


def _sequence(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
