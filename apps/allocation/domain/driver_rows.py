"""Reads driver values written a row a line: `receiver,value`, as pasted or out of a CSV file."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

MOST_ROWS: Final = 5_000
MOST_BYTES: Final = 512 * 1024

_NUMBER: Final = re.compile(r"[+-]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})", re.ASCII)
_HEADS: Final = frozenset({"receiver", "team", "customer"})
_SHOWN: Final = 80
_LONGEST: Final = 64


@dataclass(frozen=True, slots=True, order=True)
class RowProblem:
    """A row that cannot be kept: its line, its text as far as it is shown, and the remedy."""

    line: int
    text: str
    remedy: str


@dataclass(frozen=True, slots=True)
class DriverRows:
    """What was read: values by receiver, the lines they stand on, and the rows that are wrong."""

    values: Mapping[str, Decimal]
    rows: Mapping[str, tuple[int, str]]
    problems: tuple[RowProblem, ...]
    count: int

    def problem(self, receiver: str, remedy: str) -> RowProblem:
        """Return what is wrong with the row of a receiver that was read."""
        line, text = self.rows[receiver]
        return RowProblem(line, text, remedy)


class _Wrong(Exception):
    """A row cannot be read; the message is the remedy."""


def read_driver_rows(text: str) -> DriverRows:
    """Read rows of a receiver and a number, split by a comma, or by a tab as spreadsheets paste.

    Blank lines are skipped, and so is a first row of heads. Line numbers count from 1 and count
    blank lines too. A receiver that comes twice is wrong at each line but the first.
    """
    values: dict[str, Decimal] = {}
    rows: dict[str, tuple[int, str]] = {}
    problems = []
    count = 0
    for line, raw in _filled(text):
        count += 1
        shown = raw.strip()[:_SHOWN]
        try:
            receiver, number = _cells(raw)
            if count == 1 and _is_head(receiver, number):
                count = 0
                continue
            _check_receiver(receiver, rows)
            rows[receiver] = (line, shown)
            values[receiver] = _number(number)
        except _Wrong as wrong:
            problems.append(RowProblem(line, shown, str(wrong)))
    return DriverRows(values, rows, tuple(problems), count)


def _filled(text: str) -> list[tuple[int, str]]:
    plain = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return [(line, raw) for line, raw in enumerate(plain.split("\n"), 1) if raw.strip()]


def _cells(raw: str) -> tuple[str, str]:
    """Split a line into its receiver and its number; empty cells at the end count for nothing."""
    delimiter = "\t" if "\t" in raw.strip() else ","
    try:
        cells = [cell.strip() for cell in next(csv.reader([raw], delimiter=delimiter, strict=True))]
    except csv.Error:
        raise _Wrong("Close the quotes, or leave them out.") from None
    while len(cells) > 2 and not cells[-1]:
        cells.pop()
    if len(cells) == 1:
        raise _Wrong("Write the receiver, a comma and the value, as search,12.5.")
    if len(cells) > 2:
        raise _Wrong(
            "Write one receiver and one value; a number has a point for decimals and no comma, "
            "as search,12.5."
        )
    return cells[0], cells[1]


def _is_head(receiver: str, number: str) -> bool:
    return receiver.casefold() in _HEADS and not any(sign.isdigit() for sign in number)


def _check_receiver(receiver: str, rows: Mapping[str, tuple[int, str]]) -> None:
    if not receiver:
        raise _Wrong("Name the receiver before the comma.")
    if len(receiver) > _LONGEST:
        raise _Wrong(f"The code of a receiver has at most {_LONGEST} characters.")
    if receiver in rows:
        raise _Wrong(f"{receiver} stands on line {rows[receiver][0]} already; keep one of the two.")


def _number(text: str) -> Decimal:
    if not text:
        raise _Wrong("Write the value after the comma; zero withdraws one.")
    if not _NUMBER.fullmatch(text):
        raise _Wrong(
            f"{text[:_LONGEST]} is not a number. Write digits with a point for decimals, without "
            "spaces, units or thousands separators, as 1234.5."
        )
    number = Decimal(text)
    if number < 0:
        raise _Wrong(f"{text[:_LONGEST]} is negative. Give 0 or more; zero withdraws a value.")
    return abs(number)
