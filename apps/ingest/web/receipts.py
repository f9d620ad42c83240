"""The pages of receipts: what became of the items of each batch."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.views.generic import TemplateView

from apps.core import presentation
from apps.core.domain.access import Scope
from apps.core.domain.errors import Invalid, Missing
from apps.core.web.exports import list_response
from apps.core.web.lists import Column, DataList, Empty, ListState, Paging
from apps.core.web.page import Action, Crumb, Fact, Page
from apps.core.web.views import PageMixin
from apps.ingest import selectors
from apps.ingest.selectors import BatchFacts
from apps.ingest.web import links

_READ: Final[dict[str, Scope | None]] = {"GET": Scope.USAGE_READ}
_PAGE: Final = 50
_MOST_EXPORTED: Final = 5_000
_BATCHES: Final = (
    Column(key="received_at", label="Received", kind="when", link="url"),
    Column(key="received_from", label="From"),
    Column(key="accepted", label="Accepted", kind="quantity"),
    Column(key="duplicates", label="Duplicates", kind="quantity", help="Were stored before."),
    Column(
        key="conflicts",
        label="Conflicts",
        kind="quantity",
        help="Their id is stored with another payload, which stays.",
    ),
    Column(key="rejected", label="Rejected", kind="quantity"),
    Column(
        key="unpriced",
        label="Unpriced",
        kind="quantity",
        wide=True,
        help="Accepted without a price for some meter at that time.",
    ),
)
_NAMED: Final = (*_BATCHES, Column(key="id", label="Receipt", kind="code"))
ERRORS: Final = (
    Column(key="index", label="Item", kind="quantity", help="Place in the batch, from 0."),
    Column(key="id", label="Event", kind="code"),
    Column(key="code", label="Problem", kind="code"),
    Column(key="field", label="Field", kind="code"),
    Column(key="message", label="What to do"),
)


class Receipts(PageMixin, TemplateView):
    """Lists the batches that came in, the newest first."""

    template_name = "ingest/list.html"
    scopes = _READ

    def page(self) -> Page:
        return Page(
            title="Receipts",
            subtitle="Every request and every part of a file, and what became of its items.",
            crumbs=[Crumb("Usage", links.log_url())],
        )

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if ListState.of(request).export:
            return list_response(self._list(limit=_MOST_EXPORTED), filename="receipts")
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(list=self._list(limit=_PAGE), **kwargs)

    def _list(self, *, limit: int) -> DataList:
        state = ListState.of(self.request)
        found = self._found(state, limit + 1)
        shown = found[:limit]
        return DataList(
            key="receipts",
            caption="Receipts",
            columns=_NAMED if state.export else _BATCHES,
            rows=[_row(batch) for _, batch in shown],
            state=state,
            search="Find a receipt by its id",
            paging=Paging(next_cursor=str(shown[-1][0]) if len(found) > limit else ""),
            exports=("csv", "xlsx"),
            empty=Empty(
                title="No receipts yet",
                text="Each request that posts events leaves one.",
                icon="receipt",
            ),
        )

    def _found(self, state: ListState, limit: int) -> Sequence[tuple[int, BatchFacts]]:
        """Return the receipt whose id was typed, else all from the cursor on."""
        if state.get("q"):
            return self._named(state.get("q"))
        before = None if state.export else _cursor(state.get("cursor"))
        return selectors.batches(before=before, limit=limit, actor=self.actor)

    def _named(self, text: str) -> Sequence[tuple[int, BatchFacts]]:
        try:
            return [(0, selectors.batch(batch=UUID(text), actor=self.actor))]
        except (ValueError, Missing):
            return []


class ReceiptPage(PageMixin, TemplateView):
    """Shows one receipt: counts, and why items were not stored."""

    template_name = "ingest/list.html"
    scopes = _READ

    @cached_property
    def batch(self) -> BatchFacts:
        """Return the receipt.

        :raises BatchMissing: when there is none, or none that this person may see.
        """
        return selectors.batch(batch=self.kwargs["batch"], actor=self.actor)

    def page(self) -> Page:
        batch = self.batch
        events = Action(label="See its events", url=links.log_url(batch=str(batch.id)))
        counts = (
            ("Accepted", batch.accepted),
            ("Duplicates", batch.duplicates),
            ("Conflicts", batch.conflicts),
            ("Rejected", batch.rejected),
            ("Unpriced", batch.unpriced),
        )
        return Page(
            title=f"Receipt {str(batch.id)[:8]}",
            subtitle=f"{presentation.moment(batch.received_at)}, from {batch.received_from}",
            crumbs=[Crumb("Usage", links.log_url()), Crumb("Receipts", links.receipts_url())],
            primary=events if batch.accepted else None,
            facts=[
                *(Fact(label, presentation.quantity(count)) for label, count in counts),
                Fact("Receipt", str(batch.id)),
            ],
        )

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if ListState.of(request).export:
            return list_response(self._list(), filename=f"receipt-{self.batch.id}")
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(list=self._list(), **kwargs)

    def _list(self) -> DataList:
        state = ListState.of(self.request)
        wrong = self.batch.conflicts + self.batch.rejected
        kept = len(self.batch.errors)
        text = f"the first {kept} of {wrong}" if wrong > kept else ""
        return DataList(
            key="errors",
            caption="Items that were not stored",
            columns=ERRORS,
            rows=matching(self.batch.errors, state.get("q")),
            state=state,
            search="Search an event id or a message",
            paging=Paging(text=text),
            exports=("csv", "xlsx"),
            empty=Empty(title="Every item was taken", icon="circle-check"),
        )


def matching(errors: Sequence[dict[str, Any]], words: str) -> list[dict[str, Any]]:
    """Return the errors whose event, problem or message holds some words."""
    wanted = words.lower()
    return [
        error
        for error in errors
        if wanted in f"{error['id']} {error['code']} {error['message']}".lower()
    ]


def _row(batch: BatchFacts) -> dict[str, Any]:
    return {
        "received_at": batch.received_at,
        "url": links.receipt_url(batch.id),
        "received_from": batch.received_from,
        "accepted": batch.accepted,
        "duplicates": batch.duplicates,
        "conflicts": batch.conflicts,
        "rejected": batch.rejected,
        "unpriced": batch.unpriced,
        "id": str(batch.id),
    }


def _cursor(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Invalid("The cursor is none of ours; start again.", code="cursor")
    return int(text)
