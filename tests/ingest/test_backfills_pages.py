"""The pages of backfills: opened, followed, closed, reverted; and told on the page of an event."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from apps.core.domain.access import Role
from apps.ingest.models import Backfill
from tests.accounts.people import person, signed_in
from tests.ingest.factories import NOW, contract, event, send
from tests.ingest.test_backfills import LATER, NEW, RIGHT, post
from tests.ingest.test_pages import text_of

ENTERED = {
    "source": "gateway",
    "starts_at": "2026-01-15T00:00:00",
    "ends_at": "2026-01-16T00:00:00",
    "tag": "",
    "reason": "the gateway counted twice",
}
HERE = "/usage/backfills/"


@pytest.fixture
def finance(acme: Any, time_machine: Any) -> Client:
    time_machine.move_to(NOW)
    contract(input_tokens="2.50")
    send([event("same"), event("wrong"), event("gone")])
    time_machine.move_to(LATER)
    return signed_in("acme", person(Role.FINANCE))


def test_a_backfill_is_opened_followed_closed_and_reverted(finance: Client) -> None:
    assert "Nothing was backfilled" in text_of(finance.get(HERE))
    assert "Open a backfill" in text_of(finance.get(f"{HERE}new/"))
    answer = finance.post(f"{HERE}new/", ENTERED)
    backfill = Backfill.objects.get()
    one = f"{HERE}{backfill.public_id}/"
    assert (answer.status_code, answer["Location"]) == (302, one)
    post(backfill.public_id, event("same"), RIGHT, NEW)
    page = text_of(finance.get(one))
    for word in ("would be amended", "Input tokens", "events.ndjson", "Close the backfill"):
        assert word in page, word
    assert finance.post(f"{one}close/").status_code == 302
    page = text_of(finance.get(one))
    assert "were amended" in page
    assert "Revert the backfill" in page
    assert "a backfill left it out" in text_of(finance.get("/usage/events/gateway/gone/"))
    assert finance.post(f"{one}close/").status_code == 302
    assert "The backfill is closed; open another one." in text_of(finance.get(one))
    assert finance.post(f"{one}revert/", {"reason": "no"}).status_code == 302
    assert "the backfill was reverted" in text_of(finance.get("/usage/events/gateway/wrong/"))
    assert "the gateway counted twice" in text_of(finance.get(HERE))
    assert finance.post(f"{HERE}new/", ENTERED | {"tag": "team=search"}).status_code == 302
    last = Backfill.objects.get(state="open")
    assert last.tags == {"team": "search"}
    assert finance.post(f"{HERE}{last.public_id}/abandon/").status_code == 302
    assert "abandoned" in text_of(finance.get(f"{HERE}{last.public_id}/"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tag": "search"}, "Write the tag as key=value."),
        ({"ends_at": "2026-01-14T00:00:00"}, "End the time after it starts."),
        ({"reason": " "}, "This field is required."),
    ],
)
def test_wrong_entries_stand_beside_their_fields(
    finance: Client, change: dict[str, str], said: str
) -> None:
    answer = finance.post(f"{HERE}new/", ENTERED | change)
    assert said in text_of(answer)
    assert Backfill.objects.count() == 0


def test_who_sees_some_usage_only_sees_no_backfill(finance: Client) -> None:
    member = signed_in("acme", person(Role.MEMBER, teams=("search",)))
    assert member.get(HERE).status_code == 403
    analyst = signed_in("acme", person(Role.ANALYST))
    assert "Open a backfill" not in text_of(analyst.get(HERE)).split("Nothing was")[0]
    assert analyst.get(f"{HERE}new/").status_code == 403
    assert analyst.post(f"{HERE}new/", ENTERED).status_code == 403
