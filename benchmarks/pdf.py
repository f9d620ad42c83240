"""PDFs of statements against reportlab tables of the same content, by one and by two workers.

    python -m benchmarks.pdf               needs no server

Two kinds of document: plain tables of six cells a row (18 and 105 rows: 1 and 3 pages), which is
the renderer alone; and statements of three sizes, from the stored payload to the bytes: hash
checked, laid out, drawn, tagged. The calibration draws the same texts with reportlab platypus,
one embedded TrueType font, one process. Ratios are medians of interleaved rounds.
"""

from __future__ import annotations

import io
import json
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from html import escape
from typing import Any, Final

import pypdf
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import SimpleDocTemplate, Spacer, Table, TableStyle

from benchmarks.rounds import Ratio, interleaved

ROUNDS: Final = 5
WORKERS: Final = 2
SECONDS: Final = 0.8
"""How long a round of a case lasts at least."""

Rows = Sequence[Sequence[str]]


# ------------------------------------------------------------------------------------- the cases


@cache
def payload(size: str) -> dict[str, Any]:
    """Return a stored payload: a small, a usual and a large cost center."""
    from apps.core.domain.canonical import canonical_json
    from tests.chargeback.sample import SEARCH, october, october_lines, payload_of

    if size == "small":
        found = payload_of(SEARCH, october_lines()[:3], requests="99123")
    elif size == "usual":
        found = october()
    else:
        lines = []
        for number in range(1900):
            base = october_lines()[number % 14]
            tags = {**base.tags, "feature": f"feature-{number:05d}"}
            lines.append(replace(base, source=f"usage:{number:05d}", tags=tags))
        found = payload_of(SEARCH, lines, requests="99123")
    frozen: dict[str, Any] = json.loads(canonical_json(found))
    return frozen


def statement(size: str) -> bytes:
    """Draw a statement from its stored payload."""
    from apps.core.domain.canonical import digest_of
    from apps.documents.adapters import rendering
    from apps.documents.domain.states import Format, Kind

    frozen = payload(size)
    issue = rendering.Issue(
        number="STM-2026-10-0001",
        issued_at=datetime(2026, 11, 4, 15, 22, 10, tzinfo=UTC),
        prepared_by="Maya Lindqvist",
        approved_by="Jonas Feld",
        audit_sequence=1284,
        audit_hash="c3" * 32,
    )
    content = rendering.Content(
        kind=Kind.STATEMENT, payload=frozen, data_hash=digest_of(frozen), issue=issue
    )
    return rendering.draw(content, format=Format.PDF, locale="de-DE").content


def table(count: int) -> bytes:
    """Draw a plain table with our renderer and its stylesheet."""
    from apps.documents.adapters import pdf

    cells = "".join(
        "<tr>" + "".join(f"<td class=n>{escape(cell)}</td>" for cell in row) + "</tr>"
        for row in plain_rows(count)
    )
    text = f'<html lang="en"><title>Table</title><table class="rows"><tbody>{cells}</table></html>'
    return pdf.pdf_of(text, stylesheet="documents/statement.css")


@cache
def plain_rows(count: int) -> Rows:
    """Return rows of six cells as a statement has them."""
    return [
        [f"gpt-4o, class {n}", f"{n * 7919:,}", "$2.50 per 1M", "list", f"{n % 100}.0%", f"{n}.42"]
        for n in range(count)
    ]


# ------------------------------------------------------------------------------- the calibration


@cache
def texts_of(size: str) -> list[Rows]:
    """Return every text that a statement prints, table by table, uses as rows of cells."""
    from apps.documents.adapters.layouts import statement as layout
    from apps.documents.adapters.rendering import Issue

    context = layout.layout(
        payload=payload(size),
        issue=Issue(number="STM-2026-10-0001"),
        data_hash="0" * 64,
        locale="de-DE",
    )
    groups = [row for group in context["direct"] for row in group["rows"]]
    tables: list[Rows] = [
        [[str(value)] for value in context["head"].values()],
        [[card["label"], card["value"], card["note"]] for card in context["key_figures"]],
        [[line] for line in (*context["why"]["told"], *context["actions"])],
        [[row[key] for key in ("name", "quantity", "price", "source", "amount")] for row in groups],
    ]
    for name in ("shared", "corrections", "experiments", "customers"):
        tables.append([[str(value) for value in row.values()] for row in context[name]])
    tables.append([[row["label"], *row["cells"]] for row in context["reconciliation"]["rows"]])
    tables.append([list(row.values()) for row in context["postings"]])
    tables.append([list(row) for row in context["evidence"]["rows"]])
    uses = "\n".join(context["appendix"]["blocks"]).splitlines()
    tables.append([_columns(line) for line in uses])
    return [rows for rows in tables if rows]


def _columns(line: str) -> list[str]:
    """Cut a line of the appendix into its five cells."""
    return [
        line[:41].strip(),
        line[41:76].strip(),
        line[76:92].strip(),
        line[92:112].strip(),
        line[112:].strip(),
    ]


@cache
def _font() -> str:
    from apps.documents.adapters.pdf import FONTS

    pdfmetrics.registerFont(TTFont("Inter", str(FONTS / "Inter-Regular.ttf")))
    return "Inter"


def reportlab(tables: Sequence[Rows]) -> bytes:
    """Draw tables with platypus, as plainly as it goes."""
    style = TableStyle(
        [
            ("FONT", (0, 0), (-1, -1), _font(), 7),
            ("LINEBELOW", (0, 0), (-1, -1), 0.25, colors.lightgrey),
            ("ALIGN", (1, 0), (-1, -1), "RIGHT"),
            ("TOPPADDING", (0, 0), (-1, -1), 2),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
        ]
    )
    parts: list[Any] = []
    for rows in tables:
        parts += [
            Table(rows, colWidths=[500 / len(rows[0])] * len(rows[0]), style=style),
            Spacer(1, 8),
        ]
    out = io.BytesIO()
    SimpleDocTemplate(out, pagesize=A4, leftMargin=48, rightMargin=48).build(parts)
    return out.getvalue()


# ------------------------------------------------------------------------------------ measuring


def per_second(draw: Callable[[], bytes]) -> float:
    """Return how many documents a second one process draws."""
    begin, count = time.perf_counter(), 0
    while (took := time.perf_counter() - begin) < SECONDS or not count:
        draw()
        count += 1
    return count / took


def in_a_worker(kind: str, size: str) -> tuple[int, float]:
    """Draw for a round in this process; return how many and how long it took."""
    begin, count = time.perf_counter(), 0
    while (took := time.perf_counter() - begin) < SECONDS or count < 2:
        CASES[kind, size][0]()
        count += 1
    return count, took


CASES: Final[dict[tuple[str, str], tuple[Callable[[], bytes], Callable[[], bytes]]]] = {
    ("table", "18"): (lambda: table(18), lambda: reportlab([plain_rows(18)])),
    ("table", "105"): (lambda: table(105), lambda: reportlab([plain_rows(105)])),
    **{
        ("statement", size): (
            lambda size=size: statement(size),
            lambda size=size: reportlab(texts_of(size)),
        )
        for size in ("small", "usual", "large")
    },
}


def measure(*, rounds: int = ROUNDS) -> Iterator[tuple[str, int, Ratio]]:
    """Yield (case, pages, ratio) for one worker and for two."""
    with ProcessPoolExecutor(WORKERS) as pool:
        for (kind, size), (ours, theirs) in CASES.items():
            pages = len(pypdf.PdfReader(io.BytesIO(ours())).pages)
            theirs()

            def together(kind: str = kind, size: str = size) -> float:
                begin = time.perf_counter()
                done = [pool.submit(in_a_worker, kind, size) for _ in range(WORKERS)]
                count = sum(one.result()[0] for one in done)
                return count / (time.perf_counter() - begin)

            together()
            cases = {"1 worker": lambda ours=ours: per_second(ours), "2 workers": together}
            for ratio in interleaved(
                lambda theirs=theirs: per_second(theirs), cases, rounds=rounds
            ):
                yield f"{kind} {size}", pages, ratio


def main() -> None:
    """Print PDFs a minute and the ratios."""
    print("PDFs a minute; ratio to reportlab tables of the same content in one process")
    for name, pages, ratio in measure():
        print(
            f"pdf, {name}, {pages} pages, {ratio.name}: {ratio.rate * 60:,.0f}/min, ratio "
            f"{ratio.median:.3f} ({ratio.low:.3f}..{ratio.high:.3f}); reportlab "
            f"{ratio.calibration * 60:,.0f}/min"
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"pdf, peak memory of this process {peak} MiB")


if __name__ == "__main__":
    main()
