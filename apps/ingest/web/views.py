"""The usage log: events newest first, searched, filtered, and as a file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.views.generic import TemplateView

from apps.core import presentation
from apps.core.domain.access import Scope
from apps.core.web.exports import list_response
from apps.core.web.lists import DataList, Empty, Filter, ListState, Paging
from apps.core.web.page import Action, Page
from apps.core.web.views import PageMixin
from apps.directory import selectors as directory
from apps.ingest.web import links
from apps.ingest.web.asked import RANGES, STATUSES, Asked, asked_of, today
from apps.ingest.web.figures import month_kpis
from apps.ingest.web.rows import FILE, SCREEN, EventRow, rows_of
from apps.tenants import selectors as tenants
from apps.usage import selectors as usage

READ: Final[dict[str, Scope | None]] = {"GET": Scope.USAGE_READ}
PAGE: Final = 50
_CHUNK: Final = 500
_MOST_EXPORTED: Final = 10_000
_MOST_CHOICES: Final = 60


class Log(PageMixin, TemplateView):
    """Lists events, the latest arrival first."""

    template_name = "ingest/log.html"
    scopes = READ

    def page(self) -> Page:
        return Page(
            title="Usage",
            subtitle="Every event that was accepted, the latest arrival first, with what it costs.",
            actions=[Action(label="Receipts", url=links.receipts_url(), icon="receipt")],
        )

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if self.state.export:
            return list_response(self._file(), filename="usage")
        answer = super().get(request, *args, **kwargs)
        patch_vary_headers(answer, ["HX-Request", "HX-History-Restore-Request"])
        return answer

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        shown = self._list()
        further = "" if shown.rows else shown.next_url
        is_new = not (shown.rows or shown.chips or further or self.asked.cursor)
        return super().get_context_data(
            list=shown,
            kpis=[] if is_new or _is_part(self.request) else month_kpis(self.actor, today()),
            further=further,
            first_event=_first_event(self.request) if is_new else "",
            **kwargs,
        )

    @cached_property
    def state(self) -> ListState:
        """Return the list's state from the query string."""
        return ListState.of(self.request)

    @cached_property
    def asked(self) -> Asked:
        """Return what the query string asks for."""
        return asked_of(self.state)

    def _list(self) -> DataList:
        page = self._page(self.asked.cursor, PAGE)
        rows = list(self._rows(page))
        return DataList(
            key="events",
            caption="Usage events",
            columns=SCREEN,
            rows=rows,
            state=self.state,
            search="Search an event id or a trace id",
            filters=self._filters(),
            paging=Paging(text=_told(page), next_cursor=str(page.next or "")),
            exports=("csv", "xlsx"),
            row_template="ingest/event_row.html",
            empty=Empty(
                title="No usage yet",
                text="Post a first event, as shown below, or upload a file of events.",
                icon="activity",
            ),
        )

    def _file(self) -> DataList:
        """Return all that matches, from the newest on, up to 10,000 events."""
        rows: list[EventRow] = []
        cursor = None
        for _ in range(_MOST_EXPORTED // _CHUNK):
            page = self._page(cursor, _CHUNK)
            rows += self._rows(page)
            cursor = page.next
            if cursor is None:
                break
        return DataList(
            key="events", caption="Usage events", columns=FILE, rows=rows, state=self.state
        )

    def _rows(self, page: usage.LogPage) -> Iterator[EventRow]:
        limited = self.actor.teams is not None or bool(self.actor.bound_tags)
        currency = tenants.current().currency
        return rows_of(page.entries, currency=currency, with_receipts=not limited)

    def _page(self, cursor: int | None, limit: int) -> usage.LogPage:
        """Return a page; what was typed names an event, or else a trace."""
        if not self.asked.text:
            return self._found(self.asked.filters, cursor, limit)
        named = replace(self.asked.filters, event_id=self.asked.text)
        by_id = self._found(named, cursor, limit)
        if by_id.entries:
            return by_id
        traced = replace(self.asked.filters, trace_id=self.asked.text)
        return self._found(traced, cursor, limit)

    def _found(self, filters: usage.EventFilters, cursor: int | None, limit: int) -> usage.LogPage:
        return usage.log(
            filters=filters,
            cursor=cursor,
            limit=limit,
            actor=self.actor,
            unpriced_only=self.asked.unpriced,
        )

    def _filters(self) -> list[Filter]:
        """Return the filters; what only other teams use is not offered to members."""
        sees_all = self.actor.teams is None
        names = usage.sent_names() if sees_all else usage.SentNames((), ())
        customers = [each.code for each in directory.customers()] if sees_all else []
        shown = [
            Filter(key="range", label="Time", options=RANGES),
            self._choice("provider", "Provider", names.providers),
            self._choice("model", "Model", names.models),
            self._choice("team", "Team tag", self._teams()),
            self._choice("customer", "Customer", customers),
            Filter(key="experiment", label="Experiment"),
            Filter(key="status", label="Status", options=STATUSES),
            Filter(key="source", label="Source"),
            Filter(key="unpriced", label="Prices", options=(("yes", "Unpriced only"),)),
        ]
        return shown + [
            Filter(key=key, label=label, options=((self.state.get(key), words),))
            for key, label, words in self._linked()
        ]

    def _choice(self, key: str, label: str, names: Sequence[str]) -> Filter:
        """Return a choice among names; a text when there are none, or too many to choose from."""
        chosen = self.state.get(key)
        if not 0 < len(names) <= _MOST_CHOICES:
            return Filter(key=key, label=label)
        listed = names if not chosen or chosen in names else [chosen, *names]
        return Filter(key=key, label=label, options=[(name, name) for name in listed])

    def _teams(self) -> list[str]:
        codes = [team.code for team in directory.teams(today())]
        return [code for code in codes if self.actor.teams is None or code in self.actor.teams]

    def _linked(self) -> Iterator[tuple[str, str, str]]:
        """Yield what other pages' links ask for beside the filters, in words."""
        if period := self.asked.filters.period:
            yield "period", "Booked in", presentation.month(period)
        for number in self.asked.filters.tag_sets or ():
            yield "tag_set", "Tags", self._tags_of(number)
        if batch := self.asked.filters.batch:
            yield "batch", "Receipt", str(batch)[:8]
        for key, words in (("start", "From"), ("end", "Before")):
            if self.state.get(key):
                yield key, words, self.state.get(key)

    def _tags_of(self, number: int) -> str:
        """Return the tags of a combination, or its number to those who may not see all usage."""
        found = usage.tag_sets_of({number}).get(number) if self.actor.teams is None else None
        tags = found.tags if found else {}
        words = ", ".join(value for _, value in sorted(tags.items()))
        return words[:60] or f"combination {number}"


def _told(page: usage.LogPage) -> str:
    count = len(page.entries)
    words = f"{count} events" if count != 1 else "1 event"
    return f"{words}; there are more" if page.next else words


def _is_part(request: HttpRequest) -> bool:
    """Tell whether htmx takes only the list out of the answer."""
    restores = request.headers.get("HX-History-Restore-Request") == "true"
    return request.headers.get("HX-Request") == "true" and not restores


def _first_event(request: HttpRequest) -> str:
    """Return a command that posts a first event to this organization."""
    event = {
        "id": "evt-0001",
        "source": "my-gateway",
        "time": timezone.now().isoformat(timespec="seconds").replace("+00:00", "Z"),
        "provider": "openai",
        "model": "gpt-4o-2024-08-06",
        "usage": {"input_tokens": 1200, "output_tokens": 300},
        "tags": {"team": "search", "feature": "summarize"},
    }
    return (
        f"curl {request.build_absolute_uri('/api/v1/usage/events')} \\\n"
        '  -H "Authorization: Bearer $FINOPS_KEY" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        f"  -d '{json.dumps([event], indent=2)}'"
    )
