"""Executes the tables of docs/money.md."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from apps.core.domain.shares import split_exactly
from apps.rating.domain.rate import cost_of
from tests.allocation.build import cents
from tests.allocation.test_engine import two_senders

PAGE = Path(__file__).resolve().parents[2] / "docs" / "money.md"


def rows_of(table: str) -> list[list[str]]:
    """Return the cells of the table behind a marker of the page."""
    lines = PAGE.read_text().split(f"<!-- table: {table} -->")[1].strip().splitlines()
    cells = []
    for line in lines:
        if not line.startswith("|"):
            break
        cells.append([cell.strip() for cell in line.strip("|").split("|")])
    return cells[2:]


def numbers(cell: str) -> list[Decimal]:
    return [Decimal(part) for part in cell.split(",")]


@pytest.mark.parametrize("row", rows_of("prices"), ids=lambda row: row[0])
def test_prices(row: list[str]) -> None:
    quantity, price, unit_size, cost = row
    found = cost_of(quantity=Decimal(quantity), amount=Decimal(price), unit_size=int(unit_size))
    assert found == Decimal(cost)


def test_the_sums_that_the_text_names() -> None:
    costs = [Decimal(row[3]) for row in rows_of("prices")]
    assert costs[0] + costs[1] == Decimal("0.06144")
    assert costs[3] + costs[4] == Decimal("47.608895")


@pytest.mark.parametrize("row", rows_of("shares"), ids=lambda row: f"{row[0]} {row[2]}")
def test_shares(row: list[str]) -> None:
    total, quantum, weights, parts = row
    found = split_exactly(Decimal(total), dict(enumerate(numbers(weights))), Decimal(quantum))
    assert list(found.values()) == numbers(parts)
    assert sum(found.values()) == Decimal(total)


@pytest.mark.parametrize(
    ("row", "levels"),
    list(
        zip(
            rows_of("senders"),
            [{}, {"s2_level": 2}, {"s1_level": 2}, {"final_only": True}],
            strict=True,
        )
    ),
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_senders(row: list[str], levels: dict[str, int]) -> None:
    assert cents(two_senders(**levels)) == {"P1": row[1], "P2": row[2]}
