"""Settings, Notifications, Deliveries: what was told to whom, and how far that has come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.generic import TemplateView
from django.views.generic.base import View

from apps.core.domain.access import Scope
from apps.core.domain.errors import Refusal
from apps.core.web.exports import list_response
from apps.core.web.lists import Column, DataList, Empty, Filter, ListState, Paging
from apps.core.web.page import Action, Page
from apps.core.web.views import PageMixin
from apps.notifications import selectors, services
from apps.notifications.selectors import DeliveryFacts
from apps.notifications.web.shared import KINDS, READ, tabs

_STATES: Final = (("queued", "Queued"), ("sent", "Sent"), ("failed", "Failed"))
_PAGE: Final = 50
_SHOWN: Final = (
    Column(key="subject", label="Subject"),
    Column(key="state", label="State", kind="badge"),
    Column(key="recipient", label="Recipient", wide=True),
    Column(key="sent_at", label="Sent", kind="when", wide=True),
)
_ALL: Final = (
    *_SHOWN,
    Column(key="attempts", label="Attempts", kind="quantity"),
    Column(key="created_at", label="Queued", kind="when"),
    Column(key="last_error", label="Last error"),
)
"""A file has room for all of it; the page shows the error under the subject."""


class Deliveries(PageMixin, TemplateView):
    """Lists what was told to whom, and how far that has come."""

    template_name = "notifications/deliveries.html"
    scopes: ClassVar[Mapping[str, Scope | None]] = READ

    def page(self) -> Page:
        return Page(
            title="Notifications",
            subtitle="What failed for a day is given up; choose it to try again.",
            tabs=tabs("deliveries"),
        )

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        state = ListState.of(request)
        shown = _list(self._found(state), state)
        if state.export:
            return list_response(shown, filename="deliveries")
        return self.render_to_response(self.get_context_data(list=shown, **kwargs))

    def _found(self, state: ListState) -> tuple[list[DeliveryFacts], int | None]:
        cursor = state.get("cursor")
        return selectors.outbox(
            state=state.get("state"),
            kind=state.get("kind"),
            before=int(cursor) if cursor.isascii() and cursor.isdigit() else None,
            limit=5000 if state.export else _PAGE,
            actor=self.actor,
        )


def _list(found: tuple[Sequence[DeliveryFacts], int | None], state: ListState) -> DataList:
    deliveries, more = found
    return DataList(
        key="deliveries",
        caption="Deliveries",
        state=state,
        filters=(
            Filter(key="state", label="State", options=_STATES),
            Filter(key="kind", label="Kind", options=KINDS),
        ),
        rows=[_row(one) for one in deliveries],
        columns=_ALL if state.export else _SHOWN,
        row_template="notifications/delivery_row.html",
        exports=("csv", "xlsx"),
        paging=Paging(next_cursor=str(more) if more is not None else ""),
        bulk=[Action(label="Try again", url=reverse("notifications:retry"), icon="refresh")],
        empty=Empty(
            title="Nothing was sent yet",
            text="Owners are told when statements are issued.",
            icon="mail",
        ),
    )


def _row(one: DeliveryFacts) -> dict[str, Any]:
    return {
        "id": str(one.id),
        "subject": one.subject,
        "recipient": one.recipient,
        "state": one.state,
        "attempts": one.attempts,
        "created_at": one.created_at,
        "sent_at": one.sent_at,
        "last_error": one.last_error[:200] or None,
    }


class Retry(PageMixin, View):
    """Queues chosen deliveries again."""

    http_method_names = ["post", "options"]
    scopes: ClassVar[Mapping[str, Scope | None]] = {"POST": Scope.BILLING_WRITE}

    def post(self, request: HttpRequest) -> HttpResponse:
        queued = 0
        for text in request.POST.getlist("selected")[:_PAGE]:
            try:
                services.retry(id=UUID(text), actor=self.actor, now=timezone.now())
            except (Refusal, ValueError) as refused:
                messages.error(request, str(refused))
            else:
                queued += 1
        if queued:
            messages.success(request, f"{queued} queued; they go out within a minute.")
        return HttpResponseRedirect(reverse("notifications:deliveries"))
