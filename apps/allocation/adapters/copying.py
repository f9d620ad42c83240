"""Writes a run's sources, reasons and lines by COPY: three statements, however many rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from django.db import connection

from apps.allocation.adapters.texts import NULL, SOURCE_COLUMNS, SourceTexts, batched, joined
from apps.allocation.domain.bases import Basis
from apps.allocation.domain.engine import AxisAllocation
from apps.allocation.domain.proof import Sealer
from apps.allocation.domain.routes import Hop
from apps.allocation.domain.rules import Axis
from apps.allocation.selectors.inputs import Inputs
from apps.core.db import current_schema
from apps.core.domain.canonical import canonical_json

_SHARE_SCALE: Final = 10**18
_LINES_A_WRITE: Final = 500
_SOURCES_A_WRITE: Final = 60
"""Some 40 kB a write, sources being six times as long: it fits the socket, so that the database
reads a piece while the next is made."""

_BASIS_COLUMNS: Final = (
    "id, run_id, axis, receiver, kind, rule, method, driver, measure, driver_value, "
    "driver_total, share, share_exact, hops"
)
_LINE_COLUMNS: Final = (
    "run_id, axis, source_id, basis_id, receiver, cost_center, kind, billed, effective"
)


def write_sources(*, run: int, inputs: Inputs) -> list[int]:
    """Write the sources of a run in their order and return their ids."""
    ids = _reserve("allocation_source", len(inputs.sources))
    rows = zip(ids, inputs.lines, inputs.sources, inputs.owners, strict=True)
    texts = SourceTexts(run)
    with connection.cursor() as cursor, cursor.copy(_copy("source", SOURCE_COLUMNS)) as copy:
        for some in batched(rows, _SOURCES_A_WRITE):
            copy.write("".join(texts.row(*row) for row in some))
    return ids


def write_axis(*, run: int, inputs: Inputs, axis: Axis, sources: Sequence[int]) -> Sealer:
    """Write the lines and then the reasons of one axis; return their sums and digest."""
    allocation = inputs.allocations[axis]
    sealer = Sealer(allocation)
    ids = _reserve("allocation_basis", allocation.most_bases())
    _write_lines(run=run, inputs=inputs, sealer=sealer, sources=sources, ids=ids)
    _write_bases(run, allocation, ids)
    return sealer


def _write_lines(
    *, run: int, inputs: Inputs, sealer: Sealer, sources: Sequence[int], ids: Sequence[int]
) -> None:
    bases, axis = sealer.allocation.bases, sealer.allocation.axis
    centers = _CostCenters(inputs, axis)
    heads: dict[tuple[int, str], str] = {}
    start = f"{run}\t{axis.value}\t"
    origins: list[object] = [*sources, NULL]
    pending: list[str] = []
    with connection.cursor() as cursor, cursor.copy(_copy("line", _LINE_COLUMNS)) as copy:
        for source, basis, billed, effective in sealer.lines():
            found = bases[basis]
            center = centers.of(found, source)
            head = heads.get((basis, center))
            if head is None:
                texts = joined((ids[basis], found.receiver, center, found.kind))
                head = heads[basis, center] = f"\t{texts}\t"
            pending.append(f"{start}{origins[source]}{head}{billed}e-12\t{effective}e-12\n")
            if len(pending) == _LINES_A_WRITE:
                copy.write("".join(pending))
                pending.clear()
        copy.write("".join(pending))


class _CostCenters:
    """Tells the cost center of a line: its owner's of that day, or its receiver's at month end."""

    def __init__(self, inputs: Inputs, axis: Axis) -> None:
        self._owners = [owner.cost_center for owner in inputs.owners]
        self._holders = inputs.holders(axis)
        self._of_receiver: Mapping[str, str] = inputs.cost_centers if axis is Axis.TEAM else {}
        self._by_team = axis is Axis.TEAM

    def of(self, basis: Basis, source: int) -> str:
        if not self._by_team:
            return basis.receiver
        if source >= 0 and not basis.hops:
            return self._owners[source]
        if source >= 0 and self._holders[source] == basis.receiver:
            return self._owners[source]
        return self._of_receiver.get(basis.receiver, basis.receiver)


def _write_bases(run: int, allocation: AxisAllocation, ids: Sequence[int]) -> None:
    with connection.cursor() as cursor, cursor.copy(_copy("basis", _BASIS_COLUMNS)) as copy:
        for id, basis in zip(ids, allocation.bases, strict=False):
            copy.write_row(
                (
                    id,
                    run,
                    allocation.axis.value,
                    basis.receiver,
                    basis.kind,
                    basis.rule,
                    basis.method,
                    basis.driver,
                    basis.measure,
                    basis.driver_value,
                    basis.driver_total,
                    _share(basis),
                    f"{basis.share.numerator}/{basis.share.denominator}",
                    canonical_json([_hop(hop) for hop in basis.hops]).decode(),
                )
            )


def _share(basis: Basis) -> str:
    return as_share(round(basis.share * _SHARE_SCALE))


def as_share(units: int) -> str:
    """Write whole numbers of 1e-18 as a decimal."""
    whole, rest = divmod(abs(units), _SHARE_SCALE)
    return f"{'-' if units < 0 else ''}{whole}.{rest:018d}"


def _hop(hop: Hop) -> dict[str, Any]:
    fields: dict[str, Any] = hop._asdict()
    for name in ("value", "total"):
        fields[name] = f"{fields[name]:f}" if isinstance(fields[name], Decimal) else fields[name]
    return fields | {"share": f"{hop.share.numerator}/{hop.share.denominator}"}


def _copy(table: str, columns: str) -> str:
    schema = connection.ops.quote_name(current_schema())
    return f"COPY {schema}.allocation_{table} ({columns}) FROM STDIN"


def _reserve(table: str, count: int) -> list[int]:
    """Take `count` ids of a table's sequence, ascending."""
    name = f"{connection.ops.quote_name(current_schema())}.{table}"
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT array_agg(nextval(s.name)) FROM (SELECT pg_get_serial_sequence(%s, 'id')"
            "::regclass AS name OFFSET 0) s, generate_series(1, %s)",
            [name, count],
        )
        return sorted(cursor.fetchone()[0] or ())
