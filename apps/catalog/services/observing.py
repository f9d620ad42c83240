"""Records what a source says, in two times, and tells what differs from what it said before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from django.db import connection

from apps.catalog.domain.conditions import Conditions
from apps.catalog.domain.published import Rate
from apps.catalog.domain.review import Statement, Step, Timeline, spliced
from apps.catalog.domain.statements import SOURCES, Reading, StatedPrice, Subject
from apps.catalog.models import PriceObservation
from apps.catalog.services.stored import ModelName

_COPY: Final = (
    "COPY public.catalog_priceobservation (subject, provider, model, meter, service_tier, batch, "
    'region, context_gt, "window", other, amount, unit_size, currency, valid_from, valid_to, '
    "source, stated_as, note, known_from, reading) FROM STDIN"
)
_SUBJECT: Final = (
    "provider",
    "model",
    "meter",
    "service_tier",
    "batch",
    "region",
    "context_gt",
    "window",
    "other",
)
_STEP: Final = ("amount", "unit_size", "currency", "valid_from", "valid_to")


class Words(NamedTuple):
    """The source's own name of an entry, and its remark."""

    stated_as: str
    note: str


Said = dict[Step, Words]
"""What a source says of one subject, step by step."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What differs: of each subject the source speaks otherwise of, what it said until now.

    `models` are those of which the source still says anything.
    """

    before: dict[Subject, Timeline]
    models: frozenset[ModelName]
    opened: int
    closed: int


class Observer:
    """One comparison of a reading with what its source said until now."""

    def __init__(self, reading: Reading, *, scope: frozenset[ModelName] | None) -> None:
        """Compare within the models of `scope`; None is all that the source ever spoke of."""
        self._reading = reading
        self._ids: dict[tuple[Subject, Step], int] = {}
        self._known: dict[Subject, Said] = {}
        self._load(scope)
        self._wanted = self._merged()
        self.stale: list[int] = []
        self.fresh: list[tuple[Subject, Step, Words]] = []
        self.observed = self._compare()

    def write(self, *, now: datetime, reading: UUID) -> None:
        """Close what is no longer said at `now`, and open what is."""
        PriceObservation.objects.filter(pk__in=self.stale).update(known_to=now)
        code = self._reading.source.code
        with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
            for subject, step, words in self.fresh:
                assert step.rate is not None, "an observation states a price"
                copy.write_row(
                    (
                        subject.key,
                        *subject[:3],
                        *subject.conditions,
                        *step.rate,
                        *step[1:],
                        code,
                        *words,
                        now,
                        reading,
                    )
                )

    def _load(self, scope: frozenset[ModelName] | None) -> None:
        rows = PriceObservation.objects.filter(
            source=self._reading.source.code, known_to__isnull=True
        )
        if scope is not None:
            rows = rows.filter(
                provider__in={provider for provider, _ in scope},
                model__in={model for _, model in scope},
            )
        columns = ("pk", *_SUBJECT, *_STEP, "stated_as", "note")
        for row in rows.values_list(*columns).iterator(chunk_size=5000):
            if scope is not None and (row[1], row[2]) not in scope:
                continue
            subject = Subject(row[1], row[2], row[3], Conditions(*row[4:10]))
            step = Step(Rate(*row[10:13]), *row[13:15])
            self._ids[subject, step] = row[0]
            self._known.setdefault(subject, {})[step] = Words(*row[15:])

    def _merged(self) -> dict[Subject, Said]:
        stated: dict[Subject, list[StatedPrice]] = {}
        for price in self._reading.prices:
            stated.setdefault(price.subject, []).append(price)
        if self._reading.source.complete:
            return {subject: _said(prices) for subject, prices in stated.items()}
        return {
            subject: _added(self._known.get(subject, {}), prices)
            for subject, prices in stated.items()
        }

    def _compare(self) -> Observed:
        before: dict[Subject, Timeline] = {}
        subjects: Iterable[Subject] = self._wanted
        if self._reading.source.complete:
            subjects = {**self._known, **self._wanted}
        for subject in subjects:
            said, wanted = self._known.get(subject, {}), self._wanted.get(subject, {})
            if said.keys() == wanted.keys():
                continue
            before[subject] = timeline_of(said)
            self.stale += [self._ids[subject, step] for step in said if step not in wanted]
            self.fresh += [
                (subject, step, words) for step, words in wanted.items() if step not in said
            ]
        spoken = self._wanted if self._reading.source.complete else {**self._known, **self._wanted}
        models = frozenset((subject.provider, subject.model) for subject in spoken)
        return Observed(before, models, len(self.fresh), len(self.stale))


def statements_of(models: Iterable[ModelName]) -> dict[Subject, dict[str, Statement]]:
    """Return what every source says now of the models' prices, by subject and source."""
    names = set(models)
    rows = PriceObservation.objects.filter(
        known_to__isnull=True,
        provider__in={provider for provider, _ in names},
        model__in={model for _, model in names},
    )
    found: dict[Subject, dict[str, list[Step]]] = {}
    for row in rows.values_list("source", *_SUBJECT, *_STEP).iterator(chunk_size=5000):
        if (row[1], row[2]) in names:
            subject = Subject(row[1], row[2], row[3], Conditions(*row[4:10]))
            step = Step(Rate(*row[10:13]), *row[13:15])
            found.setdefault(subject, {}).setdefault(row[0], []).append(step)
    return {
        subject: {
            code: Statement(timeline_of(steps), SOURCES[code].dated)
            for code, steps in by_source.items()
        }
        for subject, by_source in found.items()
    }


def timeline_of(steps: Iterable[Step]) -> Timeline:
    """Return steps in order of time."""
    return tuple(sorted(steps, key=lambda step: step.start))


def _said(prices: Iterable[StatedPrice]) -> Said:
    return {_step(price): Words(price.stated_as, price.note) for price in prices}


def _added(known: Said, prices: Iterable[StatedPrice]) -> Said:
    """Return what a source that lists only some prices says: the new ones over the old."""
    timeline = timeline_of(known)
    for price in sorted(prices, key=lambda one: _step(one).start):
        timeline = spliced(timeline, _step(price))
    words = [*_said(prices).items(), *known.items()]
    return {
        step: next(
            said
            for whole, said in words
            if whole.rate == step.rate and whole.start <= step.start and step.end <= whole.end
        )
        for step in timeline
    }


def _step(price: StatedPrice) -> Step:
    return Step(price.rate, price.valid_from, price.valid_to)


__all__ = ["Observed", "Observer", "statements_of", "timeline_of"]
