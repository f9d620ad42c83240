"""The pages that solve what has no price: dry run, mapping, its end, closed months."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from apps.core.domain.access import Role, system_actor
from apps.core.domain.months import Month
from apps.periods import services as periods
from apps.rating import selectors as rating
from apps.rating.models import ModelMapping
from apps.usage.models import PriceCorrection
from tests.accounts.people import person, signed_in
from tests.ingest.factories import NOW, contract, event, send, teams
from tests.ingest.test_pages import text_of

SOLVE = "/usage/unpriced/solve/?sent_provider=house&sent_model=tiny-2"
LARGE = {"input_tokens": 1_000_000}
MEANT = {
    "sent_provider": "house",
    "sent_model": "tiny-2",
    "provider": "testco",
    "model": "tiny",
    "valid_from": "2026-01-01T00:00:00",
    "valid_to": "",
    "note": "our gateway's name",
}


@pytest.fixture
def finance(acme: Any, time_machine: Any) -> Client:
    time_machine.move_to(NOW)
    teams("search")
    contract(input_tokens="2.50")
    send([event("a", provider="house", model="tiny-2", usage=LARGE), event("b", usage=LARGE)])
    return signed_in("acme", person(Role.FINANCE))


def test_the_queue_leads_to_the_page_that_solves_it(finance: Client) -> None:
    page = text_of(finance.get("/usage/unpriced/"))
    for word in ("At worst together", "The provider is unknown", "Solve"):
        assert word in page, word
    page = text_of(finance.get(SOLVE))
    for word in ("What lacks a price", "of all providers", "nothing is changed before"):
        assert word in page, word
    assert "/prices/new/?provider=house&amp;model=tiny-2&amp;meter=input_tokens" in page


def test_a_mapping_is_shown_before_it_is_made(finance: Client) -> None:
    page = text_of(finance.get(f"{SOLVE}&{urlencode(MEANT | {'meant': 'yes'})}"))
    for word in ("becomes testco/tiny", "rated again at once", "USD 2.50", "Map it and rate"):
        assert word in page.replace("\xa0", " "), word
    assert ModelMapping.objects.count() == 0
    answer = finance.post(SOLVE, MEANT)
    assert (answer.status_code, answer["Location"]) == (302, "/usage/unpriced/")
    assert "Everything has its price" in text_of(finance.get("/usage/unpriced/"))
    one = ModelMapping.objects.get()
    here = f"/usage/unpriced/mappings/{one.public_id}/"
    assert "house tiny-2" in text_of(finance.get("/usage/unpriced/mappings/"))
    page = text_of(finance.get(here))
    assert "What withdrawing it would change" in page
    assert "said what it means" in page
    assert finance.post(f"{here}withdraw/", {"reason": ""}).status_code == 302
    assert ModelMapping.objects.get().known_to is None
    assert finance.post(f"{here}end/", {"valid_to": "2025-01-01T00:00:00"}).status_code == 200
    assert finance.post(f"{here}end/", {"valid_to": "2026-01-19T00:00:00"}).status_code == 302
    last = ModelMapping.objects.get(known_to=None)
    gone = f"/usage/unpriced/mappings/{last.public_id}/"
    assert finance.post(f"{gone}withdraw/", {"reason": "a guess"}).status_code == 302
    assert "withdrew it" in text_of(finance.get(gone))
    assert "tiny-2" in text_of(finance.get("/usage/unpriced/"))


def test_wrong_entries_stand_beside_their_fields(finance: Client) -> None:
    answer = finance.post(SOLVE, MEANT | {"model": "nobody"})
    assert answer.status_code == 422
    assert b"No list or contract price knows that model" in answer.content
    assert finance.post(SOLVE, MEANT | {"valid_from": "soon"}).status_code == 422
    page = text_of(finance.get(f"{SOLVE}&{urlencode(MEANT | {'meant': 'yes', 'model': ''})}"))
    assert "Map it and rate" not in page
    assert finance.get("/usage/unpriced/solve/").status_code == 400
    assert ModelMapping.objects.count() == 0


def test_prices_of_a_closed_month_are_booked_after_a_look(finance: Client) -> None:
    assert "No month is closed yet" in text_of(finance.get("/usage/unpriced/closed/"))
    version = rating.current_version().version
    periods.freeze(
        month=Month(2026, 1), actor=system_actor("t"), now=NOW, price_book_version=version
    )
    assert finance.post(SOLVE, MEANT).status_code == 302
    assert "came since: look" in text_of(finance.get("/usage/unpriced/closed/"))
    here = "/usage/unpriced/closed/2026-01/"
    page = text_of(finance.get(here)).replace("\xa0", " ")
    assert "becomes testco/tiny" in page
    assert "USD 2.50" in page
    assert finance.post(here, {"reason": " "}).status_code == 302
    assert PriceCorrection.objects.count() == 0
    assert finance.post(here, {"reason": "the mapping came late"}).status_code == 302
    assert PriceCorrection.objects.count() == 2
    assert "Nothing is to be corrected" in text_of(finance.get(here))
    assert "as the prices in force say" in text_of(finance.get("/usage/unpriced/closed/"))
    assert finance.get("/usage/unpriced/closed/2026-02/").status_code == 409


def test_who_may_not_write_prices_reads_mappings_only(finance: Client) -> None:
    analyst = signed_in("acme", person(Role.ANALYST))
    assert analyst.get("/usage/unpriced/mappings/").status_code == 200
    for path in (SOLVE, "/usage/unpriced/closed/"):
        assert analyst.get(path).status_code == 403
    assert analyst.post(SOLVE, MEANT).status_code == 403
    assert ModelMapping.objects.count() == 0
