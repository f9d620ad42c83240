"""Statements accepted and disputed: by whom, until when, and what the database refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from threading import Event, Thread
from typing import Any
from uuid import UUID, uuid4

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, connection, connections, transaction
from django.test.client import encode_multipart
from django_tenants.utils import schema_context

from apps.accounts import selectors as accounts
from apps.accounts import services as account_services
from apps.accounts.domain.keys import KeyKind
from apps.allocation import services as allocation
from apps.allocation.domain.facts import RunFacts
from apps.allocation.domain.rules import Axis
from apps.allocation.domain.transfers import AdjustmentDraft
from apps.audit import selectors as audit
from apps.chargeback import selectors
from apps.chargeback import services as chargeback
from apps.chargeback.domain.acceptance import (
    AcceptanceState,
    AnswerInvalid,
    Decision,
    DisputeDraft,
    DisputeMissing,
    DisputeSettled,
    DisputesOpen,
    Lapse,
    NotTheOwner,
    Outcome,
    PersonRequired,
    Policy,
    SamePerson,
    StatementNotIssued,
    StatementSettled,
    Upload,
    WindowOver,
)
from apps.chargeback.domain.results import StatementMissing
from apps.chargeback.models import Resolution, Response, Statement
from apps.core.domain.access import PERSONAL_ONLY, Actor, Role, Scope
from apps.core.domain.errors import Forbidden
from apps.documents import services as documents
from apps.periods import services as periods
from tests.accounts.people import bearer, browser, person, service_key, signed_in
from tests.chargeback.conftest import NOW, OCTOBER, SYSTEM, adjusted, usual_lines
from tests.documents.drafts import draft_october

pytestmark = pytest.mark.usefixtures("store")
LATER = NOW + timedelta(days=2)


@pytest.fixture
def issued(allocate: Callable[..., RunFacts], people: dict[str, Actor]) -> chargeback.StatementSet:
    run = allocate(usual_lines())
    chargeback.draft_statements(month=OCTOBER, run=run.id, actor=people["maya"], now=NOW)
    return chargeback.issue_statements(
        month=OCTOBER, actor=people["maya"], approver=people["jonas"], now=NOW
    )


@pytest.fixture
def dana(people: dict[str, Actor]) -> Actor:
    """The owner of CC-4100, a member of no team."""
    account_services.invite(
        actor=SYSTEM,
        email="Dana@acme.example",
        name="Dana Whitfield",
        role=Role.MEMBER,
        teams=(),
        now=NOW,
    )
    return accounts.actor_of_person("dana@acme.example")


@pytest.fixture
def own(issued: chargeback.StatementSet) -> UUID:
    return issued.documents[0]


def disputed(own: UUID, dana: Actor, **given: Any) -> Any:
    draft = DisputeDraft(**{"comment": "These requests were not ours.", **given})
    return chargeback.dispute(id=own, draft=draft, actor=dana, now=LATER)


def state(own: UUID, actor: Actor, now: Any = LATER) -> str:
    return selectors.acceptance(own, actor=actor, now=now).state.value


def test_the_owner_accepts_once(own: UUID, dana: Actor, people: dict[str, Actor]) -> None:
    assert state(own, dana) == "awaiting"
    first = chargeback.accept(id=own, comment=" Fine. ", actor=dana, now=LATER)
    assert first.state is AcceptanceState.ACCEPTED
    assert [(one.verdict, one.comment, one.by) for one in first.responses] == [
        ("accepted", "Fine.", dana.label)
    ]
    again = chargeback.accept(id=own, comment="Again.", actor=dana, now=LATER)
    assert again == first
    with pytest.raises(StatementSettled):
        disputed(own, dana)
    assert Response.objects.count() == 1
    assert [one.action for one in audit.history(subject="statement", subject_id=str(own))] == [
        "statement.accepted"
    ]


def test_a_dispute_holds_acceptance_until_finance_decides(
    own: UUID, dana: Actor, people: dict[str, Actor]
) -> None:
    line = selectors.statement(own, actor=people["maya"]).payload["lines"][0]
    found = disputed(own, dana, position=1, amount=Decimal("90.00"))
    assert (found.line, found.position, found.amount) == (line["heading"], 1, Decimal("90.00"))
    assert state(own, dana) == "disputed"
    with pytest.raises(DisputesOpen):
        chargeback.accept(id=own, comment="", actor=dana, now=LATER)
    for wrong in ("ADJ-7", str(uuid4())):
        with pytest.raises(AnswerInvalid, match="there is no adjustment") as refused:
            chargeback.resolve(
                id=own,
                dispute=found.id,
                decision=Decision(outcome=Outcome.CORRECTED, reason="Yes.", reference=wrong),
                actor=people["maya"],
                now=LATER,
            )
        assert refused.value.errors[0].field == "reference"
    assert state(own, dana) == "disputed"
    adjustment = adjusted(people, now=LATER)
    ended = chargeback.resolve(
        id=own,
        dispute=found.id,
        decision=Decision(
            outcome=Outcome.CORRECTED, reason="You are right.", reference=str(adjustment.id)
        ),
        actor=people["maya"],
        now=LATER,
    )
    assert ended.resolution is not None
    told = (ended.resolution.reference, str(ended.resolution.booked_in))
    assert told == (adjustment.code, "2026-11")
    assert state(own, dana) == "awaiting"
    with pytest.raises(DisputeSettled):
        chargeback.withdraw(id=own, dispute=found.id, reason="", actor=dana, now=LATER)
    chargeback.accept(id=own, comment="", actor=dana, now=LATER)
    assert state(own, people["ana"]) == "accepted"


def test_only_an_approved_adjustment_of_the_cost_center_corrects(
    own: UUID, dana: Actor, people: dict[str, Actor]
) -> None:
    found = disputed(own, dana)
    draft = AdjustmentDraft(Axis.TEAM, "search", "assistant", Decimal("90"), "Not theirs.", "STM")
    maya, jonas, month = people["maya"], people["jonas"], OCTOBER + 1
    asked = allocation.request_adjustment(month=month, draft=draft, actor=maya, now=LATER)
    elsewhere = replace(draft, sender="assistant", receiver="UNALLOCATED")
    other = allocation.request_adjustment(month=month, draft=elsewhere, actor=maya, now=LATER)
    allocation.approve_adjustment(id=other.id, comment="Yes.", actor=jonas, now=LATER)
    assert selectors.corrections(since=OCTOBER, cost_center="CC-4100") == []
    for reference, says in (
        (asked.code, "waits for another person"),
        (other.code, "none of CC-41"),
    ):
        decision = Decision(outcome=Outcome.CORRECTED, reason="Yes.", reference=reference)
        with pytest.raises(AnswerInvalid, match=says):
            chargeback.resolve(id=own, dispute=found.id, decision=decision, actor=maya, now=LATER)
    assert state(own, dana) == "disputed"
    allocation.approve_adjustment(id=asked.id, comment="Yes.", actor=jonas, now=LATER)
    decision = Decision(outcome=Outcome.CORRECTED, reason="Yes.", reference=asked.code)
    chargeback.resolve(id=own, dispute=found.id, decision=decision, actor=maya, now=LATER)
    assert state(own, dana) == "awaiting"


def test_the_same_dispute_twice_is_one(own: UUID, dana: Actor) -> None:
    assert disputed(own, dana, position=1).id == disputed(own, dana, position=1).id
    assert disputed(own, dana, position=2).id != disputed(own, dana, position=1).id
    assert [one.response.position for one in selectors.open_disputes(month=OCTOBER)] == [1, 2]
    assert [one.number for one in selectors.open_disputes(month=OCTOBER + 1)] == [
        "STM-2026-10-0001"
    ] * 2
    assert selectors.open_disputes(month=OCTOBER - 1) == []


def test_only_who_raised_a_dispute_withdraws_it(
    own: UUID, dana: Actor, people: dict[str, Actor]
) -> None:
    found = disputed(own, dana)
    chargeback.name_responder(
        cost_center="CC-4100", email="lee@acme.example", is_named=True, actor=SYSTEM, now=NOW
    )
    with pytest.raises(SamePerson):
        chargeback.withdraw(id=own, dispute=found.id, reason="", actor=people["lee"], now=LATER)
    ended = chargeback.withdraw(id=own, dispute=found.id, reason="", actor=dana, now=LATER)
    assert ended.state == "withdrawn"


def test_who_may_answer(own: UUID, dana: Actor, people: dict[str, Actor]) -> None:
    for name, refusal in (("maya", NotTheOwner), ("ana", NotTheOwner), ("lee", StatementMissing)):
        with pytest.raises(refusal):
            chargeback.accept(id=own, comment="", actor=people[name], now=LATER)
    with pytest.raises(PersonRequired):
        chargeback.accept(id=own, comment="", actor=SYSTEM, now=LATER)
    chargeback.name_responder(
        cost_center="CC-4100", email="LEE@acme.example", is_named=True, actor=SYSTEM, now=NOW
    )
    assert chargeback.accept(id=own, comment="", actor=people["lee"], now=LATER).state.value == (
        "accepted"
    )


def test_a_name_can_be_taken_back(own: UUID, people: dict[str, Actor]) -> None:
    for named in (True, True, False):
        chargeback.name_responder(
            cost_center="CC-4200",
            email="lee@acme.example",
            is_named=named,
            actor=people["maya"],
            now=NOW,
        )
    assert selectors.responders() == {}
    with pytest.raises(AnswerInvalid, match="no cost center"):
        chargeback.name_responder(
            cost_center="CC-9", email="x@y.example", is_named=True, actor=SYSTEM, now=NOW
        )
    with pytest.raises(AnswerInvalid, match="e-mail"):
        chargeback.name_responder(
            cost_center="CC-4100", email="x", is_named=True, actor=SYSTEM, now=NOW
        )


def test_the_owner_sees_the_statement_and_nobody_elses(
    issued: chargeback.StatementSet, dana: Actor
) -> None:
    seen = selectors.statements(month=OCTOBER, actor=dana)
    assert [one.cost_center for one in seen] == ["CC-4100"]
    with pytest.raises(StatementMissing):
        selectors.acceptance(issued.documents[1], actor=dana, now=LATER)


def test_finance_decides_and_never_its_own_dispute(
    own: UUID, dana: Actor, people: dict[str, Actor]
) -> None:
    chargeback.name_responder(
        cost_center="CC-4100", email="maya@acme.example", is_named=True, actor=SYSTEM, now=NOW
    )
    found = disputed(own, people["maya"])
    rejected = Decision(outcome=Outcome.REJECTED, reason="The tags say otherwise.")
    for actor, refusal in (
        (people["maya"], SamePerson),
        (people["ana"], Forbidden),
        (dana, Forbidden),
        (SYSTEM, PersonRequired),
    ):
        with pytest.raises(refusal):
            chargeback.resolve(id=own, dispute=found.id, decision=rejected, actor=actor, now=LATER)
    with pytest.raises(AnswerInvalid, match="adjustment"):
        chargeback.resolve(
            id=own,
            dispute=found.id,
            decision=Decision(outcome=Outcome.CORRECTED, reason="Yes."),
            actor=people["maya"],
            now=LATER,
        )
    with pytest.raises(DisputeMissing):
        chargeback.resolve(
            id=own, dispute=uuid4(), decision=rejected, actor=people["maya"], now=LATER
        )
    assert Resolution.objects.count() == 0


def test_days_end_and_silence_counts_by_policy(
    own: UUID, dana: Actor, people: dict[str, Actor]
) -> None:
    due = selectors.acceptance(own, actor=dana, now=LATER).due_at
    assert due is not None
    assert chargeback.lapse_overdue(now=due - timedelta(seconds=1)) == 0
    assert state(own, dana, now=due) == "overdue"
    with pytest.raises(WindowOver):
        chargeback.dispute(id=own, draft=DisputeDraft(comment="Late."), actor=dana, now=due)
    chargeback.set_policy(policy=Policy(Lapse.STAY_OPEN, 5), actor=people["maya"], now=NOW)
    assert chargeback.lapse_overdue(now=due) == 0
    chargeback.set_policy(policy=Policy(Lapse.ACCEPT, 5), actor=people["maya"], now=NOW)
    assert chargeback.lapse_overdue(now=due) == 3
    assert chargeback.lapse_overdue(now=due) == 0
    assert state(own, dana, now=due) == "lapsed"
    with pytest.raises(StatementSettled):
        chargeback.accept(id=own, comment="", actor=dana, now=due)


def test_a_decision_gives_the_reader_time_again(
    own: UUID, dana: Actor, people: dict[str, Actor]
) -> None:
    due = selectors.acceptance(own, actor=dana, now=LATER).due_at
    assert due is not None
    found = disputed(own, dana)
    assert chargeback.lapse_overdue(now=due + timedelta(days=30)) == 2
    decided = due + timedelta(days=31)
    chargeback.resolve(
        id=own,
        dispute=found.id,
        decision=Decision(outcome=Outcome.REJECTED, reason="No."),
        actor=people["maya"],
        now=decided,
    )
    assert chargeback.lapse_overdue(now=decided + timedelta(days=2)) == 0
    assert chargeback.lapse_overdue(now=decided + timedelta(days=3)) == 1


def test_drafts_and_replaced_statements_take_no_answer(
    allocate: Callable[..., RunFacts], people: dict[str, Actor], dana: Actor
) -> None:
    run = allocate(usual_lines())
    drafts = chargeback.draft_statements(month=OCTOBER, run=run.id, actor=people["maya"], now=NOW)
    with pytest.raises(StatementNotIssued):
        chargeback.accept(id=drafts.documents[0], comment="", actor=dana, now=LATER)
    with pytest.raises(IntegrityError, match="not issued"), transaction.atomic():
        Response.objects.create(
            statement=Statement.objects.get(document__public_id=drafts.documents[0]),
            verdict="accepted",
            created_at=NOW,
            created_by="x",
            user_id=1,
        )
    chargeback.issue_statements(
        month=OCTOBER, actor=people["maya"], approver=people["jonas"], now=NOW
    )
    old = disputed(drafts.documents[0], dana)
    again = allocate(usual_lines()[:-1])
    chargeback.draft_statements(month=OCTOBER, run=again.id, actor=people["maya"], now=NOW)
    newer = chargeback.issue_statements(
        month=OCTOBER, actor=people["maya"], approver=people["jonas"], now=NOW
    )
    with pytest.raises(StatementNotIssued, match="replaced"):
        chargeback.accept(id=drafts.documents[0], comment="", actor=dana, now=LATER)
    assert selectors.open_disputes(month=OCTOBER) == []
    [listed] = selectors.disputes(actor=people["maya"])
    assert (listed.response.id, listed.is_replaced) == (old.id, True)
    assert state(newer.documents[0], dana) == "awaiting"


def test_the_database_keeps_answers_in_order(own: UUID, dana: Actor) -> None:
    row = Statement.objects.get(document__public_id=own)
    found = disputed(own, dana)
    answer = Response.objects.get(public_id=found.id)
    facts = {"statement": row, "created_at": NOW, "created_by": "x", "user_id": 1}
    for wrong in (
        {"verdict": "accepted"},
        {"verdict": "disputed", "comment": ""},
        {"verdict": "perhaps"},
        {"verdict": "disputed", "comment": "x", "user_id": None},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            Response.objects.create(**facts | wrong)
    end = {"response": answer, "reason": "x", "created_at": NOW, "created_by": "x"}
    for wrong in (
        {"outcome": "rejected", "user_id": dana.user_id},
        {"outcome": "withdrawn", "user_id": 424242},
        {"outcome": "corrected", "user_id": 424242},
        {"outcome": "rejected", "user_id": 424242, "reference": "ADJ"},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            Resolution.objects.create(**end | wrong)
    for table in ("response", "resolution", "attachment", "responder", "acceptancepolicy"):
        with (
            pytest.raises(IntegrityError, match="append-only"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(f"DELETE FROM chargeback_{table}")
    assert (Response.objects.count(), Resolution.objects.count()) == (1, 0)


@pytest.mark.parametrize(
    ("file", "says"),
    [
        (Upload(name="a.exe", content=b"MZ"), "none of"),
        (Upload(name="a.pdf", content=b"<html>"), "does not hold"),
        (Upload(name="a.txt", content=b"\x00"), "does not hold"),
        (Upload(name="a.pdf", content=b""), "1 byte"),
        (Upload(name="a.pdf", content=b"%PDF-" + b"x" * (5 * 1024 * 1024)), "5 MiB"),
    ],
)
def test_other_files_are_refused(own: UUID, dana: Actor, file: Upload, says: str) -> None:
    with pytest.raises(AnswerInvalid, match=says):
        disputed(own, dana, files=[file])
    assert Response.objects.count() == 0


def test_bad_drafts_name_their_field(own: UUID, dana: Actor) -> None:
    for given, field in (
        ({"comment": "  "}, "comment"),
        ({"position": 99}, "line"),
        ({"amount": Decimal("1.001")}, "amount"),
        ({"files": [Upload(name="a.txt", content=b"x")] * 4}, "files"),
    ):
        with pytest.raises(AnswerInvalid) as refused:
            disputed(own, dana, **given)
        assert refused.value.errors[0].field == field
    assert Response.objects.count() == 0


@time_machine.travel(LATER, tick=False)
def test_the_api_disputes_with_a_file_and_serves_it_to_finance(
    own: UUID, dana: Actor, people: dict[str, Actor]
) -> None:
    request = account_services.KeyRequest(KeyKind.PERSONAL, "cli", frozenset({Scope.COSTS_READ}))
    key = account_services.issue_key(actor=dana, request=request, now=NOW)
    client = browser("acme")
    answer = client.post(
        f"/api/v1/statements/{own}/dispute",
        {
            "comment": "See the log.",
            "line": "1",
            "amount": "90.00",
            "files": SimpleUploadedFile('../lo"g.txt', b"not ours"),
        },
        headers=bearer(key),
    )
    assert answer.status_code == 201, answer.content
    [file] = answer.json()["attachments"]
    assert file["name"] == "lo_g.txt"
    path = f"/api/v1/statements/{own}/files/{file['id']}"
    maya = signed_in("acme", person(Role.FINANCE))
    got = maya.get(path)
    assert (got.status_code, got.content) == (200, b"not ours")
    assert got["Content-Disposition"] == 'attachment; filename="lo_g.txt"'
    stranger = signed_in("acme", person(Role.MEMBER))
    assert stranger.get(path).status_code == 404
    listed = maya.get("/api/v1/disputes?period=2026-10&state=open").json()["results"]
    assert [one["dispute"]["id"] for one in listed] == [answer.json()["id"]]
    done = maya.post(
        f"/api/v1/statements/{own}/disputes/{answer.json()['id']}/resolve",
        {"outcome": "rejected", "reason": "Tags."},
        content_type="application/json",
    )
    assert (done.status_code, done.json()["state"]) == (200, "rejected")
    accepted = client.post(
        f"/api/v1/statements/{own}/accept", {}, "application/json", headers=bearer(key)
    )
    assert (accepted.status_code, accepted.json()["state"]) == (200, "accepted")


@time_machine.travel(LATER, tick=False)
def test_a_dispute_with_files_counts_once_under_its_key(own: UUID, dana: Actor) -> None:
    """Every try of a form has another boundary; what was filled in is the same."""
    request = account_services.KeyRequest(KeyKind.PERSONAL, "cli", frozenset({Scope.COSTS_READ}))
    key = account_services.issue_key(actor=dana, request=request, now=NOW)

    def send(content: bytes, boundary: str) -> Any:
        form = {"comment": "Twice.", "files": SimpleUploadedFile("a.txt", content)}
        return browser("acme").post(
            f"/api/v1/statements/{own}/dispute",
            encode_multipart(boundary, form),
            content_type=f"multipart/form-data; boundary={boundary}",
            headers={**bearer(key), "idempotency-key": "d-1"},
        )

    first, again = send(b"x" * 3_000_000, "AaAa"), send(b"x" * 3_000_000, "BbBb")
    assert (first.status_code, again.status_code) == (201, 201), first.content
    assert again.content == first.content
    assert again["Idempotent-Replayed"] == "true"
    assert send(b"other", "AaAa").json()["code"] == "idempotency_conflict"
    assert Response.objects.count() == 1


@pytest.mark.parametrize("body", [[], [1], "x", {"comment": 1, "line": []}, {"color": 1}, {}])
def test_a_senseless_dispute_is_a_400(own: UUID, dana: Actor, body: Any) -> None:
    request = account_services.KeyRequest(KeyKind.PERSONAL, "cli", frozenset({Scope.COSTS_READ}))
    key = account_services.issue_key(actor=dana, request=request, now=NOW)
    answer = browser("acme").post(
        f"/api/v1/statements/{own}/dispute", body, "application/json", headers=bearer(key)
    )
    assert answer.status_code == 400, answer.content


def test_a_service_key_answers_nothing(own: UUID) -> None:
    key = service_key(*(frozenset(Scope) - PERSONAL_ONLY))
    client = browser("acme")
    for path, body in (
        ("accept", {}),
        ("dispute", {"comment": "x"}),
        (f"disputes/{uuid4()}/resolve", {"outcome": "rejected", "reason": "x"}),
        (f"disputes/{uuid4()}/withdraw", {}),
    ):
        answer = client.post(
            f"/api/v1/statements/{own}/{path}", body, "application/json", headers=bearer(key)
        )
        assert (answer.status_code, answer.json()["code"]) == (403, "person_required"), path


def test_accepting_and_disputing_at_once_gives_one_of_them(fresh_tenant: Any) -> None:
    """Two sessions answer one statement; the later one waits and then sees the first answer."""
    row = _sealed_statement()
    inside, waiting = Event(), Event()
    refused: list[str] = []

    def accept_meanwhile() -> None:
        with schema_context(fresh_tenant.schema):
            inside.wait(30)
            waiting.set()
            try:
                with transaction.atomic():
                    Response.objects.create(statement=row, verdict="accepted", **SAID)
            except IntegrityError as error:
                refused.append(str(error))
        connections.close_all()

    other = Thread(target=accept_meanwhile)
    other.start()
    with transaction.atomic():
        Response.objects.create(statement=row, verdict="disputed", comment="x", **SAID)
        inside.set()
        assert waiting.wait(30)
    other.join(60)
    assert "dispute of the statement is open" in refused[0]
    assert list(Response.objects.values_list("verdict", flat=True)) == ["disputed"]


SAID = {"created_at": NOW, "created_by": "x", "user_id": 1}


def _sealed_statement() -> Statement:
    periods.extend_calendar(now=NOW)
    document = draft_october()
    row = Statement.objects.create(
        document_id=documents.row_id(document),
        month=OCTOBER.first_day,
        cost_center="CC-1",
        run=uuid4(),
        billed=0,
        created_at=NOW,
        created_by="x",
    )
    issue = documents.IssueFacts(prepared_by="a", approved_by="b", audit_sequence=1, audit_hash="c")
    documents.seal(document=document, series="STM-2026-10", issue=issue, now=NOW)
    return row
