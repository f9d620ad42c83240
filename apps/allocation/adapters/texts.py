"""Rows of a run in COPY's text format; whatever many rows share is written once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from itertools import islice
from typing import Any, Final, TypeVar

from apps.allocation.domain.sources import Source
from apps.core.domain.canonical import canonical_json
from apps.core.domain.money import PUBLISHED_QUANTUM
from apps.costs.selectors import CostLine
from apps.directory.domain.attribution import Owner

Item = TypeVar("Item")

_QUANTA: Final = int(1 / PUBLISHED_QUANTUM)
_ESCAPES: Final = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
NULL: Final = "\\N"

SOURCE_COLUMNS: Final = (
    "id, run_id, key, quantity, billed, effective, saving, original_amount, first_day, last_day, "
    "tags, tag_set, account, origin, provider, service, model, meter, charge_category, basis, "
    "provider_account, original_month, sku, unit, unit_price, unit_size, price_source, price, "
    "original_currency, fx_rate, "
    "team, cost_center, product, feature, customer, experiment, environment, attribution"
)
"""First what every source has of its own; then its tags, its kind, and its owner."""


class SourceTexts:
    """Writes the sources of one run. Tags and owners are known by identity: keep them alive."""

    def __init__(self, run: int) -> None:
        self._run = run
        self._tags: dict[tuple[int, int | None, str], str] = {}
        self._kinds: dict[tuple[Any, ...], str] = {}
        self._owners: dict[int, str] = {}
        self._days: dict[tuple[date, date], str] = {}

    def row(self, number: int, line: CostLine, source: Source, owner: Owner) -> str:
        """Return the row of a source with its end of line."""
        tagged = (id(line.tags), line.tag_set_id, line.account)
        tags = self._tags.get(tagged)
        if tags is None:
            text = canonical_json(line.tags).decode()
            tags = self._tags[tagged] = joined((text, line.tag_set_id, line.account))
        kind = (
            *(line.origin, line.provider, line.service, line.model, line.meter),
            *(line.charge_category, line.basis, line.provider_account, line.original_month),
            *(line.sku, line.unit, line.unit_price, line.unit_size, line.price_source),
            *(line.price_id, line.original_currency, line.fx_rate),
        )
        kinds = self._kinds.get(kind)
        if kinds is None:
            kinds = self._kinds[kind] = joined(kind)
        holder = self._owners.get(id(owner))
        if holder is None:
            holder = self._owners[id(owner)] = _owner(owner)
        days = self._days.get((line.first_day, line.last_day))
        if days is None:
            days = f"{line.first_day}\t{line.last_day}"
            self._days[line.first_day, line.last_day] = days
        return (
            f"{number}\t{self._run}\t{line.key}\t{line.quantity}\t{source.billed}e-12\t"
            f"{source.effective}e-12\t{source.saving}e-12\t{line.original_amount}\t{days}\t{tags}\t{kinds}\t{holder}\n"
        )


def _owner(owner: Owner) -> str:
    return joined(
        (
            owner.team,
            owner.cost_center,
            owner.product,
            owner.feature,
            owner.customer,
            owner.experiment,
            owner.environment,
            owner.rule or "",
        )
    )


def joined(values: Iterable[object]) -> str:
    """Return values as cells of one row; None is NULL."""
    return "\t".join(NULL if value is None else escaped(str(value)) for value in values)


def escaped(text: str) -> str:
    """Escape a text for COPY's text format."""
    return text.translate(_ESCAPES)


def as_amount(units: int) -> str:
    """Write whole numbers of 1e-12 as a decimal: -1500000000000 becomes -1.500000000000."""
    whole, rest = divmod(abs(units), _QUANTA)
    return f"{'-' if units < 0 else ''}{whole}.{rest:012d}"


def batched(items: Iterable[Item], size: int) -> Iterator[tuple[Item, ...]]:
    """Yield items by `size`; the last batch may be smaller."""
    rest = iter(items)
    while batch := tuple(islice(rest, size)):
        yield batch
