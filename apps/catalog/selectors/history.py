"""The history of one list price in two times: when it applied, and when we believed so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from django.db.models import F, QuerySet

from apps.catalog.domain.conditions import Conditions
from apps.catalog.domain.published import Rate
from apps.catalog.domain.statements import Subject
from apps.catalog.models import ListPrice

_SINCE_EVER: Final = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One list price of the subject; without a change it was taken over as the first of all."""

    rate: Rate
    valid_from: datetime | None
    valid_to: datetime | None
    known_from: datetime
    known_to: datetime | None
    source: str
    change: UUID | None
    basis: str

    def is_known(self, at: datetime) -> bool:
        """Tell whether it was believed at a moment."""
        return self.known_from <= at and (self.known_to is None or at < self.known_to)


@dataclass(frozen=True, slots=True)
class ListedAt:
    """All rows of a subject, and those of them that were believed at a moment, by validity."""

    rows: Sequence[HistoryRow]
    believed: Sequence[HistoryRow]


def history(*, subject: Subject, known_at: datetime) -> ListedAt:
    """Return every list price that a subject ever had, newest knowledge first; one query."""
    rows = [
        HistoryRow(
            rate=Rate(row.amount, row.unit_size, row.currency),
            valid_from=row.valid_from,
            valid_to=row.valid_to,
            known_from=row.known_from,
            known_to=row.known_to,
            source=row.source,
            change=None if row.change is None else row.change.public_id,
            basis="baseline" if row.change is None else row.change.basis,
        )
        for row in _of(subject)
        .select_related("change")
        .order_by("-known_from", F("valid_from").asc(nulls_first=True), "-pk")
    ]
    believed = [row for row in rows if row.is_known(known_at)]
    believed.sort(key=lambda row: row.valid_from or _SINCE_EVER)
    return ListedAt(rows, believed)


def subjects_of(*, provider: str, model: str) -> list[Subject]:
    """Return the subjects of a model that ever had a list price, by meter and conditions."""
    rows = ListPrice.objects.filter(model__provider__code=provider, model__code=model)
    found = rows.order_by().distinct().values_list("meter_id", *Conditions._fields)
    subjects = [Subject(provider, model, meter, Conditions(*rest)) for meter, *rest in found]
    return sorted(subjects, key=lambda one: (one.meter, tuple(map(str, one.conditions))))


def _of(subject: Subject) -> QuerySet[ListPrice]:
    return ListPrice.objects.filter(
        model__provider__code=subject.provider,
        model__code=subject.model,
        meter_id=subject.meter,
        **subject.conditions._asdict(),
    )


__all__ = ["HistoryRow", "ListedAt", "history", "subjects_of"]
