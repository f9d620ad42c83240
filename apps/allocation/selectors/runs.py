"""Questions to runs and their lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Count, Sum

from apps.allocation.domain.facts import Amounts, Change, HopFacts, LineFacts, RunFacts
from apps.allocation.domain.rules import Axis
from apps.allocation.models import Basis, Line, Run, RunState, Source
from apps.core.domain.errors import Missing
from apps.core.domain.months import Month

_ZERO = Decimal(0)


class RunMissing(Missing):
    """There is no such allocation run."""

    default_code = "run_not_found"


def published(month: Month) -> RunFacts:
    """Return the published run of a month; two queries.

    :raises RunMissing: when the month has none yet.
    """
    row = Run.objects.filter(month=month.first_day, state=RunState.PUBLISHED).first()
    if row is None:
        raise RunMissing(f"{month} has not been allocated yet.")
    return run_facts(row)


def published_or_none(month: Month) -> RunFacts | None:
    """Return the published run of a month if there is one; at most two queries."""
    row = Run.objects.filter(month=month.first_day, state=RunState.PUBLISHED).first()
    return run_facts(row) if row is not None else None


def run(id: UUID) -> RunFacts:
    """Return a run by its public id; two queries.

    :raises RunMissing: when there is none.
    """
    return run_facts(row_of(id))


def runs(
    *, month: Month | None = None, limit: int = 50, before: int | None = None
) -> list[RunFacts]:
    """Return runs, newest first, that came before a row id; two queries."""
    rows = Run.objects.order_by("-id")
    if month is not None:
        rows = rows.filter(month=month.first_day)
    if before is not None:
        rows = rows.filter(id__lt=before)
    found = list(rows[:limit])
    sums = _sums(found)
    return [_facts(row, sums.get(row.pk, {})) for row in found]


def published_sums() -> dict[Month, Amounts]:
    """Return the cost base of every month that has a published run; one query."""
    rows = Run.objects.filter(state=RunState.PUBLISHED).order_by("month")
    return {
        Month.of(month): Amounts(billed, effective)
        for month, billed, effective in rows.values_list("month", "billed", "effective")
    }


def totals_by_receiver(*, run: UUID, axis: Axis) -> dict[str, Amounts]:
    """Return the sums of a run's lines by receiver, in order of the receivers; two queries."""
    rows = (
        Line.objects.filter(run=row_of(run), axis=axis.value)
        .values("receiver")
        .annotate(billed=Sum("billed"), effective=Sum("effective"))
        .order_by("receiver")
    )
    return {row["receiver"]: Amounts(row["billed"], row["effective"]) for row in rows}


def totals_by_cost_center(*, run: UUID) -> dict[str, Amounts]:
    """Return the sums of the team axis by cost center, in order of the codes; two queries."""
    rows = (
        Line.objects.filter(run=row_of(run), axis=Axis.TEAM.value)
        .values("cost_center")
        .annotate(billed=Sum("billed"), effective=Sum("effective"))
        .order_by("cost_center")
    )
    return {row["cost_center"]: Amounts(row["billed"], row["effective"]) for row in rows}


def coverage(*, run: UUID, axis: Axis) -> dict[str, Amounts]:
    """Return the sums of an axis by kind: direct, shared, unallocated, markup; two queries."""
    rows = (
        Line.objects.filter(run=row_of(run), axis=axis.value)
        .values("kind")
        .annotate(billed=Sum("billed"), effective=Sum("effective"), lines=Count("id"))
        .order_by("kind")
    )
    return {row["kind"]: Amounts(row["billed"], row["effective"]) for row in rows}


def lines_of(
    *,
    run: UUID,
    axis: Axis | str,
    receiver: str | None = None,
    cost_center: str | None = None,
    source: str | None = None,
) -> list[LineFacts]:
    """Return lines of a run with reasons and sources, by cost center, receiver and source key.

    Three queries, however many lines. An empty list when nothing matches.

    :raises RunMissing: when there is no such run.
    """
    row = row_of(run)
    lines = Line.objects.filter(run=row, axis=str(axis))
    if receiver is not None:
        lines = lines.filter(receiver=receiver)
    if cost_center is not None:
        lines = lines.filter(cost_center=cost_center)
    if source is not None:
        lines = lines.filter(source__key=source, source__run=row)
    bases = {basis.pk: basis for basis in Basis.objects.filter(run=row, axis=str(axis))}
    hops_by_basis = {pk: hops(basis) for pk, basis in bases.items()}
    ordered = lines.select_related("source").order_by(
        "cost_center", "receiver", "source__key", "id"
    )
    return [
        line_facts(line, bases[line.basis_id], hops_by_basis[line.basis_id]) for line in ordered
    ]


def compare(*, before: UUID, after: UUID) -> list[Change]:
    """Return what each receiver bears in two runs, biggest difference first."""
    changes = []
    for axis in Axis:
        old = totals_by_receiver(run=before, axis=axis)
        new = totals_by_receiver(run=after, axis=axis)
        changes += [
            Change(
                axis=axis,
                receiver=code,
                before=old[code].effective if code in old else _ZERO,
                after=new[code].effective if code in new else _ZERO,
            )
            for code in sorted(old.keys() | new.keys())
        ]
    return sorted(
        changes, key=lambda change: (-abs(change.difference), change.axis, change.receiver)
    )


def run_facts(row: Run) -> RunFacts:
    """Return a run as a frozen value; one query for the sums of its lines."""
    return _facts(row, _sums([row]).get(row.pk, {}))


def _sums(rows: Iterable[Run]) -> dict[int, dict[str, Amounts]]:
    """Return the sums of lines by run and axis; one query."""
    sums = (
        Line.objects.filter(run__in=[row.pk for row in rows])
        .values("run", "axis")
        .annotate(billed=Sum("billed"), effective=Sum("effective"))
    )
    found: dict[int, dict[str, Amounts]] = {}
    for item in sums:
        by_axis = found.setdefault(item["run"], {})
        by_axis[item["axis"]] = Amounts(item["billed"], item["effective"])
    return found


def _facts(row: Run, found: Mapping[str, Amounts]) -> RunFacts:
    nothing = Amounts(_ZERO, _ZERO)
    return RunFacts(
        id=row.public_id,
        month=Month.of(row.month),
        state=row.state,
        currency=row.currency,
        input_hash=row.input_hash,
        output_hash=row.output_hash,
        sources_hash=row.sources_hash,
        engine_version=row.engine_version,
        sources=Amounts(row.billed, row.effective),
        totals={axis: found.get(axis.value, nothing) for axis in Axis},
        rounding=row.rounding,
        source_count=row.source_count,
        line_count=row.line_count,
        name=row.name,
        provisional_fx=row.provisional_fx,
        rules=tuple(row.rules),
        drivers=row.drivers,
        created_at=row.created_at,
        created_by=row.created_by,
        published_at=row.published_at,
        superseded_at=row.superseded_at,
    )


def source_sums(*, run: UUID) -> Amounts:
    """Return the sums of a run's sources; two queries."""
    sums = Source.objects.filter(run=row_of(run)).aggregate(
        billed=Sum("billed"), effective=Sum("effective")
    )
    return Amounts(sums["billed"] or _ZERO, sums["effective"] or _ZERO)


def row_of(id: UUID) -> Run:
    """Return the row of a run.

    :raises RunMissing: when there is none.
    """
    row = Run.objects.filter(public_id=id).first()
    if row is None:
        raise RunMissing("There is no such allocation run.")
    return row


def hops(basis: Basis) -> tuple[HopFacts, ...]:
    """Return the steps of a basis."""
    return tuple(HopFacts(**hop) for hop in basis.hops)


def line_facts(line: Line, basis: Basis, hops: tuple[HopFacts, ...]) -> LineFacts:
    """Return a line with its reason and its source."""
    return LineFacts(
        axis=Axis(line.axis),
        receiver=line.receiver,
        cost_center=line.cost_center,
        kind=line.kind,
        rule=basis.rule,
        method=basis.method,
        driver=basis.driver,
        measure=basis.measure,
        driver_value=basis.driver_value,
        driver_total=basis.driver_total,
        share=basis.share,
        share_exact=basis.share_exact,
        hops=hops,
        billed=line.billed,
        effective=line.effective,
        **_source_fields(line.source),
    )


def _source_fields(source: Source | None) -> dict[str, Any]:
    if source is None:
        return dict(_NO_SOURCE)
    return {
        "source": source.key,
        "price_id": source.price,
        "tag_set_id": source.tag_set,
        **{name: getattr(source, name) for name in _COPIED},
    }


_COPIED = (
    "origin",
    "basis",
    "provider_account",
    "original_month",
    "provider",
    "service",
    "model",
    "sku",
    "meter",
    "account",
    "charge_category",
    "quantity",
    "unit",
    "unit_price",
    "unit_size",
    "price_source",
    "original_currency",
    "original_amount",
    "fx_rate",
    "tags",
    "first_day",
    "last_day",
    "team",
    "product",
    "feature",
    "customer",
    "experiment",
    "environment",
    "attribution",
)
_TEXTS = frozenset(_COPIED) - {
    "quantity",
    "unit_price",
    "unit_size",
    "original_amount",
    "fx_rate",
    "tags",
    "first_day",
    "last_day",
}
_NO_SOURCE: dict[str, Any] = {
    "source": "",
    "price_id": None,
    "tag_set_id": None,
    **{name: "" if name in _TEXTS else None for name in _COPIED},
    "tags": {},
}
