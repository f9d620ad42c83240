"""The pages of engineers, approvers and finance: read, do the main thing, without scripts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client

from apps.accounts.models import User
from apps.experiments.domain.states import Verdict
from apps.experiments.models import ApprovalPolicy, Decision, ExperimentRequest, Step
from apps.experiments.services.links import link_for
from tests.accounts.people import signed_in
from tests.budgets.base import budget as set_budget
from tests.experiments.base import NOW, People, create, running, say, settle, state_policy, submit
from tests.ingest.factories import event, send

FORM = {
    "title": "Rerank",
    "hypothesis": "It answers more.",
    "team": "search",
    "owner": "erin@lab.example",
    "starts_on": "2026-01-20",
    "ends_on": "2026-02-02",
    "sensitivity": "internal",
    "limit": "hard",
    "p0-model": "testco/tiny",
    "p0-runs_likely": "1000",
    "p0-runs_high": "2000",
    "p0-input_tokens_likely": "4000",
    "p0-output_tokens_likely": "1000",
}


@pytest.fixture
def people(acme: Any) -> Any:
    with time_machine.travel(NOW, tick=False):
        yield settle()


def client(name: str) -> Client:
    return signed_in("acme", User.objects.get(email=f"{name}@lab.example"))


def text_of(answer: Any) -> str:
    return str(answer.content.decode())


def test_a_request_is_written_and_submitted_in_one_go(people: People) -> None:
    engineer = client("erin")
    page = text_of(engineer.get("/experiments/new/"))
    assert 'value="search"' in page
    sent = engineer.post("/experiments/new/", FORM | {"deed": "submit"})
    assert sent.status_code == 302
    shown = text_of(engineer.get(sent["location"]))
    assert "exp-1 waits for approval" in shown
    assert "USD\xa040.00" in shown
    assert ExperimentRequest.objects.get().state == "submitted"


def test_the_estimate_follows_the_form(people: People) -> None:
    engineer = client("erin")
    half = text_of(engineer.post("/experiments/preview/", {"p0-model": "testco/tiny"}))
    assert "Name a model" in half
    full = text_of(engineer.post("/experiments/preview/", FORM))
    assert "USD\xa020" in full
    assert "1M" in full
    slip = text_of(engineer.post("/experiments/preview/", FORM | {"amount": "9000"}))
    assert "Check the unit" in slip


def test_what_is_wrong_stands_beside_its_field(people: People) -> None:
    engineer = client("erin")
    bad = engineer.post("/experiments/new/", FORM | {"p0-runs_high": "5", "team": "ads"})
    assert bad.status_code == 422
    assert "Let low be at most likely" in text_of(bad)
    assert "Give a whole number" not in text_of(bad)
    empty = engineer.post("/experiments/new/", FORM | {"p0-model": ""})
    assert empty.status_code == 422
    assert not ExperimentRequest.objects.exists()


def test_a_draft_is_changed_and_shown_as_it_was(people: People) -> None:
    engineer = client("erin")
    engineer.post("/experiments/new/", FORM | {"deed": "keep"})
    row = ExperimentRequest.objects.get()
    url = f"/experiments/{row.public_id}/change/"
    page = text_of(engineer.get(url))
    assert 'value="testco/tiny"' in page
    assert 'value="2000"' in page
    assert engineer.post(url, FORM | {"title": "Rerank less"}).status_code == 302
    row.refresh_from_db()
    assert (row.title, row.revision) == ("Rerank less", 2)


def test_the_inbox_and_the_page_of_a_decision(people: People) -> None:
    set_budget(scope={}, name="Whole company")
    asked = submit(people)
    approver = client("paula")
    inbox = text_of(approver.get("/approvals/"))
    assert "For you to decide (1)" in inbox
    assert "Waiting for others (1)" in text_of(client("frank").get("/approvals/"))
    url = f"/approvals/{asked.id}/"
    page = text_of(approver.get(url))
    for words in (">Approve <span", "Reranking fifty", "Budgets that it would draw", "exp-1"):
        assert words in page, words
    own = text_of(client("erin").get(url))
    assert "Your decision" not in own
    assert ("Whole company" in page, "Whole company" in own) == (True, False)
    refused = approver.post(f"{url}decide/", {"verdict": "reject", "comment": ""}, follow=True)
    assert "Say why" in text_of(refused)
    assert approver.post(f"{url}decide/", {"verdict": "maybe"}).status_code == 400
    done = approver.post(f"{url}decide/", {"verdict": "approve"}, follow=True)
    assert "exp-1 is running" in text_of(done)


def test_several_are_approved_at_once_and_one_that_is_refused_holds_none_back(
    people: People,
) -> None:
    ids = [str(submit(people).id) for _ in range(2)]
    own = create(people, owner="paula@lab.example")
    from apps.experiments import services

    services.submit(id=own.id, actor=people.engineer, now=NOW)
    sent = client("paula").post(
        "/approvals/approve/", {"selected": [*ids, str(own.id), "nonsense"]}, follow=True
    )
    assert "2 approved" in text_of(sent)
    assert "another person has to decide" in text_of(sent)
    assert Decision.objects.count() == 2


def test_a_link_asks_to_sign_in_and_to_confirm(people: People) -> None:
    submit(people)
    step = str(Step.objects.get().public_id)
    url = link_for(step=step, reader="paula@lab.example", verdict=Verdict.APPROVE)
    path = "/" + url.split("/", 3)[3]
    stranger = Client(headers={"host": "acme.localhost"})
    assert stranger.get(path)["location"].startswith("/login/")
    approver = client("paula")
    assert "Nothing is decided until you confirm" in text_of(approver.get(path))
    assert not Decision.objects.exists()
    assert client("peter").get(path).status_code == 403
    assert client("peter").post(path, follow=True).status_code == 200
    assert not Decision.objects.exists()
    assert "Your decision is kept" in text_of(approver.post(path, {"comment": ""}, follow=True))
    assert Decision.objects.get().via == "link"
    assert "has been used" in text_of(approver.get(path))


def test_the_page_of_a_running_experiment(people: People) -> None:
    done = running(people)
    send([event("e", tags={"team": "search", "experiment": done.code})], received_at=NOW)
    engineer = client("erin")
    url = f"/experiments/{done.id}/"
    page = text_of(engineer.get(url))
    for words in ("no success yet", "USD\xa00.005", "experiment=exp-1", "Ask for more", "Complete"):
        assert words in page, words
    assert "Revoke" not in page
    assert "Revoke" in text_of(client("frank").get(url))
    form = {"amount": "60", "ends_on": "2026-02-10", "note": "more"}
    assert engineer.post(f"{url}amend/", form).status_code == 302
    assert "Amendment:" in text_of(client("paula").get(f"/approvals/{done.id}/"))
    engineer.post(f"{url}complete/", {"reason": "It helps."})
    over = text_of(engineer.get(url))
    assert "It helps." in over
    assert "Given back" in over
    record = engineer.get(f"{url}record.pdf")
    assert (record["content-type"], record.content[:5]) == ("application/pdf", b"%PDF-")
    assert engineer.get(f"{url}record.pdf").content == record.content


def test_experiments_side_by_side(people: People) -> None:
    ids = [running(people).id, running(people, title="Another").id]
    engineer = client("erin")
    sent = engineer.post("/experiments/compare/", {"selected": [str(one) for one in ids]})
    page = text_of(engineer.get(sent["location"]))
    assert "Another" in page
    assert page.count("no use yet") == 4
    assert engineer.get("/experiments/compare/", {"id": "x"}).status_code == 400
    listed = engineer.get("/experiments/", {"format": "csv"})
    assert b"exp-2" in b"".join(listed.streaming_content if listed.streaming else [listed.content])


def test_finance_sees_commitments_and_exceptions(people: People) -> None:
    running(people)
    steps = [{"name": "Two", "quorum": 2, "approvers": {"roles": ["approver"]}}]
    state_policy(otherwise=steps)
    submit(people)
    User.objects.filter(email="peter@lab.example").update(is_active=False, deactivated_at=NOW)
    finance = client("frank")
    assert "USD\xa040.00" in text_of(finance.get("/approvals/commitments/"))
    page = text_of(finance.get("/approvals/exceptions/"))
    assert "Too few people can decide Two" in page


def test_a_link_that_does_not_work_says_why_and_where_to_go(people: People) -> None:
    submit(people)
    step = str(Step.objects.get().public_id)
    link = link_for(step=step, reader="paula@lab.example", verdict=Verdict.APPROVE)
    path = "/approvals/link/" + link.partition("/approvals/link/")[2]
    approver = client("paula")
    assert "Approve this request" in text_of(approver.get(path))
    broken = approver.get("/approvals/link/abc:def:ghi/")
    other = client("peter").get(path)
    approver.post(path, {"comment": ""})
    used = approver.get(path)
    with time_machine.travel(NOW + timedelta(days=8), tick=False):
        old = client("paula").get(path)
    assert [one.status_code for one in (broken, other, used, old)] == [404, 403, 409, 404]
    for answer, said in (
        (broken, "does not work or has expired"),
        (other, "written to somebody else"),
        (used, "has been used"),
        (old, "does not work or has expired"),
    ):
        page = text_of(answer)
        assert "This link does not work" in page
        assert said in page
        assert 'href="/approvals/">Open your inbox' in page


def test_the_policy_is_tried_and_put_in_force(people: People) -> None:
    submit(people)
    finance = client("frank")
    assert "one approver decides every request" in text_of(finance.get("/approvals/policy/"))
    url = "/approvals/policy/change/"
    assert finance.get(url).status_code == 200
    form = {
        "up_to": "25",
        "team_month": "100",
        "expire_days": "14",
        "r0-name": "Dear",
        "r0-amount_over": "30",
        "r0s0-name": "Product",
        "r0s0-who": "approver",
        "r0s0-quorum": "2",
        "o0-name": "Any",
        "o0-who": "either",
        "version": "1",
    }
    tried = text_of(finance.post(url, form | {"deed": "try"}))
    assert "Product by 2" in tried
    assert ApprovalPolicy.objects.count() == 1
    missing = finance.post(url, form | {"deed": "state"})
    assert missing.status_code == 422
    done = finance.post(url, form | {"deed": "state", "note": "Two for dear ones"}, follow=True)
    page = text_of(done)
    assert "more than USD 30.00" in page
    assert "Version 2" in page
    stale = finance.post(url, form | {"deed": "state", "note": "again"})
    assert "Version 2 is in force by now" in text_of(stale)
    nobody = form | {"version": "2", "note": "x", "o0-who": "people", "o0-people": "x@y.example"}
    assert "is no active approver" in text_of(finance.post(url, nobody | {"deed": "state"}))
    assert client("paula").get(url).status_code == 403


def test_a_stand_in_is_named_and_ended(people: People) -> None:
    approver = client("paula")
    form = {"delegate": "peter@lab.example", "starts_on": "2026-01-20", "ends_on": "2026-01-22"}
    page = approver.post("/approvals/stand-ins/", form, follow=True)
    assert "decides in your place" in text_of(page)
    assert "End it" in text_of(page)
    assert client("erin").get("/approvals/stand-ins/").status_code == 403


def test_outcomes_by_feature_and_experiment(people: People) -> None:
    done = say(submit(people), people.approver)
    good = {"name": "answered", "success": True}
    tags = {"team": "search", "feature": "rerank", "experiment": done.code}
    send([event(f"e{n}", tags=tags, outcome=good) for n in range(2)], received_at=NOW)
    send([event("f", tags={"team": "search", "feature": "quiet"})], received_at=NOW)
    owner = client("olivia")
    page = text_of(owner.get("/usage/outcomes/"))
    assert "no success yet" in page
    assert "rerank" in page
    by = text_of(owner.get("/usage/outcomes/", {"by": "experiment"}))
    assert done.code in by
    assert owner.get("/usage/outcomes/", {"start": "x"}).status_code == 400


def test_the_home_page_says_what_waits(people: People) -> None:
    submit(people)
    assert "1 request waits for your decision" in text_of(client("paula").get("/"))
    assert "waits for your decision" not in text_of(client("erin").get("/"))


def _policy_form(**more: str) -> dict[str, str]:
    return {
        "expire_days": "14",
        "version": "0",
        "o0-name": "Product",
        "o0-who": "approver",
        "r0-name": "Large",
        "r0-amount_over": "100",
        "r0s0-name": "Owner",
        "r0s0-who": "owner",
        **more,
    }


def test_a_policy_takes_more_routes_and_steps_without_scripts(people: People) -> None:
    """A button shows the form again with one more, judging nothing that is not filled in yet."""
    finance, url = client("frank"), "/approvals/policy/change/"
    first = text_of(finance.get(url))
    assert 'value="route"' in first
    again = finance.post(url, _policy_form(deed="route"))
    page = text_of(again)
    assert again.status_code == 200
    assert 'name="r1-name"' in page
    assert 'value="Large"' in page
    assert "field-error" not in page
    page = text_of(finance.post(url, _policy_form(deed="step:r0s", **{"r0s1-name": "Second"})))
    assert 'name="r0s2-name"' in page
    assert 'name="r0s3-name"' not in page
    assert 'value="Second"' in page
    routes = {f"r{n}-name": f"Route {n}" for n in range(8)}
    routes |= {f"r{n}-amount_over": str(n + 1) for n in range(8)}
    for n in range(8):
        routes |= {f"r{n}s0-name": "Owner", f"r{n}s0-who": "owner"}
    steps = {f"r7s{n}-name": f"Step {n}" for n in range(1, 5)}
    steps |= {f"r7s{n}-who": "team" for n in range(1, 5)}
    steps |= {f"r7s{n}-order": str(n + 1) for n in range(1, 5)}
    kept = finance.post(url, _policy_form(deed="state", note="More", **routes, **steps))
    assert kept.status_code == 422, "five steps need five people, and there are fewer"
    assert "route 8, step" in text_of(kept)
    steps = {name: value for name, value in steps.items() if name < "r7s3"}
    kept = finance.post(url, _policy_form(deed="state", note="More", **routes, **steps))
    assert kept.status_code == 302, text_of(kept)
    rules = ApprovalPolicy.objects.get().rules
    assert [one["name"] for one in rules["routes"]] == [f"Route {n}" for n in range(8)]
    assert [one["order"] for one in rules["routes"][7]["steps"]] == [1, 2, 3]
    shown = text_of(finance.get(url))
    assert 'value="Route 7"' in shown
    assert 'name="r8-name"' in shown
