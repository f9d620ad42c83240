"""The usage pages: what came in, what it cost, and what has no price."""

from __future__ import annotations

from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.views.generic import TemplateView

from apps.core.domain.access import Scope
from apps.core.web.exports import list_response
from apps.core.web.lists import Column, DataList, Empty, ListState
from apps.core.web.page import Page
from apps.core.web.views import PageMixin
from apps.usage import selectors as usage

_READ: Final[dict[str, Scope | None]] = {"GET": Scope.USAGE_READ}
_PAGE: Final = 50


class Log(PageMixin, TemplateView):
    """Lists events, the latest arrival first."""

    template_name = "ingest/log.html"
    scopes = _READ

    def page(self) -> Page:
        return Page(title="Usage", subtitle="Every event that was accepted, newest first.")

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if ListState.of(request).export:
            return list_response(self._list(), filename="usage")
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(list=self._list(), **kwargs)

    def _list(self) -> DataList:
        found = usage.events(
            filters=usage.EventFilters(), cursor=None, limit=_PAGE, actor=self.actor
        )
        return DataList(
            key="events",
            caption="Usage events",
            columns=(
                Column(key="occurred_at", label="When", kind="when"),
                Column(key="source", label="Source", kind="code"),
                Column(key="id", label="Event", kind="code"),
                Column(key="model", label="Model", kind="code"),
                Column(key="state", label="State", kind="badge"),
            ),
            rows=found.events,
            state=ListState.of(self.request),
            exports=("csv", "xlsx"),
            empty=Empty(title="No usage yet", icon="activity"),
        )
