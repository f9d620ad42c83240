"""Questions to roll-ups: lists, one with its content, what came before; for whole sight only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from apps.allocation.domain.sight import require_everything
from apps.chargeback.domain.facts import Earlier
from apps.chargeback.domain.rollups import Issued, RollupKind, RollupMissing
from apps.chargeback.models import Rollup, Statement
from apps.core.domain.access import Actor, Scope
from apps.core.domain.money import minor_quantum
from apps.core.domain.months import Month
from apps.directory import selectors as directory
from apps.documents import selectors as documents
from apps.documents.domain.states import State

HISTORY: Final = 12
"""Months before the one stated that the trend shows."""

Key = tuple[RollupKind, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RollupFacts:
    """One roll-up in a list; amounts in the currency's minor unit.

    `code` is empty for what no product or customer carries. `previous` is last month's total.
    """

    id: UUID
    month: Month
    kind: RollupKind
    code: str
    name: str
    currency: str
    total: Decimal
    previous: Decimal | None
    sections: Mapping[str, Decimal]
    parts: int
    number: str
    issued_at: datetime | None
    run: UUID
    data_hash: str
    replaces: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RollupDetail:
    """A roll-up with its whole printed content."""

    facts: RollupFacts
    payload: Mapping[str, Any]


def rollups(*, month: Month, kind: RollupKind | None = None, actor: Actor) -> list[RollupFacts]:
    """Return the roll-ups of the month's issued statements, by kind and name; two queries.

    While new statements are not rolled up yet there are none: old figures would pass for theirs.

    :raises Forbidden: when the actor may not read costs, or sees only some of them.
    """
    actor.require(Scope.COSTS_READ)
    require_everything(actor)
    issued = Statement.objects.filter(
        month=month.first_day, document__state=State.SEALED.value
    ).order_by("-id")
    latest = issued.values_list("run", flat=True).first()
    if latest is None:
        return []
    rows = Rollup.objects.filter(run=latest)
    if kind is not None:
        rows = rows.filter(kind=kind.value)
    found = [_facts(row) for row in rows.order_by("kind", "code").values(*_READ)]
    return sorted(found, key=lambda one: (one.kind, one.code == "", one.name.casefold(), one.code))


def rollup(id: UUID, *, actor: Actor) -> RollupDetail:
    """Return a roll-up with its content, also one that was replaced; three queries.

    :raises Forbidden: when the actor may not read costs, or sees only some of them.
    :raises RollupMissing: when there is none.
    """
    actor.require(Scope.COSTS_READ)
    require_everything(actor)
    row = Rollup.objects.filter(document__public_id=id).values(*_READ).first()
    if row is None:
        raise RollupMissing("There is no such roll-up.")
    return RollupDetail(facts=_facts(row), payload=documents.document(id).payload)


def names(month: Month, statements: Iterable[Issued]) -> dict[Key, str]:
    """Return the names of parents, products and customers that are registered; four queries."""
    day = month.last_day
    found: dict[Key, str] = {(RollupKind.PARENT, one.cost_center): one.name for one in statements}
    found |= {(RollupKind.PARENT, one.code): one.name for one in directory.cost_centers(day)}
    found |= {(RollupKind.PRODUCT, one.code): one.name for one in directory.products(day)}
    found |= {(RollupKind.CUSTOMER, one.code): one.name for one in directory.customers(day)}
    return found | {
        (RollupKind.PRODUCT, ""): "No product",
        (RollupKind.CUSTOMER, ""): "No customer",
    }


def earlier(month: Month, *, currency: str) -> dict[Key, Earlier]:
    """Return what the same roll-ups came to in the months before; two queries.

    Of a month that was closed again only the newest run counts: what it names no more was nothing.
    """
    rows = list(
        Rollup.objects.filter(
            month__gte=(month - HISTORY).first_day,
            month__lt=month.first_day,
            document__currency=currency,
            document__state=State.SEALED.value,
        )
        .order_by("month", "id")
        .values_list("kind", "code", "month", "run", "document__total", "document__public_id")
    )
    newest = {day: run for _kind, _code, day, run, _total, _id in rows}
    totals: dict[Key, dict[Month, Decimal]] = {}
    last: dict[Key, UUID] = {}
    for kind, code, day, run, total, id in rows:
        if run != newest[day]:
            continue
        key = (RollupKind(kind), code)
        totals.setdefault(key, {})[Month.of(day)] = total
        if Month.of(day) == month - 1:
            last[key] = id
    before = documents.documents(last.values())
    return {
        key: Earlier(
            payload=before[last[key]].payload if key in last else None,
            number=before[last[key]].number if key in last else "",
            totals=tuple(sorted(sums.items())),
        )
        for key, sums in totals.items()
    }


def issued(month: Month) -> dict[Key, UUID]:
    """Return the document of the latest issued roll-up of each kind and code; one query."""
    rows = Rollup.objects.filter(
        month=month.first_day, document__state=State.SEALED.value
    ).order_by("id")
    return {
        (RollupKind(kind), code): id
        for kind, code, id in rows.values_list("kind", "code", "document__public_id")
    }


def months_to_roll_up(*, first: Month) -> list[Month]:
    """Return the months from the given one on whose issued run was not rolled up; two queries."""
    done = Rollup.objects.filter(month__gte=first.first_day).values("run")
    rows = Statement.objects.filter(
        month__gte=first.first_day, document__state=State.SEALED.value
    ).exclude(run__in=done)
    return [
        Month.of(day) for day in rows.order_by("month").values_list("month", flat=True).distinct()
    ]


_READ: Final = (
    "month",
    "kind",
    "code",
    "run",
    "document__public_id",
    "document__subject_name",
    "document__currency",
    "document__total",
    "document__number",
    "document__issued_at",
    "document__data_hash",
    "document__supersedes__number",
    "document__payload__sections",
    "document__payload__rollup__parts",
    "document__payload__change__previous__total",
)


def _facts(row: Mapping[str, Any]) -> RollupFacts:
    currency = row["document__currency"]
    previous = row["document__payload__change__previous__total"]
    sections = row["document__payload__sections"]
    return RollupFacts(
        id=row["document__public_id"],
        month=Month.of(row["month"]),
        kind=RollupKind(row["kind"]),
        code=row["code"],
        name=row["document__subject_name"],
        currency=currency,
        total=row["document__total"].quantize(minor_quantum(currency)),
        previous=Decimal(previous) if previous is not None else None,
        sections={name: Decimal(amount) for name, amount in sections.items()},
        parts=len(row["document__payload__rollup__parts"]),
        number=row["document__number"] or "",
        issued_at=row["document__issued_at"],
        run=row["run"],
        data_hash=row["document__data_hash"],
        replaces=row["document__supersedes__number"] or "",
    )
