"""The pages of prices that came too late: what they change about closed months, and booking it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from functools import cached_property
from typing import Any, ClassVar, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.generic import TemplateView

from apps.core import presentation
from apps.core.domain.access import Scope
from apps.core.domain.errors import Missing, Refusal
from apps.core.domain.months import Month
from apps.core.web.lists import Column, DataList, Empty, ListState
from apps.core.web.page import Action, Crumb, Fact, Page
from apps.core.web.views import PageMixin
from apps.ingest import services
from apps.ingest.web import links
from apps.ingest.web.foreseen import line_rows, sums_text
from apps.periods import selectors as periods
from apps.rating import selectors as rating
from apps.usage import selectors as usage

_READ: Final[dict[str, Scope | None]] = {"GET": Scope.PRICES_WRITE}
_COLUMNS: Final = (
    Column(key="month", label="Month", kind="month", link="url"),
    Column(key="state", label="State", kind="badge"),
    Column(key="rated", label="Rated with", help="The version of the price book."),
    Column(key="standing", label="Its prices", prose=True),
)


class PriceCorrectionsPage(PageMixin, TemplateView):
    """Lists months that are no longer open, and whether prices came since; four queries."""

    template_name = "ingest/list.html"
    scopes = _READ

    def page(self) -> Page:
        return Page(
            title="Prices of closed months",
            subtitle="A closed month keeps its prices. What came too late is booked in an open "
            "month, as corrections that name the month they are for.",
            crumbs=_crumbs()[:2],
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        shown = DataList(
            key="closed",
            caption="Months that are frozen or closed and hold usage",
            columns=_COLUMNS,
            rows=list(self._rows()),
            state=ListState.of(self.request),
            empty=Empty(
                title="No month is closed yet",
                text="Open months follow new prices by themselves.",
                icon="calendar-month",
            ),
        )
        return super().get_context_data(list=shown, **kwargs)

    def _rows(self) -> Iterator[dict[str, Any]]:
        closed = [each for each in periods.calendar().periods if not each.is_open]
        used = usage.months_in_use(each.month for each in closed)
        versions = usage.versions_of(closed)
        latest = rating.current_version().version
        for period in reversed(closed):
            if period.month not in used:
                continue
            version = versions.get(period.month)
            yield {
                "month": str(period.month),
                "url": reverse("usage:price_correction", args=[str(period.month)]),
                "state": period.state.value,
                "rated": f"version {version}" if version else "",
                "standing": f"version {latest} came since: look what it changes"
                if version and version < latest
                else "as the prices in force say",
            }


class PriceCorrectionPage(PageMixin, TemplateView):
    """Shows what correcting a month's prices would book, and books it."""

    template_name = "ingest/price_correction.html"
    scopes: ClassVar[dict[str, Scope | None]] = {
        "GET": Scope.PRICES_WRITE,
        "POST": Scope.PRICES_WRITE,
    }

    @cached_property
    def month(self) -> Month:
        """Return the month of the address."""
        return Month.parse(self.kwargs["month"])

    @cached_property
    def seen(self) -> services.PriceCorrectionForesight:
        """Return what would be booked now.

        :raises MonthIsOpen: when the month is open.
        """
        return services.foresee_correction(month=self.month, actor=self.actor)

    def page(self) -> Page:
        seen = self.seen
        booked_in = presentation.month(str(seen.booked_in)) if seen.booked_in else "no open month"
        return Page(
            title=f"Prices of {presentation.month(str(self.month))}",
            crumbs=_crumbs(),
            status=periods.period(self.month).state.value,
            actions=self._actions(),
            facts=[
                Fact("Difference", sums_text(seen.difference) if seen.facts else "none"),
                Fact("Would be booked in", booked_in),
                Fact("Quantities", presentation.quantity(Decimal(seen.facts), "")),
                Fact("Price book", f"version {seen.version}"),
            ],
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            seen=self.seen, lines=line_rows(self.seen.lines), may_book=self._may_book, **kwargs
        )

    def post(self, request: HttpRequest, month: str) -> HttpResponse:
        try:
            done = services.correct_prices(
                month=self.month,
                reason=request.POST.get("reason", "").replace("\x00", "")[:1000],
                actor=self.actor,
                now=timezone.now(),
            )
        except Missing:
            raise
        except Refusal as refusal:
            messages.error(request, refusal.message)
        else:
            said = f"{sums_text(done.difference)} in {presentation.month(str(done.booked_in))}"
            text = f"Booked: {said}." if done.facts else "There was nothing to correct."
            messages.success(request, text)
        return HttpResponseRedirect(reverse("usage:price_correction", args=[month]))

    @property
    def _may_book(self) -> bool:
        return bool(self.seen.facts) and self.seen.booked_in is not None

    def _actions(self) -> list[Action]:
        return [Action(label="Book it", icon="check", dialog="book")] if self._may_book else []


def _crumbs() -> list[Crumb]:
    return [
        Crumb("Usage", links.log_url()),
        Crumb("Unpriced", links.unpriced_url()),
        Crumb("Closed months", links.corrections_url()),
    ]
