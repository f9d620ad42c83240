"""Lines of a run one after the other, for what is too long to be held."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from uuid import UUID

from django.db.models import F

from apps.allocation.domain.facts import LineFacts
from apps.allocation.domain.rules import Axis
from apps.allocation.models import Basis, Line
from apps.allocation.selectors.runs import hops as hops_of
from apps.allocation.selectors.runs import line_facts, row_of

_HELD: Final = 2000


def count_lines(*, run: UUID, axis: Axis) -> int:
    """Return how many lines a run has on an axis; two queries.

    :raises RunMissing: when there is no such run.
    """
    return Line.objects.filter(run=row_of(run), axis=axis.value).count()


def each_line(*, run: UUID, axis: Axis) -> Iterator[LineFacts]:
    """Yield the lines of a run, those of a source together, markups and adjustments last.

    Holds 2,000 lines at a time; read it within the tenant in which it was called.

    :raises RunMissing: when there is no such run.
    """
    row = row_of(run)
    bases = {basis.pk: basis for basis in Basis.objects.filter(run=row, axis=axis.value)}
    hops = {pk: hops_of(basis) for pk, basis in bases.items()}
    lines = (
        Line.objects.filter(run=row, axis=axis.value)
        .select_related("source")
        .order_by(F("source__key").asc(nulls_last=True), "cost_center", "receiver", "id")
    )
    for line in lines.iterator(chunk_size=_HELD):
        yield line_facts(line, bases[line.basis_id], hops[line.basis_id])
