"""What pages of usage say in words: amounts that can be read, terms that can be found."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.urls import resolve

from apps.ingest.web import links
from apps.ingest.web.foreseen import sums_text

TERM = "3f2a9c1b-8ba9-45b3-9911-66be11d7b594"


@pytest.mark.parametrize(
    ("sums", "said"),
    [
        ({}, "no cost"),
        ({"USD": Decimal("68.850000000000000001")}, "USD 68.85"),
        ({"USD": Decimal("0.000017512345678901234567")}, "USD 0.000018"),
        ({"JPY": Decimal("0.25"), "USD": Decimal(0)}, "JPY 0.25, USD 0.00"),
    ],
)
def test_sums_are_told_to_the_minor_unit_or_to_two_digits_below_it(
    sums: dict[str, Decimal], said: str
) -> None:
    assert sums_text(sums).replace("\u00a0", " ") == said


@pytest.mark.parametrize(
    ("source", "view"),
    [
        (f"derived, contract {TERM}", "rating:contract_price"),
        (f"genai-prices 0.2.3 less discount {TERM}", "rating:discount"),
        (f"commitment {TERM} level 2", "insights:commitment"),
    ],
)
def test_a_source_leads_to_its_term(source: str, view: str) -> None:
    found = resolve(links.term_url(source), urlconf="finops_platform.urls_tenant")
    assert found.view_name == view
    assert links.term_url("genai-prices 0.2.3") == ""
