"""Reads and writes sheets of prices as CSV, and writes them as XLSX; every cell is text."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Final

from apps.core.domain.errors import Invalid

_MOST_BYTES: Final = 1024 * 1024
_MOST_ROWS: Final = 2_000


class SheetRefused(Invalid):
    """The file cannot be read as a sheet of prices."""

    default_code = "sheet_refused"


def read_csv(body: bytes) -> tuple[list[str], list[list[str]]]:
    """Return header and lines of a CSV file in UTF-8.

    :raises SheetRefused: when it is too large, not UTF-8, no CSV, or has no header.
    """
    if len(body) > _MOST_BYTES:
        raise SheetRefused("The file is larger than 1 MiB; split it.")
    try:
        lines = list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise SheetRefused(f"The file is no CSV in UTF-8: {error}.") from None
    if not lines or not any(lines[0]):
        raise SheetRefused("The file has no header; name the columns in its first line.")
    if len(lines) > _MOST_ROWS + 1:
        raise SheetRefused(f"The file has more than {_MOST_ROWS:,} rows; split it.")
    if any("\x00" in cell for line in lines for cell in line):
        raise SheetRefused("The file holds a NUL character; remove it.")
    return lines[0], lines[1:]


def write_csv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """Return a CSV file in UTF-8."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue().encode()


def write_xlsx(header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """Return an XLSX file; amounts are text, as a spreadsheet's numbers lose digits."""
    import xlsxwriter

    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True, "strings_to_formulas": False})
    sheet = book.add_worksheet("Prices")
    bold = book.add_format({"bold": True})
    for line, cells in enumerate([header, *rows]):
        for column, cell in enumerate(cells):
            sheet.write_string(line, column, cell, bold if line == 0 else None)
    sheet.freeze_panes(1, 0)
    sheet.autofit()
    book.close()
    return out.getvalue()
