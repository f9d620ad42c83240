"""The price pages: list, model, form with preview, contract price."""

from __future__ import annotations

import pytest
from django.urls import reverse

from apps.core.domain.access import Role
from apps.rating import services
from apps.rating.models import ContractPrice
from tests.accounts.people import person, signed_in
from tests.rating.conftest import NOW

FORM = {
    "provider": "openai",
    "model": "gpt-4o",
    "meter": "input_tokens",
    "amount": "2.00",
    "unit_size": "1000000",
    "currency": "USD",
    "valid_from": "2026-10-01T00:00",
}


@pytest.fixture
def finance(acme):
    return signed_in("acme", person(Role.FINANCE))


@pytest.fixture
def analyst(acme):
    return signed_in("acme", person(Role.ANALYST))


@pytest.fixture
def price(acme, actor, draft):
    return services.record_contract_price(draft=draft(note="MSA 2026"), actor=actor, now=NOW)


def text_of(answer):
    return answer.content.decode().replace("\xa0", " ")


def test_the_list_says_every_price_with_its_unit(finance, price):
    page = text_of(finance.get("/prices/?q=gpt-4o&provider=openai"))
    assert "$2.00 per 1M tokens" in page
    assert "$2.50 per 1M tokens" in page
    assert "Add a contract price" in page
    assert "Newer prices wait for adoption" in page


def test_an_analyst_reads_and_cannot_write(analyst, price):
    page = text_of(analyst.get("/prices/"))
    assert "Add a contract price" not in page
    assert analyst.get("/prices/new/").status_code == 403
    assert analyst.post("/prices/new/", FORM).status_code == 403
    assert "Withdraw" not in text_of(analyst.get(f"/prices/contract/{price}/"))
    assert analyst.post(f"/prices/contract/{price}/withdraw/", {"reason": "x"}).status_code == 403
    assert ContractPrice.objects.get().known_to is None


def test_pages_leaf_forward_and_back(finance):
    first = finance.get("/prices/")
    assert 'rel="next"' in text_of(first) or "cursor=" in text_of(first)


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_the_list_is_exported_as_shown(finance, price, kind):
    answer = finance.get(f"/prices/?q=gpt-4o&provider=openai&format={kind}")
    assert answer.status_code == 200
    if kind == "csv":
        assert "$2.00 per 1M tokens" in text_of(answer)


def test_a_model_page_shows_history_and_contract(finance, price):
    page = text_of(finance.get(reverse("rating:model", args=["openai", "o3"])))
    assert "Prices changed once, on Jun 9, 2025" in page
    assert "$10.00 per 1M tokens" in page
    page = text_of(finance.get(reverse("rating:model", args=["openai", "gpt-4o"])))
    assert "recorded this price" in page
    assert "128,000 tokens" in page


def test_models_with_slashes_have_pages(finance):
    assert finance.get("/prices/model/openrouter/openai/gpt-4o/").status_code == 200
    assert finance.get("/prices/model/openrouter/nobody/nothing/").status_code == 404
    assert finance.get("/prices/model/openrouter/nobody%00/").status_code == 400


def test_the_form_records_in_the_tenants_timezone(finance):
    assert finance.get("/prices/new/?provider=openai&model=gpt-4o").status_code == 200
    answer = finance.post("/prices/new/", FORM)
    row = ContractPrice.objects.get()
    assert answer.status_code == 302
    assert answer["location"] == f"/prices/contract/{row.public_id}/"
    assert row.valid_from.isoformat() == "2026-10-01T04:00:00+00:00"
    assert row.created_by


def test_the_form_shows_errors_beside_their_fields(finance):
    answer = finance.post("/prices/new/", {**FORM, "amount": "0.002", "meter": "Input tokens"})
    assert answer.status_code == 200
    assert "Write a meter code" in text_of(answer)
    slip = text_of(finance.post("/prices/new/", {**FORM, "amount": "0.002"}))
    assert "Check the unit, or confirm that it is meant." in slip
    assert not ContractPrice.objects.exists()
    done = finance.post("/prices/new/", {**FORM, "amount": "0.002", "confirm_unit_slip": "on"})
    assert done.status_code == 302


def test_an_overlap_is_told_above_the_form(finance, price):
    assert "Another contract price holds" in text_of(finance.post("/prices/new/", FORM))
    assert ContractPrice.objects.count() == 1


def test_the_preview_says_unit_list_price_and_example(finance):
    page = text_of(finance.post("/prices/preview/", {**FORM, "model": "gpt-4o-2024-08-06"}))
    assert "$2.00 per 1M tokens" in page
    assert "openai gpt-4o" in page
    assert "$2.50 per 1M tokens" in page
    assert "1,000,000 tokens cost" in page
    assert "Is the unit right?" not in page


def test_the_preview_warns_of_a_slip_and_waits_for_what_is_missing(finance):
    assert "Is the unit right?" in text_of(
        finance.post("/prices/preview/", {**FORM, "unit_size": "1000"})
    )
    for missing in ("amount", "model", "meter", "valid_from"):
        page = text_of(finance.post("/prices/preview/", {**FORM, missing: ""}))
        assert "Fill in model, meter" in page
    assert finance.post("/prices/preview/", {**FORM, "amount": "x"}).status_code == 200


def test_replacing_starts_from_the_price_as_it_is(finance, price):
    page = text_of(finance.get(f"/prices/new/?replaces={price}"))
    assert str(price) in page
    assert finance.get("/prices/new/?replaces=none").status_code == 200
    later = {**FORM, "amount": "1.80", "valid_from": "2026-11-01T00:00", "replaces": str(price)}
    assert finance.post("/prices/new/", later).status_code == 302
    assert ContractPrice.objects.filter(known_to__isnull=True).count() == 2


def test_a_contract_price_is_ended_and_withdrawn(finance, price):
    page = text_of(finance.get(f"/prices/contract/{price}/"))
    assert "MSA 2026" in page and "recorded this price" in page
    assert finance.get(f"/prices/contract/{price}/end/").status_code == 200
    wrong = finance.post(f"/prices/contract/{price}/end/", {"valid_to": "2026-01-01T00:00"})
    assert "End it after it began" in text_of(wrong)
    ended = finance.post(f"/prices/contract/{price}/end/", {"valid_to": "2026-11-01T00:00"})
    assert ended.status_code == 302
    assert "withdrawn" in text_of(finance.get(f"/prices/contract/{price}/")).lower()
    row = ContractPrice.objects.get(known_to__isnull=True)
    for reason in ("", "a\x00b"):
        finance.post(f"/prices/contract/{row.public_id}/withdraw/", {"reason": reason})
    assert ContractPrice.objects.filter(known_to__isnull=True).exists()
    finance.post(f"/prices/contract/{row.public_id}/withdraw/", {"reason": "typed wrong"})
    assert not ContractPrice.objects.filter(known_to__isnull=True).exists()


@pytest.mark.parametrize("name", ["contractprice", "price", "pricebookversion", "currentversion"])
def test_the_admin_shows_and_changes_nothing(acme, price, name):
    owner = signed_in("acme", person(Role.OWNER))
    assert owner.get(f"/admin/rating/{name}/").status_code == 200
    assert owner.get(f"/admin/rating/{name}/add/").status_code == 403
