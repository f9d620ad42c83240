"""The appendix: every use as one line of fixed-width text, with a running total.

One text block is an order of magnitude faster to lay out than a table of cells.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from itertools import groupby
from typing import Any, Final

from apps.core import presentation
from apps.core.domain.money import EXACT
from apps.documents.adapters.layouts.words import Words

Payload = Mapping[str, Any]

PRINTED: Final = 4000
"""Lines beyond this many are summed up; CSV and XLSX always hold all."""

_BLOCK: Final = 24
"""Lines a cell: in larger blocks every break looks at more text, smaller ones are more boxes."""
_WIDTH, _WHAT, _QUANTITY, _AMOUNT, _RUNNING = 131, 62, 20, 22, 24
_TAGS: Final = ("team", "product", "feature", "customer", "experiment")


def appendix(payload: Payload, words: Words) -> dict[str, Any]:
    """Return the appendix as blocks of lines; without any use there are none.

    An owner with several uses stands once above them; one with a single use stands before it.
    """
    uses, running = payload["use"], Decimal(0)
    sums = []
    for use in uses:
        running = EXACT.add(running, Decimal(use["exact"]))
        sums.append(running)
    printed = uses[:PRINTED]
    amounts = words.aligned([use["exact"] for use in printed])
    totals = words.aligned(sums[:PRINTED])
    rows = list(zip(printed, amounts, totals, strict=True))
    lines = [
        line
        for owner, group in groupby(rows, key=lambda row: _owner(row[0]))
        for line in _group(owner, list(group), words)
    ]
    return {
        "head": _head(words),
        "blocks": ["\n".join(lines[at : at + _BLOCK]) for at in range(0, len(lines), _BLOCK)],
        "note": words("appendix_note", currency=words.currency, total=words.exact(running)),
        "cut": _rest(uses[PRINTED:], words) if len(uses) > PRINTED else "",
    }


def cut(text: str, width: int) -> str:
    """Shorten text to a number of columns, wide characters counting two; a cut shows as …."""
    if _columns(text) <= width:
        return text
    kept = text
    while _columns(kept) > width - 1:
        kept = kept[:-1]
    return f"{kept.rstrip()}…"


def _group(owner: str, rows: list[tuple[Payload, str, str]], words: Words) -> list[str]:
    if len(rows) == 1:
        use, amount, running = rows[0]
        alone = f"{owner}, {_what(use, words)}"
        if _columns(alone) <= _WHAT:
            return [_line(alone, use, amount, running)]
    return [
        _left(owner, _WIDTH).rstrip(),
        *(_line(f"  {_what(use, words)}", use, amount, running) for use, amount, running in rows),
    ]


def _rest(rest: list[Payload], words: Words) -> str:
    amount = sum((Decimal(use["exact"]) for use in rest), Decimal(0))
    return words("appendix_cut", count=len(rest), amount=words.exact(amount))


def _head(words: Words) -> str:
    return _joined(*words("appendix_columns").split("|"))


def _line(what: str, use: Payload, amount: str, running: str) -> str:
    quantity = presentation.number(use["quantity"]) if use["quantity"] is not None else ""
    return _joined(what, quantity, amount, running)


def _what(use: Payload, words: Words) -> str:
    what = ", ".join(part for part in (use["name"], _meter(use, words)) if part)
    return f"{use['original_month']} {what}" if use["original_month"] else what


def _meter(use: Payload, words: Words) -> str:
    return words.meter(use["meter"]).split(",")[0] if use["meter"] else ""


def _owner(use: Payload) -> str:
    return " / ".join(use[tag] for tag in _TAGS if use[tag]) or "–"


def _joined(what: str, quantity: str, amount: str, running: str) -> str:
    return " ".join(
        (
            _left(what, _WHAT),
            _right(quantity, _QUANTITY),
            _right(amount, _AMOUNT),
            _right(running, _RUNNING),
        )
    )


def _left(text: str, width: int) -> str:
    indent = " " * (len(text) - len(text.lstrip(" ")))
    shown = cut(indent + " ".join(text.split()), width)
    return shown + " " * (width - _columns(shown))


def _right(text: str, width: int) -> str:
    return " " * (width - _columns(text)) + text


def _columns(text: str) -> int:
    return sum(_width_of(char) for char in text)


def _width_of(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
