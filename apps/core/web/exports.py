"""Writes a list as CSV or XLSX, exactly as shown and with exact figures."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import singledispatch
from typing import Any, Final

from django.http import HttpResponse

from apps.core import presentation
from apps.core.domain.errors import Missing
from apps.core.domain.money import Money
from apps.core.presentation import UnitPrice, Unpriced
from apps.core.web.lists import Column, DataList

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
_XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class FormatUnknown(Missing):
    """The list is offered as CSV and XLSX only."""

    default_code = "format_unknown"


def guarded(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula (rule 26: tags are attacker text)."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def list_response(shown: DataList, *, filename: str) -> HttpResponse:
    """Answer with the list as the file that its query string asks for.

    :raises FormatUnknown: when `format` is neither csv nor xlsx.
    """
    kind = shown.state.export
    if kind not in ("csv", "xlsx"):
        raise FormatUnknown("Lists are exported as csv or xlsx; correct `format` in the address.")
    if kind == "csv":
        response = HttpResponse(_csv(shown), content_type="text/csv; charset=utf-8")
    else:
        response = HttpResponse(_xlsx(shown), content_type=_XLSX)
    response["Content-Disposition"] = f'attachment; filename="{filename}.{kind}"'
    return response


def cells(columns: Sequence[Column], row: object) -> list[str | Decimal]:
    """Return the exported values of a row; money columns carry their currency in a cell of its own.

    Unpriced is the word, missing is empty; moments are ISO 8601 in the tenant's timezone.
    """
    values: list[str | Decimal] = []
    for column in columns:
        values.append(_plain(column.value(row)))
        if _has_currency(column):
            values.append(_code(column, row))
    return values


def heads(columns: Sequence[Column]) -> list[str]:
    """Return the column heads, a currency head after each money column."""
    return [
        head
        for column in columns
        for head in ([column.label, f"{column.label} currency"][: 1 + _has_currency(column)])
    ]


def _has_currency(column: Column) -> bool:
    return column.kind in ("money", "cost", "exact")


def _code(column: Column, row: object) -> str:
    value = column.value(row)
    return value.currency if isinstance(value, Money) else column.currency_of(row)


@singledispatch
def _plain(value: Any) -> str | Decimal:
    return guarded(str(value))


@_plain.register
def _(value: None) -> str:
    return ""


@_plain.register
def _(value: bool) -> str:
    return "yes" if value else "no"


@_plain.register
def _(value: Decimal | int) -> Decimal:
    return Decimal(value)


@_plain.register
def _(value: Money) -> Decimal:
    return value.amount


@_plain.register
def _(value: Unpriced) -> str:
    return value.value


@_plain.register
def _(value: UnitPrice) -> str:
    return presentation.unit_price(value)


@_plain.register
def _(value: datetime) -> str:
    return value.astimezone(presentation.current_reading().zone).isoformat()


@_plain.register
def _(value: date) -> str:
    return value.isoformat()


def _csv(shown: DataList) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([guarded(head) for head in heads(shown.columns)])
    for row in _rows(shown):
        writer.writerow([f"{v:f}" if isinstance(v, Decimal) else v for v in row])
    return out.getvalue()


def _xlsx(shown: DataList) -> bytes:
    import xlsxwriter

    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True, "strings_to_formulas": False})
    sheet = book.add_worksheet("List")
    bold = book.add_format({"bold": True})
    grouped = book.add_format({"num_format": "#,##0.00####"})
    for at, head in enumerate(heads(shown.columns)):
        sheet.write_string(0, at, head, bold)
    for line, row in enumerate(_rows(shown), start=1):
        for at, value in enumerate(row):
            if isinstance(value, Decimal):
                sheet.write_number(line, at, value, grouped)
            else:
                sheet.write_string(line, at, value)
    sheet.freeze_panes(1, 0)
    sheet.autofit()
    book.close()
    return out.getvalue()


def _rows(shown: DataList) -> Iterator[list[str | Decimal]]:
    for row in shown.rows:
        yield cells(shown.columns, row)
