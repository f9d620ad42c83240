"""Questions about changes of prices: what waits for people, and what became of the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from apps.catalog.domain.conditions import Conditions
from apps.catalog.domain.meters import meter_facts
from apps.catalog.domain.published import Rate
from apps.catalog.domain.statements import SOURCES, Subject
from apps.catalog.models import PriceChange, PriceDecision, PriceObservation
from apps.core.domain.errors import Missing

_PLACE: Final = ("provider", "model", "meter", "pk")


@dataclass(frozen=True, slots=True)
class ChangeFacts:
    """A change of a price: what is listed when it was proposed, and what is to be.

    A `new` of None withdraws the price. `approvals` counts the people who approved so far.
    """

    id: int
    public_id: UUID
    subject: Subject
    meter_label: str
    unit: str
    kind: str
    old: Rate | None
    new: Rate | None
    valid_from: datetime | None
    valid_to: datetime | None
    source: str
    source_name: str
    agreeing: int
    differing: int
    approvers: int
    approvals: int
    caution: str
    note: str
    state: str
    basis: str
    proposed_at: datetime
    settled_at: datetime | None
    reading: UUID

    @property
    def new_in_old_units(self) -> Decimal | None:
        """Return the new amount for as many units as the old one is for; None without both."""
        if self.old is None or self.new is None or self.old.currency != self.new.currency:
            return None
        return self.new.amount * self.old.unit_size / self.new.unit_size

    @property
    def ratio(self) -> Decimal | None:
        """Return by how much of the old price the new one differs, 0.25 for a quarter more."""
        after = self.new_in_old_units
        if after is None or self.old is None or not self.old.amount:
            return None
        return (after - self.old.amount) / self.old.amount


@dataclass(frozen=True, slots=True)
class ChangeFilter:
    """Which changes to list; empty means all. `text` is looked for in provider, model, meter."""

    state: str = ""
    kind: str = ""
    provider: str = ""
    source: str = ""
    text: str = ""
    needs_two: bool = False
    is_settled: bool = False


@dataclass(frozen=True, slots=True)
class DecisionFacts:
    """What one person said of a change."""

    decided_by: str
    user_id: int
    verdict: str
    reason: str
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class StatedFacts:
    """What a source says of a subject, over a stretch of time."""

    source: str
    source_name: str
    rate: Rate
    valid_from: datetime | None
    valid_to: datetime | None
    stated_as: str
    known_from: datetime


def waiting_counts() -> dict[str, int]:
    """Return how many changes wait for a person, by kind, and under "two" those for two."""
    rows = PriceChange.objects.filter(state=PriceChange.State.PROPOSED)
    counts = dict(rows.order_by().values_list("kind").annotate(n=Count("pk")))
    found = {kind: counts.get(kind, 0) for kind in PriceChange.Kind.values}
    return {**found, "two": rows.filter(approvers=2).count()}


def changes(
    *,
    wanted: ChangeFilter,
    limit: int,
    after: tuple[str, str, str, int] | None = None,
) -> list[ChangeFacts]:
    """Return up to `limit` changes; waiting ones by name, settled ones newest first."""
    rows = _with_approvals(_filtered(wanted))
    if wanted.state == PriceChange.State.PROPOSED:
        if after is not None:
            rows = rows.filter(_behind(after))
        rows = rows.order_by(*_PLACE)
    else:
        if after is not None:
            rows = rows.filter(pk__lt=after[3])
        rows = rows.order_by("-pk")
    return [_facts(row) for row in rows[:limit]]


def change(*, public_id: UUID) -> ChangeFacts:
    """Return one change.

    :raises Missing: when there is none.
    """
    row = _with_approvals(PriceChange.objects.filter(public_id=public_id)).first()
    if row is None:
        raise Missing("There is no such change of a price.", code="price_change_unknown")
    return _facts(row)


def changes_named(*, ids: Sequence[UUID]) -> list[ChangeFacts]:
    """Return these changes by name; one query, and what is not there is left out."""
    rows = _with_approvals(PriceChange.objects.filter(public_id__in=ids))
    return [_facts(row) for row in rows.order_by(*_PLACE)]


def decisions_of(*, change: int) -> list[DecisionFacts]:
    """Return what people said of a change, in order."""
    return [
        DecisionFacts(row.decided_by, row.user_id, row.verdict, row.reason, row.decided_at)
        for row in PriceDecision.objects.filter(change=change).order_by("pk")
    ]


def statements_about(*, subject: Subject) -> list[StatedFacts]:
    """Return what every source says of a subject now, by source and time."""
    rows = PriceObservation.objects.filter(subject=subject.key, known_to__isnull=True)
    return [
        StatedFacts(
            source=row.source,
            source_name=SOURCES[row.source].name,
            rate=Rate(row.amount, row.unit_size, row.currency),
            valid_from=row.valid_from,
            valid_to=row.valid_to,
            stated_as=row.stated_as,
            known_from=row.known_from,
        )
        for row in rows.order_by("source", "valid_from", "pk")
    ]


def _filtered(wanted: ChangeFilter) -> QuerySet[PriceChange]:
    rows = PriceChange.objects.all()
    for name in ("state", "kind", "provider", "source"):
        value = getattr(wanted, name)
        if value:
            rows = rows.filter(**{name: value})
    if wanted.is_settled:
        rows = rows.exclude(state=PriceChange.State.PROPOSED)
    if wanted.needs_two:
        rows = rows.filter(approvers=2)
    for word in wanted.text.split():
        rows = rows.filter(
            Q(provider__icontains=word) | Q(model__icontains=word) | Q(meter__icontains=word)
        )
    return rows


def _behind(after: tuple[str, str, str, int]) -> Q:
    beyond, equal = Q(pk__in=[]), Q()
    for column, value in zip(_PLACE, after, strict=True):
        beyond |= equal & Q(**{f"{column}__gt": value})
        equal &= Q(**{column: value})
    return beyond


def _with_approvals(rows: QuerySet[PriceChange]) -> QuerySet[PriceChange]:
    approved = Count("decisions", filter=Q(decisions__verdict="approve"))
    return rows.annotate(approvals=approved)


def _facts(row: PriceChange) -> ChangeFacts:
    conditions = Conditions(*(getattr(row, name) for name in Conditions._fields))
    old = (
        None
        if row.old_amount is None or row.old_unit_size is None
        else Rate(row.old_amount, row.old_unit_size, row.old_currency)
    )
    new = None if row.amount is None else Rate(row.amount, row.unit_size, row.currency)
    meter = meter_facts(row.meter)
    return ChangeFacts(
        id=row.pk,
        public_id=row.public_id,
        subject=Subject(row.provider, row.model, row.meter, conditions),
        meter_label=meter.label,
        unit=meter.unit,
        kind=row.kind,
        old=old,
        new=new,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        source=row.source,
        source_name=row.source_label,
        agreeing=row.agreeing,
        differing=row.differing,
        approvers=row.approvers,
        approvals=getattr(row, "approvals", 0),
        caution=row.caution,
        note=row.note,
        state=row.state,
        basis=row.basis,
        proposed_at=row.proposed_at,
        settled_at=row.settled_at,
        reading=row.reading_id,
    )


__all__ = [
    "ChangeFacts",
    "ChangeFilter",
    "DecisionFacts",
    "StatedFacts",
    "change",
    "changes",
    "changes_named",
    "decisions_of",
    "statements_about",
    "waiting_counts",
]
