"""Draws a document in a format: which layout, which renderer, and what the bytes depend on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from apps.core.domain.errors import Unprocessable
from apps.documents.adapters import html, spreadsheets
from apps.documents.adapters.layouts import statement, statement_sheets
from apps.documents.adapters.layouts.statement import Issue
from apps.documents.domain.states import Format, Kind

__all__ = [
    "Content",
    "Drawn",
    "Issue",
    "LayoutMissing",
    "draw",
    "laid_out",
    "renderer_of",
    "template_version",
]

_UNISSUED: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Creation date inside a workbook that was not issued: workbooks need one."""


class LayoutMissing(Unprocessable):
    """Documents of this kind have no layout."""

    default_code = "layout_missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A document as the renderers see it."""

    kind: Kind
    payload: Mapping[str, Any]
    data_hash: str
    issue: Issue


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """The bytes and what they depend on beside the content."""

    content: bytes
    renderer: str
    template_version: str


def template_version(kind: Kind) -> str:
    """Return the version of the layout that documents of a kind are drawn with.

    :raises LayoutMissing: when the kind has none.
    """
    if kind not in (Kind.STATEMENT, Kind.ROLLUP):
        raise LayoutMissing(f"Documents of the kind {kind.value} cannot be drawn yet.")
    return statement.TEMPLATE_VERSION


def renderer_of(format: Format) -> str:
    """Return the fingerprint of a format's renderer."""
    if format is Format.PDF:
        from apps.documents.adapters import pdf  # a web process that draws nothing does without

        return pdf.fingerprint()
    return {
        Format.CSV: spreadsheets.FINGERPRINT_CSV,
        Format.XLSX: spreadsheets.FINGERPRINT_XLSX,
    }[format]


def draw(content: Content, *, format: Format, locale: str) -> Drawn:
    """Draw a document; equal content, locale and fingerprints give equal bytes.

    :raises LayoutMissing: when the kind has no layout.
    """
    version = template_version(content.kind)
    match format:
        case Format.PDF:
            drawn = _pdf(content, locale)
        case Format.CSV:
            sheet = statement_sheets.lines_sheet(content.payload, number=content.issue.number)
            drawn = spreadsheets.csv_of(sheet)
        case Format.XLSX:
            drawn = _xlsx(content)
    return Drawn(content=drawn, renderer=renderer_of(format), template_version=version)


def laid_out(content: Content, *, locale: str) -> dict[str, Any]:
    """Return a document's content as strings, part by part; see the kind's layout.

    :raises LayoutMissing: when the kind has no layout.
    """
    template_version(content.kind)
    return statement.layout(
        payload=content.payload, issue=content.issue, data_hash=content.data_hash, locale=locale
    )


def _pdf(content: Content, locale: str) -> bytes:
    context = laid_out(content, locale=locale)
    text = html.html_of(template=statement.TEMPLATE, context=context)
    from apps.documents.adapters import pdf

    return pdf.pdf_of(text, stylesheet=statement.STYLESHEET)


def _xlsx(content: Content) -> bytes:
    sheets = statement_sheets.sheets(
        content.payload, number=content.issue.number, data_hash=content.data_hash
    )
    name = content.payload["recipient"]["name"]
    title = f"{content.issue.number} {name}".strip()
    created = content.issue.issued_at or _UNISSUED
    return spreadsheets.xlsx_of(sheets, title=title, created=created)
