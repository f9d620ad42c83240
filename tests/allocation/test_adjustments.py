"""Adjustments: two people, an amount that sums to zero, booked exactly as approved."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, connection, transaction
from django.test import Client

from apps.accounts import selectors as accounts
from apps.allocation import selectors, services
from apps.allocation.domain.transfers import AdjustmentDraft, AdjustmentRefused
from apps.allocation.models import Adjustment, Line
from apps.allocation.selectors import Axis
from apps.allocation.services.adjustments import AdjustmentDecided, SamePerson
from apps.core.domain.access import Role, Scope
from apps.core.domain.errors import Forbidden, Invalid
from apps.documents.domain.uploads import FilesRefused, Upload
from apps.periods import services as periods
from tests.accounts.people import bearer, issued_by, person, service_key, signed_in
from tests.allocation.base import ACTOR, MONTH, NOW, Costs, enter_directory, line, use_costs

D = Decimal
DRAFT = AdjustmentDraft(Axis.TEAM, "ads", "search", D("12.50"), "Ran search's batch", "ticket 7")


@pytest.fixture
def costs(acme: Any, monkeypatch: pytest.MonkeyPatch) -> Costs:
    enter_directory()
    lines = [line("a", "30", team="ads"), line("b", "10", team="search"), line("c", "7")]
    return use_costs(monkeypatch, lines)


@pytest.fixture
def store(settings: Any, tmp_path: Path) -> Path:
    """Keep files in a folder of the test."""
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path)},
        },
    }
    return tmp_path


@pytest.fixture
def approver(acme: Any) -> Any:
    return accounts.actor_of_user(person(Role.OWNER, email="approver@acme.example"))


def ask(**changes: Any) -> selectors.AdjustmentFacts:
    draft = replace(DRAFT, **changes)
    return services.request_adjustment(month=MONTH, draft=draft, actor=ACTOR, now=NOW)


def approve(one: selectors.AdjustmentFacts, actor: Any) -> None:
    services.approve_adjustment(id=one.id, comment="fine", actor=actor, now=NOW)


def bearing() -> dict[str, Decimal]:
    run = services.run(month=MONTH, actor=ACTOR, now=NOW)
    found = selectors.totals_by_receiver(run=run.id, axis=Axis.TEAM)
    return {code: amounts.effective for code, amounts in found.items()}


def test_only_what_is_approved_is_booked_and_it_sums_to_zero(costs: Costs, approver: Any) -> None:
    one = ask()
    before = bearing()
    assert before == {"ads": D(30), "search": D(10), "UNALLOCATED": D(7)}
    first = selectors.published(MONTH)
    approve(one, approver)
    assert bearing() == {"ads": D("17.5"), "search": D("22.5"), "UNALLOCATED": D(7)}
    second = selectors.published(MONTH)
    assert (first.id != second.id, first.input_hash != second.input_hash) == (True, True)
    moved = [
        found
        for receiver in ("ads", "search")
        for found in selectors.lines_of(run=second.id, axis=Axis.TEAM, receiver=receiver)
        if found.kind == "adjustment"
    ]
    assert [(m.receiver, m.effective, m.billed, m.rule, m.measure) for m in moved] == [
        ("ads", D("-12.5"), D("-12.5"), "adj-2026-01-1", "Ran search's batch"),
        ("search", D("12.5"), D("12.5"), "adj-2026-01-1", "Ran search's batch"),
    ]
    assert services.run(month=MONTH, actor=ACTOR, now=NOW).id == second.id


def test_unowned_cost_can_be_given_an_owner(costs: Costs, approver: Any) -> None:
    approve(ask(sender="UNALLOCATED", receiver="ads", amount=D(7)), approver)
    assert bearing() == {"ads": D(37), "search": D(10), "UNALLOCATED": D(0)}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"sender": "nobody"}, "sender"),
        ({"receiver": "ads"}, "receiver"),
        ({"amount": D(0)}, "amount"),
        ({"amount": D(-1)}, "amount"),
        ({"amount": D("0.001")}, "amount"),
        ({"amount": D("NaN")}, "amount"),
        ({"reason": " "}, "reason"),
        ({"reference": "x" * 201}, "reference"),
    ],
)
def test_what_cannot_be_is_refused_by_field(
    costs: Costs, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(AdjustmentRefused) as refused:
        ask(**changes)
    assert field in {error.field for error in refused.value.errors}
    assert not Adjustment.objects.exists()


def test_whoever_asked_cannot_decide(costs: Costs, approver: Any) -> None:
    one = services.request_adjustment(month=MONTH, draft=DRAFT, actor=approver, now=NOW)
    with pytest.raises(SamePerson):
        approve(one, approver)
    with pytest.raises(SamePerson):
        approve(one, replace(approver, kind="key", label="key:mine"))
    with pytest.raises(Forbidden):
        approve(one, ACTOR)
    assert Adjustment.objects.get().state == "requested"


def test_a_decision_is_made_once(costs: Costs, approver: Any) -> None:
    one = ask()
    with pytest.raises(Invalid):
        services.reject_adjustment(id=one.id, comment=" ", actor=approver, now=NOW)
    services.reject_adjustment(id=one.id, comment="no", actor=approver, now=NOW)
    with pytest.raises(AdjustmentDecided):
        approve(one, approver)
    with pytest.raises(AdjustmentDecided):
        services.withdraw_adjustment(id=one.id, actor=ACTOR, now=NOW)
    assert bearing()["ads"] == D(30)
    assert ask().code == "adj-2026-01-2"


def test_the_database_itself_keeps_two_people_and_one_decision(costs: Costs, approver: Any) -> None:
    one = services.request_adjustment(month=MONTH, draft=DRAFT, actor=approver, now=NOW)
    rows = Adjustment.objects.filter(public_id=one.id)
    same = {"decided_at": NOW, "decided_by": "another name", "decided_by_user": approver.user_id}
    for change in (
        {"state": "approved", **same},
        {"amount": D(99)},
        {"state": "approved", "decided_at": NOW, "decided_by": "x", "amount": D(1)},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            rows.update(**change)
    with pytest.raises(IntegrityError), transaction.atomic():
        rows.delete()
    with pytest.raises(IntegrityError), transaction.atomic():
        row = Adjustment.objects.get()
        row.pk, row.public_id, row.code = None, "6f0f5a0e-7a44-5c1c-9a0c-1d9d3f1f2c55", "adj-x"
        row.state, row.decided_at, row.decided_by = "approved", NOW, "y"
        row.save(force_insert=True)


def test_a_run_that_books_another_amount_is_refused(
    costs: Costs, approver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    approve(ask(), approver)
    monkeypatch.setattr("apps.allocation.selectors.inputs.approved_transfers", lambda month: [])
    with pytest.raises(IntegrityError, match="is not what was approved"), transaction.atomic():
        services.run(month=MONTH, actor=ACTOR, now=NOW)
    assert not Line.objects.exists()


def test_a_closed_month_is_never_adjusted(costs: Costs, approver: Any) -> None:
    one = ask()
    services.run(month=MONTH, actor=ACTOR, now=NOW)
    periods.freeze(month=MONTH, price_book_version=1, actor=ACTOR, now=NOW)
    periods.lock(month=MONTH, actor=ACTOR, approver=approver, now=NOW)
    for act in (ask, lambda: approve(one, approver)):
        with pytest.raises(services.AdjustmentMonthClosed):
            act()
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE allocation_adjustment SET state = 'withdrawn', decided_at = now()")


def test_whoever_issued_the_key_that_asked_does_not_decide(costs: Costs, approver: Any) -> None:
    key = issued_by(approver, Scope.ALLOCATION_WRITE)
    one = services.request_adjustment(month=MONTH, draft=DRAFT, actor=key, now=NOW)
    with pytest.raises(SamePerson):
        approve(one, approver)
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE allocation_adjustment SET state = 'approved', decided_at = now(), "
            "decided_by = %s, decided_by_user = %s",
            [approver.label, approver.user_id],
        )
    approve(one, accounts.actor_of_user(person(Role.OWNER, email="other@acme.example")))


def test_the_api(costs: Costs) -> None:
    asker = Client(
        headers={
            "host": "acme.localhost",
            **bearer(service_key(Scope.ALLOCATION_WRITE, Scope.BILLING_READ)),
        }
    )
    url = "/api/v1/allocation/adjustments"
    body = {
        "month": "2026-01",
        "sender": "ads",
        "receiver": "search",
        "amount": "12.50",
        "reason": "Ran search's batch",
    }
    made = asker.post(url, body, content_type="application/json")
    assert (made.status_code, made.json()["amount"], made.json()["state"]) == (
        201,
        "12.5",
        "requested",
    )
    assert asker.get(url).json()["results"] == [made.json()]
    one = f"{url}/{made.json()['id']}"
    assert asker.post(f"{one}/approve", {}, content_type="application/json").status_code == 403
    owner = signed_in("acme", person(Role.OWNER))
    approved = owner.post(f"{one}/approve", json.dumps({}), content_type="application/json")
    assert approved.json()["state"] == "approved"
    wrong = asker.post(url, {**body, "amount": 1.5}, content_type="application/json")
    assert wrong.json()["errors"][0]["field"] == "amount"


def test_the_pages(costs: Costs) -> None:
    finance = signed_in("acme", person(Role.FINANCE))
    owner = signed_in("acme", person(Role.OWNER))
    base = "/month/adjustments/"
    assert b"No adjustments" in finance.get(base).content
    page = finance.get(f"{base}new/")
    month = page.context["form"].fields["month"].choices[0][0]
    form = {
        "month": month,
        "axis": "team",
        "sender": "ads",
        "receiver": "ads",
        "amount": "5",
        "reason": "why",
    }
    assert b"Move the amount to another" in finance.post(f"{base}new/", form).content
    made = finance.post(f"{base}new/", {**form, "receiver": "search"})
    assert made.status_code == 302
    assert b"Another person has to decide" in finance.get(made["location"]).content
    assert "bears USD\xa05.00 less".encode() in owner.get(made["location"]).content
    assert owner.post(f"{made['location']}approve/").status_code == 302
    assert Adjustment.objects.get().state == "approved"
    assert b"adj-" in owner.get(base).content


PDF = SimpleUploadedFile("mail from ops.pdf", b"%PDF-1.7 what was agreed", "application/pdf")


def test_what_proves_it_comes_with_the_request_and_is_served_to_be_saved(
    costs: Costs, store: Path
) -> None:
    client = Client(headers={"host": "acme.localhost"})
    head = bearer(service_key(Scope.ALLOCATION_WRITE, Scope.BILLING_READ))
    PDF.seek(0)
    sent = {
        "month": str(MONTH),
        "sender": "ads",
        "receiver": "search",
        "amount": "12.50",
        "reason": "Ran search's batch",
        "files": PDF,
    }
    made = client.post("/api/v1/allocation/adjustments", sent, headers=head)
    assert made.status_code == 201, made.content
    (file,) = made.json()["files"]
    assert (file["name"], file["size"]) == ("mail from ops.pdf", len(PDF))
    url = f"/api/v1/allocation/adjustments/{made.json()['id']}/files/{file['id']}"
    served = client.get(url, headers=head)
    assert served.content == b"%PDF-1.7 what was agreed"
    assert served.headers["Content-Disposition"] == 'attachment; filename="mail from ops.pdf"'
    assert client.get(url, headers=bearer(service_key(Scope.USAGE_READ))).status_code == 403
    other = services.request_adjustment(month=MONTH, draft=DRAFT, actor=ACTOR, now=NOW)
    strange = f"/api/v1/allocation/adjustments/{other.id}/files/{file['id']}"
    assert client.get(strange, headers=head).status_code == 404


@pytest.mark.parametrize(
    ("name", "content"), [("a.exe", b"MZ"), ("a.pdf", b"MZ"), ("a.txt", b""), ("a.csv", b"\xff")]
)
def test_a_file_of_another_kind_is_refused_and_nothing_is_kept(
    costs: Costs, name: str, content: bytes
) -> None:
    with pytest.raises(FilesRefused):
        ask(files=(Upload(name, content),))
    assert not Adjustment.objects.exists()


def test_a_file_never_changes(costs: Costs, store: Path) -> None:
    one = ask(files=(Upload("a.txt", b"agreed"),))
    assert selectors.adjustment(id=one.id).files == one.files
    for statement in (
        "DELETE FROM allocation_adjustmentfile",
        "UPDATE allocation_adjustmentfile SET size = 1",
    ):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)


def test_the_pages_take_files_and_show_them(costs: Costs, store: Path) -> None:
    client = signed_in("acme", person(Role.FINANCE, email="anna@acme.example"))
    form = client.get("/month/adjustments/new/").context_data["form"]
    month = form.fields["month"].choices[0][0]
    PDF.seek(0)
    sent = {
        "month": month,
        "axis": "team",
        "sender": "ads",
        "receiver": "search",
        "amount": "12.50",
        "reason": "Ran search's batch",
        "files": PDF,
    }
    page = client.post("/month/adjustments/new/", sent, follow=True)
    assert "mail from ops.pdf" in page.content.decode()
    (one,) = selectors.adjustments()
    assert f"/files/{one.files[0].id}" in page.content.decode()
