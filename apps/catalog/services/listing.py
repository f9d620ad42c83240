"""Writes list prices: what is published overwrites a stretch of what was listed before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final, NamedTuple

from django.db import connection

from apps.catalog.domain.conditions import Conditions
from apps.catalog.domain.published import Rate
from apps.catalog.domain.review import Step, Timeline, same_price, spliced
from apps.catalog.domain.statements import Subject
from apps.catalog.models import ListPrice, PriceChange
from apps.catalog.services.stored import ModelName, ensure_models, store_meters

_COPY: Final = (
    "COPY public.catalog_listprice (model_id, meter, service_tier, batch, region, context_gt, "
    '"window", other, amount, unit_size, currency, valid_from, valid_to, known_from, source, '
    "source_hash, change_id) FROM STDIN"
)
_COLUMNS: Final = (
    "pk",
    "model__provider__code",
    "model__code",
    "meter_id",
    "service_tier",
    "batch",
    "region",
    "context_gt",
    "window",
    "other",
    "amount",
    "unit_size",
    "currency",
    "valid_from",
    "valid_to",
    "source",
    "source_hash",
    "change_id",
)


class Origin(NamedTuple):
    """Where a list price comes from; no change when it was taken over as the first of all.

    A change that is only now published has its key when the listing is written.
    """

    source: str
    source_hash: str
    change: PriceChange | int | None

    def columns(self) -> tuple[str, str, int | None]:
        """Return what the table keeps of it."""
        change = self.change
        key = change.pk if isinstance(change, PriceChange) else change
        return self.source, self.source_hash, key


class Listing:
    """The list prices of some models as they are believed, and what is to be published."""

    def __init__(self, models: Iterable[ModelName]) -> None:
        self._rows: dict[tuple[Subject, Step], int] = {}
        self._origins: dict[Subject, list[tuple[Step, Origin]]] = {}
        self._touched: dict[Subject, None] = {}
        self.timelines: dict[Subject, Timeline] = {}
        for pk, subject, step, origin in _believed(set(models)):
            self._rows[subject, step] = pk
            self._origins.setdefault(subject, []).append((step, origin))
            self.timelines[subject] = (*self.timelines.get(subject, ()), step)
        for subject, steps in self.timelines.items():
            if len(steps) > 1:
                self.timelines[subject] = tuple(sorted(steps, key=lambda step: step.start))

    def timeline(self, subject: Subject) -> Timeline:
        """Return what is listed of a subject, with what was published here already."""
        return self.timelines.get(subject, ())

    def publish(self, subject: Subject, step: Step, origin: Origin) -> None:
        """Overwrite a stretch of a subject's timeline; `write` brings it to the table."""
        self.timelines[subject] = spliced(self.timeline(subject), step)
        self._origins.setdefault(subject, []).append((step, origin))
        self._touched[subject] = None

    @property
    def touched(self) -> tuple[Subject, ...]:
        """Return the subjects of which something was published."""
        return tuple(self._touched)

    def write(self, *, now: datetime, source: str) -> tuple[int, int]:
        """Close what is not listed any more at `now`, open what is; return (opened, closed)."""
        stale = [
            pk
            for (subject, step), pk in self._rows.items()
            if subject in self._touched and step not in self.timelines[subject]
        ]
        fresh = [
            (subject, step)
            for subject in self._touched
            for step in self.timelines[subject]
            if (subject, step) not in self._rows
        ]
        ListPrice.objects.filter(pk__in=stale).update(known_to=now)
        if fresh:
            store_meters({subject.meter for subject, _ in fresh})
            names = {(subject.provider, subject.model) for subject, _ in fresh}
            self._copy(fresh, ensure_models(names, source=source, now=now), now)
        return len(fresh), len(stale)

    def _copy(
        self, fresh: list[tuple[Subject, Step]], ids: dict[ModelName, int], now: datetime
    ) -> None:
        with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
            for subject, step in fresh:
                rate = step.rate
                assert rate is not None, "a timeline holds prices only"
                copy.write_row(
                    (
                        ids[subject.provider, subject.model],
                        subject.meter,
                        *subject.conditions,
                        *rate,
                        step.valid_from,
                        step.valid_to,
                        now,
                        *self._origin_of(subject, step).columns(),
                    )
                )

    def _origin_of(self, subject: Subject, step: Step) -> Origin:
        """Return where a step comes from: the last one that covers it at the same rate."""
        return next(
            origin
            for whole, origin in reversed(self._origins[subject])
            if whole.start <= step.start
            and step.end <= whole.end
            and same_price(whole.rate, step.rate)
        )


def _believed(models: set[ModelName]) -> Iterator[tuple[int, Subject, Step, Origin]]:
    rows = ListPrice.objects.filter(
        known_to__isnull=True,
        model__provider__code__in={provider for provider, _ in models},
        model__code__in={code for _, code in models},
    )
    for row in rows.order_by("pk").values_list(*_COLUMNS).iterator(chunk_size=5000):
        if (row[1], row[2]) in models:
            subject = Subject(row[1], row[2], row[3], Conditions(*row[4:10]))
            yield row[0], subject, Step(Rate(*row[10:13]), *row[13:15]), Origin(*row[15:])


def is_empty() -> bool:
    """Tell whether the catalogue never had a price."""
    return not ListPrice.objects.exists()


__all__ = ["Listing", "Origin", "is_empty"]
