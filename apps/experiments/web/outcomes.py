"""What successes cost: by experiment and by feature, over a time."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.generic import TemplateView

from apps.core.domain.access import Scope
from apps.core.domain.errors import Invalid
from apps.core.domain.months import local_day
from apps.core.web.exports import list_response
from apps.core.web.lists import Column, DataList, Empty, Filter, ListState
from apps.core.web.page import Page, Tab
from apps.core.web.views import PageMixin
from apps.experiments import selectors
from apps.tenants import selectors as tenants

_DAYS: Final = 90
_BY: Final = (("feature", "By feature"), ("experiment", "By experiment"))


class Outcomes(PageMixin, TemplateView):
    """Lists the cost of a successful outcome; what has no success says so."""

    template_name = "experiments/outcomes.html"
    scopes = {"GET": Scope.USAGE_READ}

    def page(self) -> Page:
        return Page(
            title="Outcomes",
            subtitle="Cost of a successful outcome. Late outcomes restate the figures of their "
            "day; events that nobody scored count in the cost.",
        )

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        shown = self._list()
        if shown.state.export:
            return list_response(shown, filename="outcomes")
        return self.render_to_response(self.get_context_data(list=shown, **kwargs))

    def _list(self) -> DataList:
        state = ListState.of(self.request)
        today = local_day(timezone.now(), tenants.current().timezone)
        by = state.get("by") if state.get("by") in dict(_BY) else "feature"
        start = _day(state.get("start"), today - timedelta(days=_DAYS))
        end = _day(state.get("end"), today)
        found = selectors.unit_costs(by=by, first=start, last=end, actor=self.actor)
        return DataList(
            key="outcomes",
            caption="Cost of a success",
            columns=(
                Column(key="name", label=by.capitalize(), kind="code"),
                Column(key="outcome", label="Outcome", kind="code"),
                Column(key="successes", label="Successes", kind="quantity"),
                Column(key="requests", label="Requests", kind="quantity"),
                Column(key="tokens", label="Tokens", kind="tokens"),
                Column(key="cost", label="Cost", kind="cost", currency_key="currency"),
                Column(
                    key="each", label="Cost of a success", kind="exact", currency_key="currency"
                ),
                Column(key="remark", label=""),
            ),
            rows=found,
            state=state,
            filters=(
                Filter(key="start", label="From", kind="date"),
                Filter(key="end", label="To", kind="date"),
            ),
            views=[Tab(label=label, url=state.url(by=key), active=key == by) for key, label in _BY],
            exports=("csv", "xlsx"),
            empty=Empty(
                title="No outcomes in these days",
                text="Send an outcome with an event, or later by its id, trace or experiment.",
                icon="target",
            ),
        )


def _day(text: str, default: date) -> date:
    try:
        return date.fromisoformat(text) if text else default
    except ValueError:
        raise Invalid(f"{text[:20]!r} is no day; write it as 2026-10-31.", code="day") from None
