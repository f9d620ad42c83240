"""Sums the cost base by resolved dimensions; sums never depend on how they are grouped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple

from apps.core.domain.errors import FieldError, Invalid
from apps.core.domain.money import EXACT
from apps.costs.domain.lines import ZERO, CostLine
from apps.directory.domain.attribution import Owner

TAG_PREFIX: Final = "tag:"
MOST_DIMENSIONS: Final = 6


class UnknownDimension(Invalid):
    """Costs are not kept by that."""

    default_code = "group_by"


class OwnedLine(NamedTuple):
    """A cost line and whose it is."""

    line: CostLine
    owner: Owner


@dataclass(frozen=True, slots=True)
class CostRow:
    """The sum of some lines; `values` follow the dimensions asked for.

    `quantity` is the sum in `unit`, absent when the lines count in several units.
    """

    values: tuple[str, ...]
    billed: Decimal
    effective: Decimal
    quantity: Decimal | None
    unit: str
    lines: int


_OF_OWNER: Final[Mapping[str, Callable[[Owner], str]]] = {
    "team": lambda owner: owner.team,
    "product": lambda owner: owner.product,
    "feature": lambda owner: owner.feature,
    "customer": lambda owner: owner.customer,
    "experiment": lambda owner: owner.experiment,
    "environment": lambda owner: owner.environment,
    "cost_center": lambda owner: owner.cost_center,
}
_OF_LINE: Final[Mapping[str, Callable[[CostLine], str]]] = {
    "provider": lambda line: line.provider,
    "service": lambda line: line.service,
    "model": lambda line: line.model,
    "sku": lambda line: line.sku,
    "meter": lambda line: line.meter,
    "account": lambda line: line.account,
    "credential": lambda line: line.tags.get("credential", ""),
    "operation": lambda line: line.tags.get("operation", ""),
    "charge_category": lambda line: line.charge_category,
    "origin": lambda line: line.origin,
    "basis": lambda line: line.basis.value,
    "provider_account": lambda line: line.provider_account,
    "currency": lambda line: line.original_currency,
}
DIMENSIONS: Final = (*_OF_OWNER, *_OF_LINE)


def dimension(name: str) -> Callable[[OwnedLine], str]:
    """Return the function that reads a dimension of a line.

    :raises UnknownDimension: when there is none of that name.
    """
    if name in _OF_OWNER:
        of_owner = _OF_OWNER[name]
        return lambda owned: of_owner(owned.owner)
    if name in _OF_LINE:
        of_line = _OF_LINE[name]
        return lambda owned: of_line(owned.line)
    if name.startswith(TAG_PREFIX) and len(name) > len(TAG_PREFIX):
        key = name[len(TAG_PREFIX) :]
        return lambda owned: owned.line.tags.get(key, "")
    known = ", ".join(DIMENSIONS)
    message = f"{name!r} is no dimension; group by {known} or tag:<key>."
    raise UnknownDimension(message, errors=(FieldError("group_by", "unknown", message),))


def check_group_by(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names, each once, when all can be grouped by.

    :raises UnknownDimension: when one cannot, or there are too many.
    """
    unique = tuple(dict.fromkeys(names))
    if len(unique) > MOST_DIMENSIONS:
        raise UnknownDimension(f"Group by at most {MOST_DIMENSIONS} dimensions.")
    for name in unique:
        dimension(name)
    return unique


def grouped(owned: Iterable[OwnedLine], by: Sequence[str]) -> tuple[CostRow, ...]:
    """Return one row a combination of values, the dearest first; no dimension gives one row.

    :raises UnknownDimension: when a dimension is not known.
    """
    readers = [dimension(name) for name in by]
    found: dict[tuple[str, ...], list[CostLine]] = {}
    for each in owned:
        found.setdefault(tuple(read(each) for read in readers), []).append(each.line)
    rows = [_row(values, lines) for values, lines in found.items()]
    return tuple(sorted(rows, key=lambda row: (-row.effective, row.values)))


def _row(values: tuple[str, ...], lines: Sequence[CostLine]) -> CostRow:
    billed, effective, quantity = ZERO, ZERO, ZERO
    for line in lines:
        billed = EXACT.add(billed, line.billed)
        effective = EXACT.add(effective, line.effective)
        quantity = EXACT.add(quantity, line.quantity)
    units = {line.unit for line in lines}
    unit = units.pop() if len(units) == 1 else ""
    return CostRow(values, billed, effective, quantity if unit else None, unit, len(lines))
