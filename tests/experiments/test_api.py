"""The API: auth, shape, codes, and one whole life through it."""

from __future__ import annotations

from typing import Any

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from apps.accounts import services as accounts
from apps.accounts.domain.keys import KeyKind
from apps.accounts.models import User
from apps.core.domain.access import Scope
from apps.experiments.models import ExperimentRequest
from tests.accounts.people import bearer, service_key, signed_in
from tests.experiments.base import NOW, People, settle
from tests.ingest.factories import event, send

URL = "/api/v1/experiments"
JSON = {"content_type": "application/json"}
BODY: dict[str, Any] = {
    "title": "Rerank",
    "hypothesis": "It answers more.",
    "plans": [
        {
            "provider": "testco",
            "model": "tiny",
            "runs": {"low": 500, "likely": 1000, "high": 2000},
            "input_tokens": 4000,
            "output_tokens": 1000,
            "cache_share": "0",
        }
    ],
    "starts_on": "2026-01-10",
    "ends_on": "2026-02-10",
    "outcome_name": "answered",
    "outcome_target": 100,
    "outcome_value": "0.50",
}


@pytest.fixture
def people(acme: Any) -> Any:
    with time_machine.travel(NOW, tick=False):
        yield settle()


def client(name: str) -> Client:
    return signed_in("acme", User.objects.get(email=f"{name}@lab.example"))


def made(engineer: Client, **changes: Any) -> dict[str, Any]:
    answer = engineer.post(URL, BODY | changes, **JSON)
    assert answer.status_code == 201, answer.json()
    found: dict[str, Any] = answer.json()
    return found


def test_a_whole_life(people: People) -> None:
    engineer, approver = client("erin"), client("paula")
    one = made(engineer)
    assert (one["code"], one["state"], one["asked"]) == ("exp-1", "draft", "40")
    assert (one["owner"], one["team"]) == ("erin@lab.example", "search")
    assert one["estimate"]["band"] == {"low": "10", "likely": "20", "high": "40"}
    assert one["estimate"]["lines"][0]["unit_size"] == 1_000_000
    url = f"{URL}/{one['id']}"
    asked = engineer.post(f"{url}/submit", {}, **JSON).json()
    assert (asked["state"], asked["steps"][0]["state"]) == ("submitted", "open")
    said = {"verdict": "approve", "comment": "go"}
    assert engineer.post(f"{url}/decisions", said, **JSON).status_code == 403
    done = approver.post(f"{url}/decisions", said, **JSON)
    assert done.json()["state"] == "running"
    assert done.json()["decisions"][0]["decided_by"] == "paula@lab.example"
    send([event("e", tags={"team": "search", "experiment": "exp-1"})], received_at=NOW)
    burn = engineer.get(url).json()["burn"]
    assert (burn["spent"], burn["left"]) == ("0.005", "39.995")
    more = {"amount": "60", "note": "slow"}
    assert engineer.post(f"{url}/amend", more, **JSON).json()["rounds"][0]["is_amendment"]
    assert approver.post(f"{url}/decisions", said, **JSON).json()["amount"] == "60"
    over = engineer.post(f"{url}/complete", {"lessons": "It does."}, **JSON).json()
    assert (over["state"], over["released"]) == ("completed", "59.995")
    assert over["outcome"]["missing_successes"] == "no success yet"
    assert over["outcome"]["cost_per_success"] is None
    assert over["reports"][0]["lessons"] == "It does."
    [listed] = engineer.get(URL, {"state": "completed"}).json()["results"]
    assert listed["code"] == "exp-1"


def test_service_keys_ask_and_never_decide(people: People) -> None:
    key = service_key(Scope.EXPERIMENTS_WRITE, Scope.BUDGETS_READ, Scope.ADMIN)
    robot = Client(headers={"host": "acme.localhost", **bearer(key)})
    one = made(robot, owner="erin@lab.example", team="search")
    url = f"{URL}/{one['id']}"
    assert robot.post(f"{url}/submit", {}, **JSON).json()["state"] == "submitted"
    refused = robot.post(f"{url}/decisions", {"verdict": "approve"}, **JSON)
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
    own = accounts.issue_key(
        actor=people.approver,
        request=accounts.KeyRequest(
            KeyKind.PERSONAL, "mine", frozenset({Scope.APPROVALS_DECIDE, Scope.BUDGETS_READ})
        ),
        now=NOW,
    )
    personal = Client(headers={"host": "acme.localhost", **bearer(own)})
    done = personal.post(f"{url}/decisions", {"verdict": "approve"}, **JSON)
    assert done.json()["state"] == "running"
    assert done.json()["decisions"][0]["via"] == "api"


def test_what_a_service_key_asks_for_is_not_approved_by_whoever_issued_it(people: People) -> None:
    scopes = frozenset({Scope.EXPERIMENTS_WRITE, Scope.BUDGETS_READ})
    request = accounts.KeyRequest(KeyKind.SERVICE, "robot", scopes)
    key = accounts.issue_key(actor=people.owner, request=request, now=NOW)
    robot = Client(headers={"host": "acme.localhost", **bearer(key)})
    url = f"{URL}/{made(robot, owner='erin@lab.example', team='search')['id']}"
    assert robot.post(f"{url}/submit", {}, **JSON).json()["state"] == "submitted"
    refused = client("olivia").post(f"{url}/decisions", {"verdict": "approve"}, **JSON)
    assert (refused.status_code, refused.json()["code"]) == (403, "same_person")
    done = client("paula").post(f"{url}/decisions", {"verdict": "approve"}, **JSON)
    assert done.json()["state"] == "running"


def test_a_repeated_request_is_one(people: People) -> None:
    engineer = client("erin")
    headers = {"Idempotency-Key": "once"}
    first = engineer.post(URL, BODY, headers=headers, **JSON)
    again = engineer.post(URL, BODY, headers=headers, **JSON)
    assert (again.json(), again.headers["Idempotent-Replayed"]) == (first.json(), "true")
    assert ExperimentRequest.objects.count() == 1
    other = engineer.post(URL, BODY | {"title": "Other"}, headers=headers, **JSON)
    assert other.status_code == 409


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"surplus": 1}, "surplus"),
        ({"amount": 1.5}, "amount"),
        ({"amount": "0.001"}, "amount"),
        ({"title": ""}, "title"),
        ({"plans": []}, "plans"),
        ({"starts_on": "tomorrow"}, "starts_on"),
        ({"owner": "nobody@lab.example"}, "owner"),
        ({"team": "ads"}, "team"),
        ({"sensitivity": "secret"}, "sensitivity"),
        ({"plans": [{**BODY["plans"][0], "input_tokens": "many"}]}, "plans.0.input_tokens"),
        ({"plans": [{**BODY["plans"][0], "runs": {"low": 1}}]}, "plans.0.runs.likely"),
        ({"plans": ["all"]}, "plans.0"),
        ({"plans": "all"}, "plans"),
    ],
)
def test_bad_fields_are_named(people: People, changes: dict[str, Any], field: str) -> None:
    answer = client("erin").post(URL, BODY | changes, **JSON)
    assert answer.status_code in (400, 422)
    named = {error["field"] for error in answer.json()["errors"]}
    assert field in named
    assert not any("non_field" in one for one in named)
    assert not ExperimentRequest.objects.exists()


def test_an_estimate_keeps_nothing(people: People) -> None:
    plans = [{**BODY["plans"][0], "model": "unheard-of"}]
    answer = client("erin").post(f"{URL}/estimate", {"plans": plans}, **JSON)
    assert (answer.status_code, answer.json()["band"]) == (200, None)
    assert [one["code"] for one in answer.json()["cautions"]] == ["unpriced", "unpriced"]
    priced = client("erin").post(
        f"{URL}/estimate", {"plans": BODY["plans"], "amount": "5000"}, **JSON
    )
    assert [one["code"] for one in priced.json()["cautions"]] == ["unit_slip"]


def test_files_are_kept_and_checked(people: People, settings: Any, tmp_path: Any) -> None:
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path)},
        },
    }
    engineer = client("erin")
    url = f"{URL}/{made(engineer)['id']}/files"
    good = SimpleUploadedFile("../case.txt", b"It pays.")
    assert engineer.post(url, {"file": good}).json()["files"][0]["name"] == "case.txt"
    for name, content in (("a.exe", b"x"), ("a.pdf", b"no"), ("a.txt", b"\x00"), ("a.txt", b"")):
        bad = engineer.post(url, {"file": SimpleUploadedFile(name, content)})
        assert (bad.status_code, bad.json()["code"]) == (422, "file_refused"), name
    assert engineer.post(url, {}).status_code == 400


def test_the_policy_is_read_stated_and_tried(people: People) -> None:
    finance, approver = client("frank"), client("paula")
    url = "/api/v1/approval-policy"
    assert approver.get(url).json()["version"] == 0
    policy = {"otherwise": [{"name": "Boss", "approvers": {"roles": ["owner"]}}]}
    assert approver.put(url, {"policy": policy, "note": "x"}, **JSON).status_code == 403
    stated = finance.put(url, {"policy": policy, "note": "Only the boss"}, **JSON)
    assert (stated.status_code, stated.json()["version"]) == (200, 1)
    bad = finance.put(url, {"policy": {"otherwise": []}, "note": "x"}, **JSON)
    assert bad.json()["errors"][0]["field"] == "otherwise"
    engineer = client("erin")
    engineer.post(f"{URL}/{made(engineer)['id']}/submit", {}, **JSON)
    tried = finance.post(
        f"{url}/simulate",
        {"policy": {"otherwise": [{"name": "Any", "approvers": {"roles": ["approver"]}}]}},
        **JSON,
    )
    assert tried.json()["rows"][0]["before"] == ["Boss"]
    assert tried.json()["rows"][0]["after"] == ["Any"]


def test_stand_ins_and_commitments(people: People) -> None:
    approver = client("paula")
    body = {"delegate": "peter@lab.example", "starts_on": "2026-01-20", "ends_on": "2026-01-30"}
    away = approver.post("/api/v1/delegations", body, **JSON)
    assert (away.status_code, away.json()["absent"]) == (201, "paula@lab.example")
    assert len(approver.get("/api/v1/delegations").json()["results"]) == 1
    end = f"/api/v1/delegations/{away.json()['id']}/end"
    assert approver.post(end, {}, **JSON).status_code == 204
    engineer = client("erin")
    one = made(engineer)
    engineer.post(f"{URL}/{one['id']}/submit", {}, **JSON)
    approver.post(f"{URL}/{one['id']}/decisions", {"verdict": "approve"}, **JSON)
    found = client("frank").get("/api/v1/commitments").json()
    assert (found["total"], found["results"][0]["open"]) == ("40", "40")
    assert client("frank").get("/api/v1/commitments", {"x": "1"}).status_code == 400


def test_revoking_asks_for_a_reason_and_the_right(people: People) -> None:
    engineer, approver, finance = client("erin"), client("paula"), client("frank")
    one = made(engineer)
    url = f"{URL}/{one['id']}"
    engineer.post(f"{url}/submit", {}, **JSON)
    approver.post(f"{url}/decisions", {"verdict": "approve"}, **JSON)
    assert engineer.post(f"{url}/revoke", {"reason": "x"}, **JSON).status_code == 403
    assert finance.post(f"{url}/revoke", {}, **JSON).json()["code"] == "reason_required"
    assert finance.post(f"{url}/revoke", {"reason": "x"}, **JSON).json()["state"] == "revoked"
