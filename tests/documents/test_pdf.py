"""The PDF of a statement: what it says, on how many pages, in which language, byte for byte."""

from __future__ import annotations

import io
import json
import string
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pypdf
import pytest

from apps.core.domain.canonical import canonical_json, digest_of
from apps.documents.adapters import html, pdf, rendering
from apps.documents.adapters.layouts import statement as layout
from apps.documents.adapters.layouts import statement_appendix
from apps.documents.adapters.texts import LANGUAGES, texts_of
from apps.documents.domain.paper import Paper, paper_of
from apps.documents.domain.states import Format, Kind
from tests.chargeback.sample import (
    ASSISTANT,
    ISSUER,
    NOBODY,
    SEARCH,
    Recipient,
    october,
    october_lines,
    payload_of,
)

ISSUE = rendering.Issue(
    number="STM-2026-10-0001",
    issued_at=datetime(2026, 11, 4, 15, 22, 10, tzinfo=UTC),
    prepared_by="Maya Lindqvist",
    approved_by="Jonas Feld",
    audit_sequence=1284,
    audit_hash="c3" * 32,
)


def content_of(payload: Mapping[str, Any], issue: rendering.Issue = ISSUE) -> rendering.Content:
    frozen = json.loads(canonical_json(payload))
    return rendering.Content(
        kind=Kind.STATEMENT, payload=frozen, data_hash=digest_of(frozen), issue=issue
    )


def drawn(
    payload: Mapping[str, Any], locale: str = "en-US", issue: rendering.Issue = ISSUE
) -> bytes:
    return rendering.draw(content_of(payload, issue), format=Format.PDF, locale=locale).content


def pages(content: bytes) -> list[str]:
    return [
        page.extract_text().replace("\xa0", " ")
        for page in pypdf.PdfReader(io.BytesIO(content)).pages
    ]


def many(count: int) -> dict[str, Any]:
    """A statement with `count` uses of its own and a few models."""
    lines = []
    for number in range(count):
        base = october_lines()[number % 14]
        lines.append(
            replace(
                base,
                source=f"usage:{number:05d}",
                tags={**base.tags, "feature": f"feature-{number:05d}"},
            )
        )
    return payload_of(SEARCH, lines, requests="99123")


def test_the_first_page_answers_who_when_how_much_why_and_what_to_do() -> None:
    first = pages(drawn(october()))[0].replace("\n", " ")
    for words in (
        "Search & Discovery",
        "CC-4100",
        "Dana Whitfield",
        "640210",
        "Oct 1, 2026 – Oct 31, 2026",
        "STM-2026-10-0001",
        "USD 16,027.14",
        "up USD 6,382.96 (66.2%) on September 2026",
        "Why it changed",
        "claude-sonnet-4-5 is new: USD 4,380.42.",
        "What to do",
        "finops@acme.example by Nov 14, 2026",
        "exp-long-context, exp-judge: USD 4,826.94",
        "October 2026 is the highest of 9 months",
        "gpt-4o carries 45% of the charge",
        "USD 3.3312",
    ):
        assert words in first, words


def test_the_whole_document_proves_itself() -> None:
    payload = october()
    text = "\n".join(pages(drawn(payload)))
    for words in (
        "$2.50 per 1M tokens",
        "1,606,999,303",
        "contract OA-2026-02",
        "valid from Feb 1, 2026 UTC",
        "61.24%",
        "2,210.4041",
        "Statement total",
        "16,027.14",
        "untracked: no approved budget",
        "globex",
        "Sum of all statements",
        "30,118.58",
        "Difference",
        "AI-RECOVERY",
        "Maya Lindqvist",
        "Jonas Feld",
        "entry 1284",
        payload["run"]["id"],
        digest_of(payload),
        "September 2026",
    ):
        assert words in text, words


def test_every_page_is_numbered_and_carries_run_and_hash() -> None:
    payload = october()
    found = pages(drawn(payload))
    assert len(found) == 5
    for number, text in enumerate(found, start=1):
        assert f"Page {number} of 5" in text
        assert f"Run {payload['run']['id']}" in text
        assert f"Data {digest_of(payload)}" in text


def test_the_appendix_lists_every_use_and_ends_at_the_exact_total() -> None:
    payload = october()
    appendix = pages(drawn(payload))[-1]
    for use in payload["use"]:
        assert use["name"] in appendix
    for words in (
        "search / search / answers / globex",
        "search / search / answers / exp-long-context",
        "claude-sonnet-4-5, Cache write",
        "3,010.295507500000",
        "16,027.136566711556",
    ):
        assert words in appendix, words
    assert appendix.count("search / search / answers / globex") == 1


@pytest.mark.parametrize(
    ("locale", "words"),
    [
        (
            "de-DE",
            (
                "Kostenverrechnung",
                "USD 16.027,14",
                "Seite 1 von",
                "1. Okt. 2026",
                "2,50 $ je 1 Mio. Token",
                "Differenz",
            ),
        ),
        (
            "fr-FR",
            (
                "Relevé de refacturation",
                "16 027,14",
                "Page 1 sur",
                "Écriture",
                "2,50 $US pour 1 M de tokens",
            ),
        ),
        ("en-GB", ("US$2.50 per 1M tokens", "1 Oct 2026", "Chargeback statement")),
        ("ja-JP", ("Chargeback statement", "16,027.14")),
    ],
)
def test_words_numbers_and_dates_follow_the_locale(locale: str, words: tuple[str, ...]) -> None:
    text = "\n".join(pages(drawn(october(), locale))).replace("\u202f", " ")
    for word in words:
        assert word in text, word


def test_the_same_input_gives_the_same_bytes() -> None:
    payload = october()
    first = drawn(payload)
    pdf._prepared.cache_clear()
    html.engine.cache_clear()
    assert drawn(payload) == first
    assert drawn(json.loads(canonical_json(payload))) == first
    assert drawn(payload, "de-DE") != first


def test_paper_follows_the_country() -> None:
    def size(locale: str) -> tuple[int, int]:
        box = pypdf.PdfReader(io.BytesIO(drawn(october(), locale))).pages[0].mediabox
        return round(box.width), round(box.height)

    assert size("en-US") == (612, 792)
    assert size("de-DE") == size("en") == (595, 842)
    assert paper_of("fr_CA") is paper_of("es-MX") is Paper.LETTER
    assert paper_of("zh-Hant-TW") is Paper.A4


def test_the_document_is_tagged_titled_and_dated() -> None:
    reader = pypdf.PdfReader(io.BytesIO(drawn(october())))
    root = reader.root_object
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "en-US"
    assert "/StructTreeRoot" in root
    assert b"pdfuaid:part" in root["/Metadata"].get_data()
    info = reader.metadata
    assert info is not None
    assert info.title == "Chargeback statement STM-2026-10-0001 – Search & Discovery, October 2026"
    assert info.author == "Acme Corporation"
    assert "20261104" in str(info.creation_date_raw)


def test_charts_have_alternative_texts() -> None:
    reader = pypdf.PdfReader(io.BytesIO(drawn(october())))
    found: list[str] = []

    def walk(node: Any) -> None:
        node = node.get_object()
        if not isinstance(node, pypdf.generic.DictionaryObject):
            return
        if "/Alt" in node:
            found.append(str(node["/Alt"]))
        children = node.get("/K", [])
        for child in children if isinstance(children, list) else [children]:
            walk(child)

    walk(reader.root_object["/StructTreeRoot"])
    assert len(found) == 3
    assert any("USD 16,027.14" in text.replace("\xa0", " ") for text in found)


def test_fonts_are_embedded_and_bundled() -> None:
    reader = pypdf.PdfReader(io.BytesIO(drawn(october())))
    names = {
        font["/BaseFont"].split("+")[-1]
        for page in reader.pages
        for font in (f.get_object() for f in page["/Resources"]["/Font"].values())
    }
    assert names
    assert all(name.startswith(("Inter", "Plex-Mono")) for name in names), names


def test_a_draft_says_so_and_has_no_date() -> None:
    content = drawn(october(), issue=rendering.Issue())
    first = pages(content)[0]
    assert "Draft for review" in first
    assert "within 10 days" in first
    assert "/CreationDate" not in (pypdf.PdfReader(io.BytesIO(content)).metadata or {})


def test_a_replacement_names_what_it_replaces() -> None:
    first = pages(drawn(october(), issue=replace(ISSUE, replaces="STM-2026-10-0007")))[0]
    assert "Replaces STM-2026-10-0007" in first


@pytest.mark.parametrize(
    ("payload", "count", "words"),
    [
        (payload_of(SEARCH, []), 2, "This cost center caused no cost in October 2026."),
        (payload_of(SEARCH, october_lines()[:1]), 2, "USD 3,010.30"),
        (payload_of(NOBODY, october_lines()), 2, "Unallocated"),
        (payload_of(ASSISTANT, october_lines()), 3, "Customer Assistant"),
    ],
)
def test_small_statements_stay_small(payload: dict[str, Any], count: int, words: str) -> None:
    found = pages(drawn(payload))
    assert len(found) == count
    assert words in "\n".join(found)


@pytest.mark.slow
def test_five_hundred_uses_make_an_appendix_with_repeated_heads() -> None:
    found = pages(drawn(many(500)))
    appendix = [text for text in found if "Running total" in text]
    assert len(appendix) >= 6
    joined = "\n".join(appendix)
    assert all(f"feature-{number:05d}" in joined for number in (0, 137, 499))


def test_beyond_the_printed_limit_the_rest_is_summed_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statement_appendix, "PRINTED", 5)
    text = "\n".join(pages(drawn(october())))
    assert "further uses with" in text
    assert "are listed in the XLSX" in text


def test_yen_have_no_decimals_and_dinars_three() -> None:
    yen = "\n".join(pages(drawn(october(currency="JPY"))))
    assert "JPY 16,027" in yen
    assert "JPY 16,027." not in yen
    dinar = october(currency="KWD")
    assert Decimal(dinar["total"]).as_tuple().exponent == -3
    assert "KWD 16,027.137" in "\n".join(pages(drawn(dinar)))


def test_credits_are_shown_with_their_sign() -> None:
    line = replace(
        october_lines()[0],
        effective=Decimal("-12.5"),
        billed=Decimal("-12.5"),
        quantity=Decimal(-5000000),
    )
    text = "\n".join(pages(drawn(payload_of(SEARCH, [line]))))
    assert "Total credit" in text
    assert "USD -12.50" in text


def test_long_and_foreign_names_are_kept_inside() -> None:
    name = "Enterprise Retrieval, Ranking and Conversational Discovery Platform (EMEA)"
    recipient = Recipient(
        code="CC-" + "9" * 40,
        name=name,
        owner_name="Łukasz Żółć-Ørsted von und zu Habsburg-Lothringen",
        owner_email="a" * 60 + "@enterprise.example",
        gl_code="1" * 40,
    )
    lines = [
        replace(line, cost_center=recipient.code, model=f"{line.model}-preview-{'x' * 80}")
        for line in october_lines()[:3]
    ]
    content = drawn(payload_of(recipient, lines, recipients=(recipient, NOBODY)))
    text = "\n".join(pages(content)).replace("\n", " ")
    assert "Łukasz Żółć-Ørsted" in text
    assert "Retrieval, Ranking" in text
    _assert_inside(content)


def _assert_inside(content: bytes) -> None:
    """Every piece of text starts inside its page's margins."""
    for page in pypdf.PdfReader(io.BytesIO(content)).pages:
        width = float(page.mediabox.width)
        found: list[float] = []

        def visit(
            text: str, cm: Any, tm: Any, font: Any, size: Any, found: list[float] = found
        ) -> None:
            if text.strip():
                found.append(tm[4] * cm[0] + cm[4])

        page.extract_text(visitor_text=visit)
        assert found
        assert all(0 <= x <= width for x in found)


def test_hostile_names_stay_text() -> None:
    evil = '<img src="http://evil.example/x"><style>@import url(file:///etc/passwd)</style>'
    recipient = replace(SEARCH, name=evil, owner_name=evil)
    lines = [replace(october_lines()[0], model=evil, tags={"experiment": evil, "team": evil})]
    text = "".join("".join(pages(drawn(payload_of(recipient, lines)))).split())
    assert "evil.example" in text


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:1/x.png",
        "file:///etc/passwd",
        "fonts:../../../etc/passwd",
        "fonts:Inter-Regular.woff",
        "data:image/png;base64,AAAA",
        "ftp://example.org/x",
    ],
)
def test_the_renderer_reaches_nothing_but_bundled_fonts(address: str) -> None:
    with pytest.raises(pdf.AddressRefused):
        pdf.pdf_of(
            f'<html lang="en"><img src="{address}" alt="x">', stylesheet="documents/statement.css"
        )


def test_other_kinds_have_no_layout_yet() -> None:
    with pytest.raises(rendering.LayoutMissing):
        rendering.template_version(Kind.INVOICE)


def test_every_language_has_the_same_keys_and_fields() -> None:
    def fields(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    english = LANGUAGES["en"]
    for language, texts in LANGUAGES.items():
        assert texts.keys() == english.keys(), language
        for key, text in texts.items():
            assert fields(text) == fields(english[key]), (language, key)
            assert text.strip()
    assert texts_of("de_AT") is LANGUAGES["de"]
    assert texts_of("ja") is english


def test_a_brand_color_reaches_only_where_a_color_may_stand() -> None:
    issuer = replace(ISSUER, brand_color="red; } @import url(http://evil)")
    context = layout.layout(
        payload=json.loads(canonical_json(october(issuer=issuer))),
        issue=ISSUE,
        data_hash="0" * 64,
        locale="en",
    )
    assert "evil" not in html.html_of(template=layout.TEMPLATE, context=context)
