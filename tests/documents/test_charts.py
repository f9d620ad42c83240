"""Charts are well-formed, labelled, inert and inside their frame."""

from __future__ import annotations

import re
from decimal import Decimal
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from apps.documents.domain.charts import Bar, Frame, columns, ranking, waterfall
from apps.documents.domain.color import palette_of

PALETTE = palette_of("#1f4e79")
FRAME = Frame("A finding", "USD 1; USD 2", 236, 104, PALETTE)

amounts = st.decimals(min_value=-(10**12), max_value=10**12, places=2)
bars = st.lists(
    st.builds(Bar, value=amounts, name=st.text(max_size=30), label=st.text(max_size=20)),
    min_size=2,
    max_size=14,
)


def shapes(svg: str) -> list[tuple[str, Decimal, Decimal]]:
    """Return (tag, y, height) of every rectangle."""
    root = ET.fromstring(re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "", svg))
    space = "{http://www.w3.org/2000/svg}"
    assert root.find(f"{space}title") is not None
    assert root.attrib["role"] == "img"
    assert "style" not in svg.split(">", maxsplit=1)[0]
    return [
        (item.tag, Decimal(item.attrib["y"]), Decimal(item.attrib["height"]))
        for item in root.iter(f"{space}rect")
    ]


@given(bars)
def test_every_chart_stays_in_its_frame(drawn: list[Bar]) -> None:
    clean = [Bar(bar.value, "n", "l") for bar in drawn]
    for draw in (columns, ranking, waterfall):
        for _, y, height in shapes(draw(FRAME, clean)):
            assert y >= 0
            assert height >= 0
            assert y + height <= FRAME.height + Decimal("0.05")


def test_names_cannot_break_out_of_the_drawing() -> None:
    evil = Bar(Decimal(1), "<script>alert(1)</script>", '"/><image href="http://evil"/>')
    for draw in (columns, ranking, waterfall):
        svg = draw(Frame("<b>", "&", 100, 100, PALETTE), [evil, evil])
        assert "<script" not in svg
        assert "<image" not in svg
        ET.fromstring(svg)


def test_a_waterfall_ends_where_its_steps_lead() -> None:
    svg = waterfall(
        FRAME,
        [
            Bar(Decimal(100), "before", ""),
            Bar(Decimal(50), "more", ""),
            Bar(Decimal(-30), "less", ""),
            Bar(Decimal(120), "now", ""),
        ],
    )
    before, more, less, now = shapes(svg)
    assert more[1] + more[2] == before[1]
    assert less[1] == more[1]
    assert abs(now[1] - (less[1] + less[2])) <= Decimal("0.01")


def test_nothing_to_draw_gives_nothing() -> None:
    assert columns(FRAME, []) == ranking(FRAME, []) == waterfall(FRAME, []) == ""


def test_light_brand_colors_are_darkened_until_they_can_be_read() -> None:
    from apps.documents.domain.color import contrast

    for brand in ("#f5c400", "#ffffff", "#00ffcc", "#1f4e79", "#000000"):
        assert contrast(palette_of(brand).brand, "#ffffff") >= Decimal("4.5")
    assert palette_of("").brand == palette_of("red; } body {").brand == "#1f4e79"
    assert contrast("#000000", "#ffffff") == Decimal(21)
