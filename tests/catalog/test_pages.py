"""The operator's pages of prices: read, load, decide, look back."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from apps.accounts.models import User
from apps.catalog import services
from apps.catalog.models import ListPrice, PriceChange, PriceImport
from finops_platform.operator.prices import adoption
from tests.accounts.people import browser
from tests.catalog.reviewers import operator, waiting
from tests.catalog.test_review import SHELL, gpt, load_sheet
from tests.catalog.test_sources import entries, sheet

pytestmark = pytest.mark.django_db
NOW = datetime.now(UTC)
SLIP = "openai,gpt-4o,input_tokens,,250.00,1000000,USD,2026-12-01T00:00:00Z,,letter"


@pytest.fixture(autouse=True)
def adoptions(monkeypatch) -> list[bool]:
    """Count how often tenants are asked to adopt prices, without a broker."""
    asked: list[bool] = []
    monkeypatch.setattr(adoption, "_adopt", lambda: asked.append(True))
    return asked


def page(email: str = "ada@platform.example"):
    """Return a browser in which an operator is signed in on the bare host."""
    client = browser("")
    client.force_login(User.objects.get(pk=operator(email).user_id))
    return client


def text(answer) -> str:
    assert answer.status_code == 200, answer.content.decode()[:2000]
    return re.sub(r"\s+", " ", answer.content.decode())


def chosen(*changes: PriceChange, **more: str) -> dict[str, object]:
    return {"selected": [str(change.public_id) for change in changes], **more}


def propose_gpt_4o(amount: float = 2.0e-06) -> PriceChange:
    """Let LiteLLM state another price of gpt-4o's input."""
    services.load_prices(
        source="litellm",
        content=entries(**{"gpt-4o": gpt(amount)}),
        file_name="m.json",
        actor=SHELL,
        now=NOW,
    )
    return waiting(source="litellm")[-1]


def test_sources_are_shown_with_their_agreement():
    propose_gpt_4o()
    shown = text(page().get("/prices/"))
    assert "genai-prices 0.2.3" in shown
    assert "Unlike the list" in shown
    assert "/prices/changes/?source=litellm" in shown


def test_a_file_is_loaded_and_what_became_no_price_is_listed():
    file = SimpleUploadedFile("p.json", entries(**{"gpt-4o": gpt(2.0e-06, cost_per_wish=3)}))
    answer = page().post("/prices/load/", {"source": "litellm", "file": file}, follow=True)
    shown = text(answer)
    assert "1 wait for a person" in shown
    assert "cost_per_wish" in shown
    assert "the key is not known" in shown
    latest = PriceImport.objects.latest("pk")
    exported = page().get(f"/prices/imports/{latest.public_id}/?format=csv").content.decode()
    assert "gpt-4o,cost_per_wish,3,the key is not known" in exported


@pytest.mark.parametrize(
    ("source", "content", "says"),
    [
        ("litellm", b"no", "The file is no JSON"),
        ("sheet", sheet(SLIP.replace("250.00", "many")), "row 2.amount"),
        ("elsewhere", b"{}", "Select a valid choice"),
    ],
)
def test_a_wrong_file_is_refused_beside_its_field(source, content, says):
    before = PriceImport.objects.count()
    file = SimpleUploadedFile("p", content)
    answer = page().post("/prices/load/", {"source": source, "file": file})
    assert says in answer.content.decode()
    assert PriceImport.objects.count() == before


def test_genai_prices_is_read_on_request():
    answer = page().post("/prices/sync/", follow=True)
    assert "says what it said before" in text(answer)


def test_changes_are_listed_with_old_and_new_price_and_their_units():
    propose_gpt_4o()
    shown = text(page().get("/prices/changes/"))
    for part in ("gpt-4o", "$2.50 per", "$2.00 per", "1M tokens", "-20.0%", "1 of 2, 1 differ"):
        assert part in shown.replace("\xa0", " ").replace("−", "-"), part
    assert "Nothing matches these filters" in text(page().get("/prices/changes/?view=withdrawn"))
    exported = page().get("/prices/changes/?format=csv").content.decode()
    assert exported.count("\n") == 2


def test_consequences_are_spelled_out_before_anything_is_approved(adoptions):
    change = propose_gpt_4o()
    asked = text(page().post("/prices/changes/approve/", chosen(change)))
    assert "Approve 1 change?" in asked
    assert "open months are rated again" in asked
    assert waiting() == [change]
    answer = page().post(
        "/prices/changes/approve/", chosen(change, confirmed="1", reason="checked"), follow=True
    )
    assert "1 published" in text(answer)
    assert ListPrice.objects.get(change=change).amount == 2
    assert "checked" in text(page().get(f"/prices/changes/{change.public_id}/"))


def test_publishing_asks_the_tenants_to_adopt(adoptions, django_capture_on_commit_callbacks):
    change = propose_gpt_4o()
    with django_capture_on_commit_callbacks(execute=True):
        page().post("/prices/changes/approve/", chosen(change, confirmed="1"))
    assert adoptions == [True]


def test_a_rejection_needs_a_reason_and_publishes_nothing(adoptions):
    change = propose_gpt_4o()
    refused = page().post("/prices/changes/reject/", chosen(change, confirmed="1"))
    assert refused.status_code == 422
    assert "A rejection needs a reason." in refused.content.decode()
    page().post("/prices/changes/reject/", chosen(change, confirmed="1", reason="a slip"))
    change.refresh_from_db()
    assert change.state == "rejected"
    assert "rejected" in text(page().get("/prices/changes/?view=settled")).lower()
    assert adoptions == []


def test_a_far_price_shows_why_and_waits_for_a_second_person():
    load_sheet(SLIP, now=NOW)
    (change,) = waiting()
    shown = text(page().get(f"/prices/changes/{change.public_id}/"))
    assert "Two people must approve" in shown
    assert "100 times the price before" in shown
    answer = page().post("/prices/changes/approve/", chosen(change, confirmed="1"), follow=True)
    assert "wait for a second person" in text(answer)
    again = page().post("/prices/changes/approve/", chosen(change, confirmed="1"))
    assert again.status_code == 422
    assert "another person must decide now" in again.content.decode()
    other = page("ben@platform.example")
    done = other.post("/prices/changes/approve/", chosen(change, confirmed="1"), follow=True)
    assert "1 published" in text(done)
    assert text(done).count("Approved") >= 2


def test_everything_that_matches_is_decided_on_at_once():
    entry = {"litellm_provider": "wise", "input_cost_per_token": 1e-06}
    services.load_prices(
        source="litellm",
        content=entries(**{f"wise/m-{number}": entry for number in range(130)}),
        file_name="m.json",
        actor=SHELL,
        now=NOW,
    )
    assert "Approve all that match" in text(page().get("/prices/changes/?view=new_model"))
    url = "/prices/changes/approve/?view=new_model&q=m-1&all=1"
    asked = page().post(url)
    assert "Approve 41 changes?" in text(asked)  # m-1, m-10 to m-19, m-100 to m-129
    assert "41 new models will be known." in text(asked)
    ids = re.search(r'name="selected" value="([^"]+)"', asked.content.decode())
    assert ids is not None
    done = page().post(
        "/prices/changes/approve/", {"selected": ids.group(1), "confirmed": "1"}, follow=True
    )
    assert "41 published" in text(done)
    assert len(waiting(provider="wise")) == 89


def test_prices_for_other_unit_sizes_are_compared_by_the_unit():
    load_sheet(SLIP.replace("250.00,1000000", "0.0030,1000"), now=NOW)
    (change,) = waiting()
    assert change.approvers == 1
    shown = text(page().get(f"/prices/changes/{change.public_id}/"))
    assert "$0.003 per 1K tokens" in shown
    assert "20.0%" in shown  # $3 a million against $2.50
    assert "letter" in shown


def test_choosing_nothing_or_nonsense_changes_nothing():
    answer = page().post("/prices/changes/approve/", {"selected": ["nonsense"]}, follow=True)
    assert "Choose at least one change" in text(answer)
    ghost = "00000000-0000-4000-8000-000000000000"
    assert page().get(f"/prices/changes/{ghost}/").status_code == 404
    assert page().get(f"/prices/imports/{ghost}/").status_code == 404
    gone = page().post("/prices/changes/approve/", {"selected": [ghost], "confirmed": "1"})
    assert gone.status_code == 422
    assert page().get("/prices/changes/?cursor=x&view=nowhere").status_code == 200


def test_the_history_of_a_price_in_two_times():
    change = propose_gpt_4o()
    page().post("/prices/changes/approve/", chosen(change, confirmed="1"))
    url = "/prices/history/?provider=openai&model=gpt-4o"
    shown = text(page().get(url)).replace("\xa0", " ")
    assert "$2.00 per 1M tokens" in shown
    assert "$2.50 per 1M tokens" in shown
    assert "The price last changed on" in shown
    before = (NOW - timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%S")
    then = text(page().get(f"{url}&known_at={before}")).replace("\xa0", " ")
    assert "The price never changed" in then
    assert "As known on" in then
    load_sheet(SLIP.replace("250.00", "2.10").replace("2026", "2099"), now=datetime.now(UTC))
    coming = waiting(source="sheet")[-1]
    page().post("/prices/changes/approve/", chosen(coming, confirmed="1"))
    assert "The price changes on Dec 1, 2099" in text(page().get(url)).replace("\xa0", " ")
    none = text(page().get("/prices/history/?provider=openai&model=nothing"))
    assert "No price of that model was ever listed." in none
    assert page().get(f"{url}&known_at=yesterday").status_code == 200


def test_only_operators_see_the_pages_of_prices(acme):
    for path in ("/prices/", "/prices/changes/", "/prices/history/", "/prices/load/"):
        answer = browser("").get(path)
        assert answer.status_code == 302
        assert "/login/" in answer.headers["Location"]
    assert browser("").post("/prices/sync/").status_code == 302
