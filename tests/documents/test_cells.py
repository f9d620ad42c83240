"""No text that a sender wrote becomes a formula."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.documents.adapters.spreadsheets import csv_of, xlsx_of
from apps.documents.domain.cells import inert
from apps.documents.domain.sheets import Cell, Column, Sheet

ATTACKS = [
    "=1+1",
    "+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    "  =1+1",
    "\u00a0=1+1",
    "＝1+1",
    "\x00=1+1",
    "\ufeff=HYPERLINK(1)",
]
CREATED = datetime(2026, 11, 4, tzinfo=UTC)


def sheet_of(*texts: str) -> Sheet:
    return Sheet(
        name="Lines",
        columns=[Column("text"), Column("amount", Cell.NUMBER), Column("exact", Cell.EXACT)],
        rows=[[text, "-4.68", "-4.680000000001"] for text in texts],
    )


@pytest.mark.parametrize("attack", ATTACKS)
def test_attacks_are_inert(attack: str) -> None:
    assert inert(attack).startswith("'")


@given(st.text())
def test_what_is_left_never_starts_a_formula(text: str) -> None:
    shown = inert(text)
    bare = shown.lstrip(" \u00a0\u3000\ufeff")
    assert not bare.startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n"))
    assert "\x00" not in shown


def test_plain_text_stays_as_it_is() -> None:
    assert inert("gpt-4o, input") == "gpt-4o, input"
    assert inert("") == ""


def test_csv_guards_texts_and_leaves_numbers() -> None:
    content = csv_of(sheet_of(*ATTACKS)).decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(content, newline="")))
    assert rows[0] == ["text", "amount", "exact"]
    assert all(row[0].startswith("'") for row in rows[1:])
    assert {(row[1], row[2]) for row in rows[1:]} == {("-4.68", "-4.680000000001")}


def test_xlsx_holds_no_formula_and_no_link() -> None:
    content = xlsx_of([sheet_of(*ATTACKS, "https://evil.example")], title="=1+1", created=CREATED)
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        page = book.read("xl/worksheets/sheet1.xml").decode()
        names = book.namelist()
    assert "<f>" not in page
    assert "hyperlink" not in page
    assert not [name for name in names if "externalLink" in name or "_rels/sheet" in name]
    assert re.findall(r"<v>-4.68</v>", page)


def test_equal_tables_give_equal_workbooks() -> None:
    first = xlsx_of([sheet_of("a")], title="t", created=CREATED)
    assert xlsx_of([sheet_of("a")], title="t", created=CREATED) == first
    assert csv_of(sheet_of("a")) == csv_of(sheet_of("a"))


def test_numbers_that_a_double_cannot_hold_are_text() -> None:
    big = Sheet("S", [Column("n", Cell.NUMBER)], [["12345678901234567.89"], ["0.10"]])
    content = xlsx_of([big], title="t", created=CREATED)
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        strings = book.read("xl/sharedStrings.xml").decode()
        page = book.read("xl/worksheets/sheet1.xml").decode()
    assert "12345678901234567.89" in strings
    assert "<v>0.10</v>" in page
