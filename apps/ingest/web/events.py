"""The page of one event: what was sent, how it was rated, whose it is, what was corrected."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.views.generic import TemplateView

from apps.core import presentation
from apps.core.domain.access import Scope
from apps.core.domain.errors import Invalid, Missing, Refusal
from apps.core.web.page import Action, Crumb, Fact, Page
from apps.core.web.views import PageMixin
from apps.ingest import selectors, services
from apps.ingest.web import links
from apps.ingest.web.explained import (
    compared,
    entries_of,
    head_facts,
    line_of,
    owner_facts,
    raw_text,
    sent_facts,
)
from apps.ingest.web.rows import meter_order
from apps.ingest.web.views import READ
from apps.usage import selectors as usage
from apps.usage.selectors import RatedEvent

_CORRECT: Final[dict[str, Scope | None]] = {"POST": Scope.USAGE_CORRECT}


class EventPage(PageMixin, TemplateView):
    """Shows one event, named by the path, or by `source` and `id` where these hold slashes."""

    template_name = "ingest/event.html"
    scopes = READ

    @cached_property
    def found(self) -> RatedEvent:
        """Return the event.

        :raises Invalid: when the address names none.
        :raises EventMissing: when there is none, or none that this person may see.
        """
        source = self.kwargs.get("source") or self.request.GET.get("source", "")
        event_id = self.kwargs.get("event_id") or self.request.GET.get("id", "")
        if not source or not event_id:
            raise Invalid("Name the event by ?source= and &id=.", code="event_name")
        return usage.event(
            source=source.replace("\x00", ""),
            event_id=event_id.replace("\x00", ""),
            actor=self.actor,
        )

    def page(self) -> Page:
        event = self.found.event
        return Page(
            title=event.id,
            subtitle=f"from {event.source}, {presentation.moment(event.occurred_at)}",
            crumbs=[Crumb("Usage", links.log_url())],
            status=event.state,
            actions=self._actions(),
            facts=head_facts(self.found),
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        found = self.found
        may_price = self.actor.may(Scope.PRICES_WRITE)
        shown = {
            "found": found,
            "event": found.event,
            "lines": [
                line_of(line, found, may_price=may_price)
                for line in sorted(found.lines, key=lambda line: meter_order(line.meter))
            ],
            "costs": sorted(found.costs.items()),
            "reported": compared(found),
            "whose": owner_facts(usage.event_owner(found.event)),
            "sent": [*sent_facts(found.event), *self._receipt()],
            "raw": raw_text(found),
            "outcomes": usage.outcomes_of(found.event),
            "entries": entries_of(found.event),
            "may_correct": self.actor.may(Scope.USAGE_CORRECT),
            "name": {"source": found.event.source, "id": found.event.id},
        }
        return super().get_context_data(**(kwargs | shown))

    def _actions(self) -> list[Action]:
        if not self.actor.may(Scope.USAGE_CORRECT):
            return []
        actions = []
        if len(self.found.history) > 1 and not self._is_undone():
            undo = Action(label="Undo the correction", icon="arrow-back-up", dialog="revert")
            actions.append(undo)
        if self.found.event.state == "live":
            actions.append(Action(label="Void", icon="ban", dialog="void", danger=True))
        return actions

    def _is_undone(self) -> bool:
        """Tell whether the last correction was an undoing, which is not undone again."""
        entries = entries_of(self.found.event)
        return bool(entries) and entries[0].icon == "arrow-back-up"

    def _receipt(self) -> list[Fact]:
        """Return the link to the receipt; corrections have none, and others' are not shown."""
        try:
            batch = selectors.batch(batch=self.found.event.batch, actor=self.actor)
        except Missing:
            return []
        return [Fact("Receipt", str(batch.id)[:8], links.receipt_url(batch.id))]


class _Correction(PageMixin):
    """Corrects one event and goes back to its page; a refusal is said there."""

    http_method_names = ["post", "options"]
    scopes = _CORRECT
    said = ""

    def post(self, request: HttpRequest) -> HttpResponse:
        source, event_id, reason = (
            request.POST.get(name, "").replace("\x00", "") for name in ("source", "id", "reason")
        )
        if not source or not event_id:
            raise Invalid("Name the event by source and id.", code="event_name")
        try:
            self.do(source, event_id, reason[:1000])
        except Missing:
            raise
        except Refusal as refusal:
            messages.error(request, refusal.message)
        else:
            messages.success(request, self.said)
        return HttpResponseRedirect(links.event_url(source, event_id))

    def do(self, source: str, event_id: str, reason: str) -> None:
        """Call the one service."""
        raise NotImplementedError


class VoidEvent(_Correction):
    """Takes an event back."""

    said = "The event is void. Its usage and cost are taken back."

    def do(self, source: str, event_id: str, reason: str) -> None:
        services.void_event(
            source=source, event_id=event_id, reason=reason, actor=self.actor, now=timezone.now()
        )


class RevertEvent(_Correction):
    """Undoes the last correction of an event."""

    said = "The correction is undone. The event is again what it was before."

    def do(self, source: str, event_id: str, reason: str) -> None:
        services.revert_correction(
            source=source, event_id=event_id, reason=reason, actor=self.actor, now=timezone.now()
        )
