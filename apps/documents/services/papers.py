"""Papers: PDFs of what other apps keep for ever, drawn when they are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.documents.adapters import html


def draw_paper(*, template: str, stylesheet: str, context: Mapping[str, Any]) -> bytes:
    """Return the PDF of a template whose context holds strings ready to print.

    Nothing is stored: equal content and an equal renderer give equal bytes, so a paper of frozen
    rows is the same whenever it is drawn. It reaches nothing but bundled fonts.

    :raises AddressRefused: when it names an address outside the bundle.
    """
    text = html.html_of(template=template, context=context)
    from apps.documents.adapters import pdf

    return pdf.pdf_of(text, stylesheet=stylesheet)
