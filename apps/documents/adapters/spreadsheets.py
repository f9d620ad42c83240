"""Writes tables as CSV and XLSX; attacker's text never becomes a formula, bytes are repeatable."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import xlsxwriter

from apps.documents.domain.cells import inert
from apps.documents.domain.sheets import Cell, Sheet

FINGERPRINT_CSV: Final = "csv/1"
FINGERPRINT_XLSX: Final = f"xlsxwriter-{xlsxwriter.__version__}"

_BOM: Final = "\ufeff"
_EXACT_IN_A_FLOAT: Final = 15


def csv_of(sheet: Sheet) -> bytes:
    """Return a table as UTF-8 CSV (RFC 4180, with a byte order mark so that Excel reads it)."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([column.name for column in sheet.columns])
    for row in sheet.rows:
        writer.writerow(_guarded(sheet, row))
    return (_BOM + out.getvalue()).encode()


def xlsx_of(sheets: Iterable[Sheet], *, title: str, created: datetime) -> bytes:
    """Return tables as one workbook.

    Numbers that a spreadsheet's double cannot hold exactly are written as text.
    """
    out = io.BytesIO()
    book = xlsxwriter.Workbook(
        out,
        {
            "in_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
        },
    )
    book.set_properties({"title": inert(title), "created": created.replace(tzinfo=None)})
    for sheet in sheets:
        _write(book, sheet)
    book.close()
    return out.getvalue()


def _guarded(sheet: Sheet, row: Sequence[str | None]) -> list[str]:
    return [
        "" if value is None else inert(value) if column.kind is Cell.TEXT else value
        for column, value in zip(sheet.columns, row, strict=True)
    ]


def _write(book: Any, sheet: Sheet) -> None:
    page = book.add_worksheet(sheet.name)
    head = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
    right = book.add_format({"align": "right"})
    page.freeze_panes(1, 0)
    for place, column in enumerate(sheet.columns):
        page.write_string(0, place, column.name, head)
        page.set_column(place, place, _width(sheet, place))
    for line, row in enumerate(sheet.rows, start=1):
        for place, (column, value) in enumerate(zip(sheet.columns, row, strict=True)):
            if value is None:
                continue
            if column.kind is Cell.TEXT:
                page.write_string(line, place, inert(value))
            elif column.kind is Cell.NUMBER and _fits(value):
                page.write_number(line, place, Decimal(value), _number_format(book, value))
            else:
                page.write_string(line, place, value, right)
    if sheet.rows:
        page.autofilter(0, 0, len(sheet.rows), len(sheet.columns) - 1)


def _fits(value: str) -> bool:
    return len(value.lstrip("-").replace(".", "").lstrip("0")) <= _EXACT_IN_A_FLOAT


def _number_format(book: Any, value: str) -> Any:
    """Return the workbook's format with as many decimals as the value is written with."""
    digits = len(value.partition(".")[2])
    known = book.__dict__.setdefault("_number_formats", {})
    if digits not in known:
        known[digits] = book.add_format(
            {"num_format": "#,##0" + ("." + "0" * digits) * bool(digits)}
        )
    return known[digits]


def _width(sheet: Sheet, place: int) -> int:
    lengths = [len(row[place] or "") for row in sheet.rows[:200]]
    return min(max([len(sheet.columns[place].name), *lengths]) + 2, 48)
