"""The audit page: who changed what, and whether the chain holds."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.generic import TemplateView, View

from apps.audit import selectors
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
            crumbs=[Crumb("Settings"), Crumb("Audit")],
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
    Column(key="action", label="What", kind="code"),
    Column(key="subject", label="Which"),
    Column(key="detail", label="Detail", wide=True),
    Column(key="hash", label="Hash", kind="code", wide=True),
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
        "sequence": one.sequence,
        "at": one.at,
        "actor": one.actor,
        "action": one.action,
        "subject": f"{one.subject} {one.subject_id}",
        "detail": json.dumps(one.detail, ensure_ascii=False, sort_keys=True) if one.detail else "",
        "hash": one.hash[:12],
    }


def _sequence(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
