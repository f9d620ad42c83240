"""Questions across the lines of runs: where pools went, and what changed between two runs."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from uuid import UUID

from django.db.models import Sum

from apps.allocation.domain.facts import LineChange, LineFacts, PoolFlow
from apps.allocation.domain.rules import Axis
from apps.allocation.models import Line, Run
from apps.allocation.selectors.runs import RunMissing, lines_of, row_of
from apps.core.domain.months import Month

_KINDS = ("direct", "shared", "unallocated")


def pool_flows(*, run: UUID, axis: Axis) -> list[PoolFlow]:
    """Return what each rule handed to each receiver, the largest first; two queries.

    The last rule on the way counts, so that the flows into a receiver sum to its shared cost.
    Markups and adjustments are no pools.
    """
    rows = (
        Line.objects.filter(run=row_of(run), axis=axis.value, kind__in=_KINDS)
        .exclude(basis__rule="")
        .values("basis__rule", "receiver")
        .annotate(effective=Sum("effective"))
    )
    flows = [PoolFlow(row["basis__rule"], row["receiver"], row["effective"]) for row in rows]
    return sorted(flows, key=lambda flow: (-flow.effective, flow.rule, flow.receiver))


def line_changes(*, before: UUID, after: UUID, axis: Axis, receiver: str) -> list[LineChange]:
    """Return what changed for a receiver line by line, the biggest difference first."""
    old = _by_line(lines_of(run=before, axis=axis, receiver=receiver))
    new = _by_line(lines_of(run=after, axis=axis, receiver=receiver))
    changes = [
        LineChange(
            source=source,
            rule=rule,
            what=(new.get((source, rule)) or old[source, rule])[0],
            before=old[source, rule][1] if (source, rule) in old else None,
            after=new[source, rule][1] if (source, rule) in new else None,
        )
        for source, rule in old.keys() | new.keys()
    ]
    moved = [change for change in changes if change.difference]
    return sorted(moved, key=lambda one: (-abs(one.difference), one.source, one.rule))


def runs_beside(run: UUID) -> list[tuple[UUID, str]]:
    """Return the other runs of a run's month with their states, the newest first; two queries."""
    row = row_of(run)
    others = Run.objects.filter(month=row.month).exclude(pk=row.pk).order_by("-id")
    return [(other.public_id, other.state) for other in others[:50]]


def same_month(*, before: UUID, after: UUID) -> Month:
    """Return the month of two runs.

    :raises RunMissing: when one is not there, or they are of two months.
    """
    first, second = row_of(before), row_of(after)
    if first.month != second.month:
        raise RunMissing("Compare two runs of the same month.")
    return Month.of(second.month)


def _by_line(lines: Iterable[LineFacts]) -> dict[tuple[str, str], tuple[str, Decimal]]:
    found: dict[tuple[str, str], tuple[str, Decimal]] = {}
    for line in lines:
        key = (line.source, line.rule)
        known = found.get(key, ("", Decimal(0)))[1]
        parts = (line.provider, line.model or line.service, line.meter or line.charge_category)
        what = " ".join(part for part in parts if part) or line.kind
        found[key] = (what, known + line.effective)
    return found
