"""Turns what a source newly says into changes: published by agreement, or left to people."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from functools import cache
from typing import Final, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import Q

from apps.catalog.domain.conditions import Conditions
from apps.catalog.domain.meters import meter_family
from apps.catalog.domain.published import Rate
from apps.catalog.domain.review import (
    Peers,
    Statement,
    Step,
    Timeline,
    Verdict,
    by_model,
    caution,
    changes_of_dated,
    changes_of_undated,
    counted,
    is_confirmed,
    moment_of,
    per_unit,
    predecessor_of,
    rate_at,
    same_price,
)
from apps.catalog.domain.statements import SOURCES, Reading, Subject
from apps.catalog.models import AiModel, ListPrice, PriceChange
from apps.catalog.services.listing import Listing, Origin
from apps.catalog.services.observing import Observed, statements_of
from apps.catalog.services.stored import ModelName

State = PriceChange.State
Kind = PriceChange.Kind

_COPY_COLUMNS: Final = (
    "public_id",
    "subject",
    "provider",
    "model",
    "meter",
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
    "source_label",
    "source_hash",
    "reading_id",
    "kind",
    "old_amount",
    "old_unit_size",
    "old_currency",
    "agreeing",
    "differing",
    "approvers",
    "caution",
    "note",
    "state",
    "basis",
    "proposed_at",
)


@dataclass(frozen=True, slots=True)
class Reviewed:
    """How many changes were published at once, wait for a person, or became pointless."""

    published: int
    proposed: int
    superseded: int


class Provenance(NamedTuple):
    """The reading that a change comes of."""

    reading: Reading
    public_id: UUID


class Review:
    """One review of the subjects of which a source newly speaks otherwise."""

    def __init__(self, provenance: Provenance, observed: Observed, *, now: datetime) -> None:
        self._reading, self._public_id = provenance
        self._observed = observed
        self._now = now
        models = {(subject.provider, subject.model) for subject in observed.before}
        self.listing = Listing(models)
        self._statements = statements_of(models)
        self._known_models = _known(models)
        self._waiting = _waiting(models)
        self._peers = PeerPrices(now)
        self._notes = _notes_of(self._reading)
        self._proposals: list[PriceChange] = []
        self._agreed: list[PriceChange] = []
        self._settled: dict[str, list[PriceChange]] = {State.PUBLISHED: [], State.SUPERSEDED: []}

    def run(self) -> Reviewed:
        """Decide every subject, write the changes, and hand what is published to the listing."""
        for subject in self._observed.before:
            self._review(subject)
        self._write()
        return Reviewed(
            published=len(self._agreed) + len(self._settled[State.PUBLISHED]),
            proposed=len(self._proposals),
            superseded=len(self._settled[State.SUPERSEDED]),
        )

    def _review(self, subject: Subject) -> None:
        """Decide what waits and what is new; sources that say from when come first."""
        source = self._reading.source
        steps = self._steps(subject)
        called_for: list[PriceChange] = []
        for change in self._waiting.get(subject, ()):
            mine = change.source == source.code
            if mine and not any(_is_same(change, one, dated=source.dated) for one in steps):
                self._settle(change, State.SUPERSEDED)
            else:
                called_for.append(change)
        own = [change for change in called_for if change.source == source.code]
        fresh = [
            step
            for step in steps
            if not any(_is_same(change, step, dated=source.dated) for change in own)
        ]
        for dated in (True, False):
            for change in called_for:
                if SOURCES[change.source].dated is dated:
                    self._reconsider(subject, change)
            if source.dated is dated:
                self._propose_all(subject, fresh)

    def _steps(self, subject: Subject) -> list[Step]:
        source, before = self._reading.source, self._observed.before[subject]
        stated = self._stated(subject, source.code)
        listed = self.listing.timeline(subject)
        known = (subject.provider, subject.model) in self._observed.models
        if source.dated:
            steps = changes_of_dated(
                stated=stated, before=before, listed=listed, is_still_known=known
            )
        else:
            steps = changes_of_undated(
                stated=rate_at(stated, self._now),
                before=rate_at(before, self._now),
                listed=listed,
                is_still_known=known,
                now=self._now,
            )
        return [step for step in steps if not self._is_settled(subject, step, source.code)]

    def _is_settled(self, subject: Subject, step: Step, source: str) -> bool:
        """Tell whether the list says so already, or what others state exactly, a percent off."""
        listed = self.listing.timeline(subject)
        statements = self._statements.get(subject, {})
        others = [one for code, one in statements.items() if code != source]
        have = rate_at(listed, moment_of(step, self._now))
        return same_price(have, step.rate) or is_confirmed(
            step, listed=listed, others=others, now=self._now
        )

    def _stated(self, subject: Subject, source: str) -> Timeline:
        statement = self._statements.get(subject, {}).get(source)
        return () if statement is None else statement.timeline

    def _verdict(self, subject: Subject, step: Step) -> Verdict:
        statements: Mapping[str, Statement] = self._statements.get(subject, {})
        agreeing, differing = counted(step, statements, self._now)
        why = caution(
            step.rate,
            predecessor=predecessor_of(step, self.listing.timeline(subject), self._now),
            peers=self._peers.median(subject, step.rate),
        )
        return Verdict(agreeing, differing, why)

    def _reconsider(self, subject: Subject, change: PriceChange) -> None:
        """Publish a waiting change that is agreed on now; let go of one that nobody calls for."""
        step = step_of(change)
        at = moment_of(step, self._now)
        stated = rate_at(self._stated(subject, change.source), at)
        if not same_price(stated, step.rate) or self._is_settled(subject, step, change.source):
            self._settle(change, State.SUPERSEDED)
            return
        verdict = self._verdict(subject, step)
        if (change.agreeing, change.differing, change.caution) == verdict:
            return
        change.agreeing, change.differing = verdict.agreeing, verdict.differing
        if verdict.caution and change.approvers == 1:
            change.approvers, change.caution = 2, verdict.caution
        if verdict.is_agreed and change.approvers == 1:
            change.basis = "agreement"
            self._settle(change, State.PUBLISHED)
            self.listing.publish(subject, step, origin_of(change))
        else:
            change.save(update_fields=["agreeing", "differing", "approvers", "caution"])

    def _settle(self, change: PriceChange, state: PriceChange.State) -> None:
        change.state, change.settled_at = state, self._now
        self._settled[state].append(change)

    def _propose_all(self, subject: Subject, steps: Iterable[Step]) -> None:
        for step in steps:
            if self._is_settled(subject, step, self._reading.source.code):
                continue
            change = self._change(subject, step, self._verdict(subject, step))
            if change.state == State.PUBLISHED:
                self._agreed.append(change)
                self.listing.publish(subject, step, origin_of(change))
            else:
                self._proposals.append(change)

    def _change(self, subject: Subject, step: Step, verdict: Verdict) -> PriceChange:
        old = predecessor_of(step, self.listing.timeline(subject), self._now)
        rate = step.rate
        shape = rate or old
        assert shape is not None, "a withdrawal withdraws something"
        agreed = verdict.is_agreed
        provider, model, meter, conditions = subject
        return PriceChange(
            public_id=uuid.uuid4(),
            subject=subject.key,
            provider=provider,
            model=model,
            meter=meter,
            **conditions._asdict(),
            amount=None if rate is None else rate.amount,
            unit_size=shape.unit_size,
            currency=shape.currency,
            valid_from=step.valid_from,
            valid_to=step.valid_to,
            source=self._reading.source.code,
            source_label=self._reading.label[:60],
            source_hash=self._reading.digest,
            reading_id=self._public_id,
            kind=self._kind(subject, step),
            old_amount=None if old is None else old.amount,
            old_unit_size=None if old is None else old.unit_size,
            old_currency="" if old is None else old.currency,
            agreeing=verdict.agreeing,
            differing=verdict.differing,
            approvers=2 if verdict.caution else 1,
            caution=verdict.caution,
            note=self._notes.get(subject, ""),
            state=State.PUBLISHED if agreed else State.PROPOSED,
            basis="agreement" if agreed else "",
            proposed_at=self._now,
            settled_at=self._now if agreed else None,
        )

    def _kind(self, subject: Subject, step: Step) -> PriceChange.Kind:
        if step.rate is None:
            return Kind.WITHDRAWN
        if self.listing.timeline(subject):
            return Kind.CHANGED
        named = (subject.provider, subject.model) in self._known_models
        return Kind.NEW_PRICE if named else Kind.NEW_MODEL

    def _write(self) -> None:
        settled = [change for changes in self._settled.values() for change in changes]
        fields = ["state", "basis", "settled_at", "agreeing", "differing", "approvers", "caution"]
        PriceChange.objects.bulk_update(settled, fields, batch_size=500)
        PriceChange.objects.bulk_create(self._agreed, batch_size=1000)
        if self._proposals:
            _copy(self._proposals)


class PeerPrices:
    """What providers list for ordinary requests now, to compare a new price with."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._of_provider = cache(self._read)
        self._medians: dict[tuple[str, str, str, str], Fraction | None] = {}

    def median(self, subject: Subject, rate: Rate | None) -> Fraction | None:
        """Return the median price of one unit of the provider's other models."""
        if rate is None:
            return None
        key = (subject.provider, subject.model, meter_family(subject.meter), rate.currency)
        if key not in self._medians:
            peers = self._of_provider(subject.provider).get(key[2:])
            self._medians[key] = None if peers is None else peers.median_without(subject.model)
        return self._medians[key]

    def _read(self, provider: str) -> dict[tuple[str, ...], Peers]:
        rows = ListPrice.objects.filter(
            Q(valid_from__isnull=True) | Q(valid_from__lte=self._now),
            Q(valid_to__isnull=True) | Q(valid_to__gt=self._now),
            model__provider__code=provider,
            known_to__isnull=True,
            service_tier="",
            batch=False,
            region="",
            context_gt=0,
            window="",
            other="",
        )
        found: dict[tuple[str, ...], list[tuple[str, Fraction]]] = defaultdict(list)
        for model, meter, amount, unit_size, currency in rows.values_list(
            "model__code", "meter_id", "amount", "unit_size", "currency"
        ):
            price = Rate(amount, unit_size, currency)
            found[meter_family(str(meter)), price.currency].append((model, per_unit(price)))
        return {key: by_model(prices) for key, prices in found.items()}


def subject_of(change: PriceChange) -> Subject:
    """Return what a change is about."""
    conditions = Conditions(*(getattr(change, name) for name in Conditions._fields))
    return Subject(change.provider, change.model, change.meter, conditions)


def step_of(change: PriceChange) -> Step:
    """Return what a change writes into its subject's timeline."""
    amount = change.amount
    rate = None if amount is None else Rate(amount, change.unit_size, change.currency)
    return Step(rate, change.valid_from, change.valid_to)


def origin_of(change: PriceChange) -> Origin:
    """Return where a list price comes from that a change publishes."""
    return Origin(change.source_label, change.source_hash, change)


def _is_same(change: PriceChange, step: Step, *, dated: bool) -> bool:
    mine = step_of(change)
    if not same_price(mine.rate, step.rate):
        return False
    return not dated or mine[1:] == step[1:]


def _notes_of(reading: Reading) -> Mapping[Subject, str]:
    return {price.subject: price.note for price in reading.prices if price.note}


def _known(models: Iterable[ModelName]) -> set[ModelName]:
    names = set(models)
    rows = AiModel.objects.filter(
        provider__code__in={provider for provider, _ in names}, code__in={code for _, code in names}
    )
    return names & set(rows.values_list("provider__code", "code"))


def _waiting(models: Iterable[ModelName]) -> dict[Subject, list[PriceChange]]:
    names = set(models)
    rows = PriceChange.objects.filter(
        state=State.PROPOSED,
        provider__in={provider for provider, _ in names},
        model__in={model for _, model in names},
    )
    found: dict[Subject, list[PriceChange]] = {}
    for change in rows.order_by("pk"):
        found.setdefault(subject_of(change), []).append(change)
    return found


def _copy(changes: Iterable[PriceChange]) -> None:
    names = ", ".join(
        '"window"' if name == "window" else name.replace("reading_id", "reading")
        for name in _COPY_COLUMNS
    )
    statement = f"COPY public.catalog_pricechange ({names}) FROM STDIN"
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in _lines(changes):
            copy.write_row(row)


def _lines(changes: Iterable[PriceChange]) -> Iterator[list[object]]:
    for change in changes:
        yield [getattr(change, name) for name in _COPY_COLUMNS]


__all__ = ["PeerPrices", "Provenance", "Review", "Reviewed", "origin_of", "step_of", "subject_of"]
