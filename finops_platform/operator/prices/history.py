"""The operator's page of one price's history, in two times."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from django.urls import reverse
from django.utils import timezone
from django.views.generic import TemplateView

from apps.catalog import selectors
from apps.catalog.domain.conditions import ORDINARY
from apps.catalog.domain.meters import meter_facts
from apps.catalog.domain.statements import Subject
from apps.core import presentation
from apps.core.domain.access import Scope
from apps.core.web.lists import DataList, Empty, ListState
from apps.core.web.page import Crumb, Fact, Page
from apps.core.web.views import PageMixin
from finops_platform.operator.prices import rows
from finops_platform.operator.prices.chart import history_chart
from finops_platform.operator.prices.forms import HistoryForm


class History(PageMixin, TemplateView):
    """Shows how one list price came about: when it applied, and when that was known."""

    template_name = "operator/price_history.html"
    scopes: ClassVar[dict[str, Scope | None]] = {"GET": Scope.ADMIN}

    def page(self) -> Page:
        form, subject, _ = self._asked()
        crumbs = [Crumb("Prices", reverse("operator:prices"))]
        if subject is None:
            return Page(
                title="History of a price",
                subtitle="When a price applied, and when that was known.",
                crumbs=crumbs,
            )
        return Page(
            title=f"{subject.model}: {rows.subject_label(subject).lower()}",
            subtitle="When it applied, and when that was known.",
            crumbs=[*crumbs, Crumb("History", reverse("operator:price_history"))],
            facts=[
                Fact("Provider", subject.provider),
                Fact("As known on", presentation.moment(_known_at(form, timezone.now()))),
            ],
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        now = timezone.now()
        form, subject, subjects = self._asked()
        context: dict[str, Any] = {"form": form, "subjects": _options(subjects, subject)}
        if subject is not None:
            context |= self._shown(subject, _known_at(form, now), now)
        return super().get_context_data(**context, **kwargs)

    def _shown(self, subject: Subject, known_at: datetime, now: datetime) -> dict[str, Any]:
        then = selectors.history(subject=subject, known_at=known_at)
        today = selectors.history(subject=subject, known_at=now)
        unit = meter_facts(subject.meter).unit
        shown = DataList(
            key="history",
            caption="The price in both times",
            columns=rows.HISTORY_COLUMNS,
            rows=[rows.history_row(row, unit=unit, known_at=known_at) for row in then.rows],
            state=ListState.of(self.request),
            empty=Empty(title="It never had a price", text="Usage of it is unpriced."),
        )
        chart = history_chart(
            subject, then=then.believed, today=today.believed, moments=(known_at, now)
        )
        return {"list": shown, "chart": chart}

    def _asked(self) -> tuple[HistoryForm, Subject | None, list[Subject]]:
        """Return the form, the price that is asked for, and all prices of its model."""
        asked = self.request.GET
        form = HistoryForm(asked if asked.get("model") else None)
        if not form.is_bound or not form.is_valid():
            return form, None, []
        entered = form.cleaned_data
        subjects = selectors.subjects_of(provider=entered["provider"], model=entered["model"])
        if not subjects:
            form.add_error("model", "No price of that model was ever listed.")
            return form, None, []
        named = [one for one in subjects if one.key.hex == asked.get("price")]
        ordinary = [one for one in subjects if one.conditions == ORDINARY]
        ordinary.sort(key=lambda one: one.meter != "input_tokens")
        return form, (named or ordinary or subjects)[0], subjects


def _known_at(form: HistoryForm, now: datetime) -> datetime:
    entered = form.cleaned_data.get("known_at") if form.is_bound and form.is_valid() else None
    return now if entered is None else entered.replace(tzinfo=UTC)


def _options(subjects: list[Subject], chosen: Subject | None) -> list[tuple[str, str, bool]]:
    return [(one.key.hex, rows.subject_label(one), one == chosen) for one in subjects]
