"""Columns of a journal file: presets of the usual ledgers, or columns of one's own.

The presets name columns as the ledgers' public import templates do: SAP S/4HANA "Upload General
Journal Entries", Oracle Fusion GL_INTERFACE, NetSuite's CSV import of journal entries, Dynamics
365 Finance's general journal entity.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from apps.chargeback.domain.journal import Entry, MappingInvalid
from apps.core.domain.errors import FieldError
from apps.core.domain.months import Month

AMOUNTS: Final = frozenset({"debit", "credit", "amount", "absolute"})
FIELDS: Final = MappingProxyType(
    {
        "batch": "batch id, JNL-2026-10-01",
        "line": "line number, from 1",
        "period": "2026-10",
        "year": "2026",
        "month": "10",
        "date": "last day of the month, 2026-10-31",
        "date_us": "10/31/2026",
        "date_slash": "2026/10/31",
        "date_sap": "20261031",
        "currency": "USD",
        "company": "company code of the layout",
        "account": "general-ledger account",
        "cost_center": "cost center in the ledger",
        "own_cost_center": "cost center here",
        "dimension": "account and cost center, 640210-CC4100",
        "name": "name of the cost center",
        "text": "text of the line",
        "debit": "debit, empty on a credit",
        "credit": "credit, empty on a debit",
        "amount": "debit positive, credit negative",
        "absolute": "amount without its sign",
        "side": "D or C",
        "posting_key": "40 or 50",
        "kind": "charge or reversal",
        "reverses": "batch that is taken back",
    }
)


@dataclass(frozen=True, slots=True)
class LayoutColumn:
    """A column: its head and either a field or a constant text."""

    head: str
    field: str = ""
    constant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The columns of a journal file, and the company that they name."""

    preset: str
    company: str
    columns: tuple[LayoutColumn, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What every line of a journal shares."""

    batch: str
    month: Month
    currency: str
    kind: str
    reverses: str


def _columns(*pairs: tuple[str, str]) -> tuple[LayoutColumn, ...]:
    return tuple(_column(head, source) for head, source in pairs)


def _column(head: str, source: str) -> LayoutColumn:
    if source.startswith('"'):
        return LayoutColumn(head, constant=source[1:-1])
    return LayoutColumn(head, field=source)


PRESETS: Final[Mapping[str, tuple[str, tuple[LayoutColumn, ...]]]] = MappingProxyType(
    {
        "generic": (
            "Generic",
            _columns(
                ("batch", "batch"),
                ("line", "line"),
                ("period", "period"),
                ("date", "date"),
                ("company", "company"),
                ("account", "account"),
                ("cost_center", "cost_center"),
                ("debit", "debit"),
                ("credit", "credit"),
                ("currency", "currency"),
                ("text", "text"),
                ("kind", "kind"),
                ("reverses", "reverses"),
            ),
        ),
        "sap": (
            "SAP S/4HANA",
            _columns(
                ("Company Code", "company"),
                ("Journal Entry Type", '"SA"'),
                ("Journal Entry Date", "date"),
                ("Posting Date", "date"),
                ("Reference", "batch"),
                ("Header Text", "period"),
                ("Transaction Currency", "currency"),
                ("Posting Key", "posting_key"),
                ("G/L Account", "account"),
                ("Item Text", "text"),
                ("Debit", "debit"),
                ("Credit", "credit"),
                ("Cost Center", "cost_center"),
                ("Assignment Reference", "own_cost_center"),
            ),
        ),
        "oracle": (
            "Oracle Fusion",
            _columns(
                ("Status Code", '"NEW"'),
                ("Effective Date of Transaction", "date_slash"),
                ("Journal Source", '"AI chargeback"'),
                ("Journal Category", '"Chargeback"'),
                ("Currency Code", "currency"),
                ("Actual Flag", '"A"'),
                ("Segment1", "company"),
                ("Segment2", "cost_center"),
                ("Segment3", "account"),
                ("Entered Debit Amount", "debit"),
                ("Entered Credit Amount", "credit"),
                ("REFERENCE1 (Batch Name)", "batch"),
                ("REFERENCE4 (Journal Entry Name)", "batch"),
                ("REFERENCE10 (Journal Entry Line Description)", "text"),
                ("Period Name", "period"),
            ),
        ),
        "netsuite": (
            "NetSuite",
            _columns(
                ("External ID", "batch"),
                ("Date", "date_us"),
                ("Subsidiary", "company"),
                ("Currency", "currency"),
                ("Memo", "period"),
                ("Account", "account"),
                ("Debit", "debit"),
                ("Credit", "credit"),
                ("Line Memo", "text"),
                ("Department", "cost_center"),
            ),
        ),
        "dynamics365": (
            "Dynamics 365 Finance",
            _columns(
                ("JOURNALBATCHNUMBER", "batch"),
                ("LINENUMBER", "line"),
                ("VOUCHER", "batch"),
                ("TRANSDATE", "date"),
                ("COMPANY", "company"),
                ("ACCOUNTTYPE", '"Ledger"'),
                ("ACCOUNTDISPLAYVALUE", "dimension"),
                ("DEBITAMOUNT", "debit"),
                ("CREDITAMOUNT", "credit"),
                ("CURRENCYCODE", "currency"),
                ("TEXT", "text"),
                ("DOCUMENT", "period"),
            ),
        ),
    }
)
CUSTOM: Final = "custom"
STANDARD: Final = Layout(preset="generic", company="", columns=PRESETS["generic"][1])


def parse_layout(*, preset: str, company: str, text: str) -> Layout:
    """Return a layout; the text has a line a column, `Head = field` or `Head = "constant"`.

    :raises MappingInvalid: when the preset or a field is unknown, or a line cannot be read.
    """
    if len(company) > 64 or "\x00" in company:
        raise _wrong("company", "The company code may have up to 64 characters.")
    if preset in PRESETS:
        return Layout(preset=preset, company=company.strip(), columns=PRESETS[preset][1])
    if preset != CUSTOM:
        raise _wrong("preset", f"Choose one of {', '.join([*PRESETS, CUSTOM])}.")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not 1 <= len(lines) <= 60:
        raise _wrong("columns", "Write 1 to 60 columns, one a line.")
    return Layout(
        preset=CUSTOM, company=company.strip(), columns=tuple(_parsed(one) for one in lines)
    )


def text_of(columns: Sequence[LayoutColumn]) -> str:
    """Return columns as they are entered."""
    return "\n".join(
        f'{one.head} = "{one.constant}"' if not one.field else f"{one.head} = {one.field}"
        for one in columns
    )


def cells_of(entry: Entry, header: Header, layout: Layout) -> list[str]:
    """Return a line of the file; amounts in plain notation, an absent side empty."""
    values = _values(entry, header, layout.company)
    return [values[one.field] if one.field else one.constant for one in layout.columns]


def _values(entry: Entry, header: Header, company: str) -> dict[str, str]:
    day: date = header.month.last_day
    is_debit = entry.debit > 0
    amount: Decimal = entry.debit - entry.credit
    return {
        "batch": header.batch,
        "line": str(entry.position),
        "period": str(header.month),
        "year": f"{day:%Y}",
        "month": f"{day:%m}",
        "date": day.isoformat(),
        "date_us": f"{day:%m/%d/%Y}",
        "date_slash": f"{day:%Y/%m/%d}",
        "date_sap": f"{day:%Y%m%d}",
        "currency": header.currency,
        "company": company,
        "account": entry.account,
        "cost_center": entry.target,
        "own_cost_center": entry.cost_center,
        "dimension": "-".join(part for part in (entry.account, entry.target) if part),
        "name": entry.name,
        "text": entry.text,
        "debit": f"{entry.debit:f}" if is_debit else "",
        "credit": "" if is_debit else f"{entry.credit:f}",
        "amount": f"{amount:f}",
        "absolute": f"{abs(amount):f}",
        "side": "D" if is_debit else "C",
        "posting_key": "40" if is_debit else "50",
        "kind": header.kind,
        "reverses": header.reverses,
    }


def _parsed(line: str) -> LayoutColumn:
    head, equals, source = (part.strip() for part in line.partition("="))
    if not equals or not head or len(head) > 100:
        raise _wrong("columns", f"{line[:60]}: write Head = field, with a head of 1 to 100.")
    if len(source) >= 2 and source[0] == source[-1] == '"':
        return LayoutColumn(head, constant=source[1:-1][:200])
    if source not in FIELDS:
        known = ", ".join(FIELDS)
        raise _wrong("columns", f'{source[:40]} is no field; known are {known}, or a "text".')
    return LayoutColumn(head, field=source)


def _wrong(field: str, message: str) -> MappingInvalid:
    return MappingInvalid(message, errors=(FieldError(field, "invalid", message),))
