"""Tables as files, for what is no document: journals, lists of the ledger."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from apps.documents.adapters import spreadsheets
from apps.documents.domain.sheets import Sheet

_BOM: Final = "\ufeff".encode()


def table_csv(sheet: Sheet) -> bytes:
    """Return a table as UTF-8 CSV (RFC 4180) without a byte order mark; texts are guarded."""
    return spreadsheets.csv_of(sheet).removeprefix(_BOM)


def table_xlsx(sheets: Iterable[Sheet], *, title: str, created: datetime) -> bytes:
    """Return tables as a workbook; equal tables and times give equal bytes."""
    return spreadsheets.xlsx_of(sheets, title=title, created=created)
