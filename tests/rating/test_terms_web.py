"""The pages of discounts, commitments, self-hosted models and sheets; prices as known on a day."""

from __future__ import annotations

import base64
import io
from decimal import Decimal
from typing import Any

import pytest
from django.urls import reverse

from apps.core.domain.access import Role
from apps.rating import selectors, services
from apps.rating.models import Commitment, ContractPrice, CostModel, Discount
from apps.rating.web.tabs import exact_percent
from tests.accounts.people import person, signed_in
from tests.rating.conftest import NOW
from tests.rating.test_sheets import ROW, sheet
from tests.rating.test_terms import LLAMA, OCTOBER, PRICED, commitment, discount

DISCOUNT = {
    "provider": "openai",
    "model": "gpt-4o*",
    "percent": "15",
    "valid_from": "2026-10-01T00:00",
}


@pytest.fixture
def finance(acme: Any) -> Any:
    return signed_in("acme", person(Role.FINANCE))


@pytest.fixture
def analyst(acme: Any) -> Any:
    return signed_in("acme", person(Role.ANALYST))


def text_of(answer: Any) -> str:
    return answer.content.decode().replace("\xa0", " ")


def test_a_discount_is_recorded_shown_ended_and_withdrawn(finance: Any) -> None:
    made = finance.post("/prices/discounts/new/", DISCOUNT, follow=True)
    assert "15.00% off openai gpt-4o*" in text_of(made)
    found = Discount.objects.get()
    page = f"/prices/discounts/{found.public_id}/"
    assert "15.0%" in text_of(finance.get("/prices/discounts/"))
    late = {"valid_to": "2026-01-01T00:00"}
    assert "End it after it began" in text_of(finance.post(f"{page}end/", late))
    finance.post(f"{page}end/", {"valid_to": "2026-12-01T00:00"})
    ended = Discount.objects.get(known_to__isnull=True)
    again = f"/prices/discounts/{ended.public_id}/"
    finance.post(f"{again}withdraw/", {"reason": ""})
    assert Discount.objects.filter(known_to__isnull=True).exists()
    gone = finance.post(f"{again}withdraw/", {"reason": "Never signed"}, follow=True)
    assert "withdrew this discount" in text_of(gone)
    assert not Discount.objects.filter(known_to__isnull=True).exists()


def test_a_wrong_discount_shows_what_is_wrong(finance: Any) -> None:
    page = text_of(finance.post("/prices/discounts/new/", {**DISCOUNT, "percent": "120"}))
    assert "Write a percentage above 0, at most 100." in page
    assert not Discount.objects.exists()


def test_a_replacement_starts_from_what_it_replaces(finance: Any, actor: Any) -> None:
    found = services.record_discount(draft=discount("12.5"), actor=actor, now=NOW)
    page = text_of(finance.get(f"/prices/discounts/new/?replaces={found}"))
    assert 'value="12.5"' in page and str(found) in page


def test_a_commitment_is_recorded_and_a_level_put_in_force(finance: Any) -> None:
    body = {
        "name": "OpenAI 2026",
        "measure": "spend",
        "currency": "usd",
        "provider": "openai",
        "commit_1": "10000",
        "percent_1": "5",
        "commit_2": "50000",
        "percent_2": "12",
    }
    made = finance.post("/prices/commitments/new/", body, follow=True)
    assert "level 2: USD 50,000.00 a month, 12.0% off list" in text_of(made)
    found = Commitment.objects.get()
    put = {"level": "2", "valid_from": "2026-05-01T00:00"}
    page = finance.post(f"/prices/commitments/{found.public_id}/level/", put, follow=True)
    assert "Level 2" in text_of(page)
    assert "May 2026" in text_of(page)
    listed = text_of(finance.get("/prices/commitments/"))
    assert "OpenAI 2026" in listed
    (term,) = selectors.commitment(found.public_id).terms
    path = f"/prices/commitments/{found.public_id}/levels/{term.id}/withdraw/"
    finance.post(path, {"reason": "Not signed"})
    assert selectors.commitment(found.public_id).terms == ()
    low = {**body, "name": "Another", "commit_2": "9"}
    assert "each above the one before" in text_of(finance.post("/prices/commitments/new/", low))


def test_prices_of_a_self_hosted_model_are_derived_on_a_page(finance: Any) -> None:
    body = {
        "name": "Llama",
        "provider": "in-house",
        "model": "llama-3-70b",
        "gpu_hourly_rate": "2.50",
        "currency": "USD",
        "gpus": "8",
        "utilization": "50",
        "speed_input_tokens": "40000",
        "speed_output_tokens": "5000",
        "valid_from": "2026-10-01T00:00",
    }
    page = text_of(finance.post("/prices/self-hosted/new/", body, follow=True))
    assert "2.222222222222 USD per 1,000,000" in page
    assert "50.00%, stated" in page
    assert CostModel.objects.count() == 1
    assert "Llama" in text_of(finance.get("/prices/self-hosted/"))
    price = ContractPrice.objects.first()
    assert price is not None
    assert "from a cost model" in text_of(finance.get(f"/prices/contract/{price.public_id}/"))
    wrong = text_of(finance.post("/prices/self-hosted/new/", {**body, "speed_input_tokens": "0"}))
    assert "Write tokens per second above 0." in wrong


def upload(client: Any, body: bytes) -> Any:
    file = io.BytesIO(body)
    file.name = "prices.csv"
    return client.post("/prices/sheet/", {"file": file})


def test_a_sheet_is_tried_then_recorded(finance: Any) -> None:
    slip = ROW.replace("2.00,1000000", "2.00,1000").replace("input", "output")
    tried = text_of(upload(finance, sheet(ROW, slip)))
    assert "1 new, 0 replaced, 0 unchanged, 1 wrong" in tried
    assert "It is meant as written" in tried
    assert "Record all of it" not in tried
    assert not ContractPrice.objects.exists()
    text = base64.b64encode(sheet(ROW, slip)).decode()
    again = text_of(finance.post("/prices/sheet/", {"sheet": text, "confirm": "2"}))
    assert "2 new, 0 replaced, 0 unchanged, 0 wrong" in again
    assert "Record all of it" in again
    done = {"sheet": text, "confirm": "2", "take": "1"}
    assert "Recorded: 2 new" in text_of(finance.post("/prices/sheet/", done, follow=True))
    assert ContractPrice.objects.count() == 2
    assert "no CSV in UTF-8" in text_of(upload(finance, b"\xff\xfe"))
    assert finance.post("/prices/sheet/", {"sheet": "no base64"}).status_code == 400
    file = finance.get("/prices/sheet/?format=csv").content.decode()
    assert "gpt-4o,input_tokens" in file
    assert finance.get("/prices/sheet/?format=xlsx").content[:2] == b"PK"


def test_an_analyst_reads_terms_and_changes_none(analyst: Any, actor: Any) -> None:
    found = services.record_discount(draft=discount(), actor=actor, now=NOW)
    agreed = services.record_commitment(draft=commitment(), actor=actor, now=NOW)
    model = services.record_cost_model(draft=LLAMA, priced=PRICED, actor=actor, now=NOW)
    for path in (
        "/prices/discounts/",
        f"/prices/discounts/{found}/",
        "/prices/commitments/",
        f"/prices/commitments/{agreed}/",
        "/prices/self-hosted/",
        f"/prices/self-hosted/{model}/",
    ):
        page = analyst.get(path)
        assert page.status_code == 200, path
        assert "Add a" not in text_of(page) and "Withdraw" not in text_of(page)
    for path in ("discounts/new/", "commitments/new/", "self-hosted/new/", "sheet/"):
        assert analyst.get(f"/prices/{path}").status_code == 403
    assert analyst.post(f"/prices/discounts/{found}/withdraw/", {"reason": "x"}).status_code == 403
    assert analyst.post(f"/prices/commitments/{agreed}/level/", {}).status_code == 403


def test_the_model_page_shows_what_is_paid_and_what_it_goes_over(finance: Any, actor: Any) -> None:
    services.record_discount(draft=discount("13", valid_from=OCTOBER), actor=actor, now=NOW)
    page = text_of(finance.get(reverse("rating:model", args=["openai", "gpt-4o"])))
    assert "$2.175 per 1M tokens" in page and "$2.50 per 1M tokens" in page
    assert "Input, yours" in page
    early = text_of(
        finance.get(
            reverse("rating:model", args=["openai", "gpt-4o"]), {"as_known_on": "2026-02-01"}
        )
    )
    assert "As it was known then" in early
    assert "$2.175 per 1M tokens" not in early


def test_the_list_is_filtered_by_family_and_by_day(finance: Any, actor: Any, draft: Any) -> None:
    services.record_contract_price(draft=draft(), actor=actor, now=NOW)
    page = text_of(finance.get("/prices/?family=claude-sonnet&provider=anthropic"))
    assert "claude-sonnet" in page and "claude-opus" not in page
    known = text_of(finance.get("/prices/?kind=contract&as_known_on=2026-02-01"))
    assert "$2.00 per 1M tokens" not in known
    assert "$2.00 per 1M tokens" in text_of(finance.get("/prices/?kind=contract&on=2026-10-05"))
    assert "$2.00 per 1M tokens" not in text_of(finance.get("/prices/?kind=contract&on=2026-09-05"))
    for odd in ("on=2026-99-99", "as_known_on=9999-12-31", "on=9999-12-31"):
        assert finance.get(f"/prices/?{odd}").status_code == 200


@pytest.mark.parametrize(
    ("percent", "shown"), [("33.333333", "33.333333%"), ("15", "15.00%"), ("100", "100.00%")]
)
def test_a_percentage_keeps_every_digit(percent: str, shown: str) -> None:
    assert exact_percent(Decimal(percent)) == shown
