"""What-if runs: kept beside the published one, comparable line by line, never published."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client

from apps.accounts import selectors as accounts
from apps.allocation import selectors, services
from apps.allocation.domain.check import RuleRefused
from apps.allocation.domain.payload import read_rule
from apps.allocation.domain.rules import FACT_FIELDS, Rule
from apps.allocation.models import Line, Run
from apps.allocation.selectors import Axis
from apps.allocation.services import what_ifs
from apps.allocation.web.forms import RuleForm, initial_of
from apps.audit import selectors as audit
from apps.core.domain.access import Role, Scope
from apps.core.domain.errors import Forbidden
from apps.periods import services as periods
from tests.accounts.people import bearer, person, service_key, signed_in
from tests.allocation.base import ACTOR, MONTH, NOW, Costs, enter_directory, line, use_costs

D = Decimal
BODY = {"code": "pool", "method": "even", "scope": {"service": ["gateway"]}, "receivers": "*"}


@pytest.fixture
def costs(acme: Any, monkeypatch: pytest.MonkeyPatch) -> Costs:
    """30 of ads, 10 of search, and 60 of a gateway that nobody owns and a rule gives to ads."""
    enter_directory()
    found = use_costs(
        monkeypatch,
        [
            line("a", "30", team="ads"),
            line("b", "10", team="search"),
            line("c", "60", service="gateway"),
        ],
    )
    saved = {**BODY, "method": "direct", "receivers": ["ads"]}
    services.save_rule(rule=read_rule(saved, first_month=MONTH), actor=ACTOR, now=NOW)
    return found


def pool(**changes: Any) -> Rule:
    return read_rule({**BODY, **changes}, first_month=MONTH + 3)


def published() -> selectors.RunFacts:
    return services.run(month=MONTH, actor=ACTOR, now=NOW)


def suppose(name: str = "Evenly", **changes: Any) -> selectors.RunFacts:
    draft = services.WhatIf(**{"month": MONTH, "name": name, "rules": [pool()], **changes})
    return services.keep_what_if(draft=draft, actor=ACTOR, now=NOW)


def bearing(run: selectors.RunFacts) -> dict[str, Decimal]:
    found = selectors.totals_by_receiver(run=run.id, axis=Axis.TEAM)
    return {code: amounts.effective for code, amounts in found.items()}


def test_it_stands_beside_the_published_run_and_both_sum_to_the_cost(costs: Costs) -> None:
    before = published()
    kept = suppose()
    assert (kept.state, kept.name) == ("what_if", "Evenly")
    assert bearing(before) == {"ads": D(90), "search": D(10)}
    assert bearing(kept) == {"ads": D(50), "platform": D(20), "search": D(30)}
    assert kept.sources == before.sources
    assert selectors.published(MONTH).id == before.id
    assert published().id == before.id
    (change,) = [
        one
        for one in selectors.line_changes(
            before=before.id, after=kept.id, axis=Axis.TEAM, receiver="ads"
        )
        if one.source == "c"
    ]
    assert (change.before, change.after) == (D(60), D(20))


def test_leaving_a_rule_out_is_a_supposition_too(costs: Costs) -> None:
    kept = suppose(rules=[], without=["pool"])
    assert bearing(kept) == {"UNALLOCATED": D(60), "ads": D(30), "search": D(10)}


def test_the_same_supposition_is_one_run(costs: Costs) -> None:
    one = suppose()
    trail = audit.head()
    assert suppose().id == one.id
    assert suppose("  Evenly ").id == one.id
    assert audit.head() == trail
    assert suppose("Another name").id != one.id


def test_a_closed_month_can_be_supposed_otherwise(costs: Costs) -> None:
    before = published()
    periods.freeze(month=MONTH, actor=ACTOR, now=NOW)
    assert bearing(suppose("While it is frozen"))["search"] == D(30)
    approver = accounts.actor_of_user(person(Role.OWNER, email="approver@acme.example"))
    periods.lock(month=MONTH, actor=ACTOR, approver=approver, now=NOW)
    assert bearing(suppose("Once it is closed"))["search"] == D(30)
    assert selectors.published(MONTH).id == before.id
    with pytest.raises(services.MonthIsClosed):
        published()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE allocation_run SET state = 'published', published_at = now() WHERE id = {run}",
        "UPDATE allocation_run SET is_what_if = false, state = 'published', published_at = now() "
        "WHERE id = {run}",
        "UPDATE allocation_run SET name = 'x' WHERE id = {run}",
        "DELETE FROM allocation_run WHERE id = {run}",
        "UPDATE allocation_line SET effective = 0 WHERE run_id = {run}",
        "DELETE FROM allocation_source WHERE run_id = {run}",
    ],
)
def test_the_database_never_publishes_or_changes_it(costs: Costs, statement: str) -> None:
    kept = suppose()
    row = Run.objects.get(public_id=kept.id)
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement.format(run=row.pk))
    assert selectors.run(kept.id) == kept


@pytest.mark.parametrize("is_what_if", [True, False])
def test_a_draft_stays_what_it_began_as(costs: Costs, is_what_if: bool) -> None:
    """Neither can a draft become a what-if run later, nor a what-if draft be published."""
    row = Run.objects.get(public_id=suppose().id)
    row.pk, row.public_id, row.state = None, uuid4(), "draft"
    row.is_what_if, row.name = is_what_if, "x" if is_what_if else ""
    row.save(force_insert=True)
    statement = "UPDATE allocation_run SET is_what_if = %s, name = 'x' WHERE id = %s"
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, [not is_what_if, row.pk])
    with pytest.raises(IntegrityError), transaction.atomic():
        row.publish(at=NOW) if is_what_if else row.keep()


def test_a_what_if_run_conserves_or_is_not_kept(
    costs: Costs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def keep_damaged(row: Run) -> None:
        Line.objects.filter(run=row, axis="team", receiver="ads").delete()
        original(row)

    original = Run.keep
    monkeypatch.setattr(Run, "keep", keep_damaged)
    with pytest.raises(IntegrityError):
        suppose()
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"rules": []}, "rules"),
        ({"without": ["nothing"]}, "without"),
        ({"month": MONTH - 1}, "period"),
    ],
)
def test_what_supposes_nothing_is_refused(
    costs: Costs, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], field: str
) -> None:
    if field == "period":
        costs.lines.clear()
        changes = {}
    with pytest.raises(services.WhatIfRefused) as refused:
        suppose(**changes)
    assert [error.field for error in refused.value.errors] == [field]
    assert not Run.objects.exists()


def test_a_rule_that_cannot_be_meant_is_refused(costs: Costs) -> None:
    with pytest.raises(RuleRefused):
        suppose(rules=[pool(receivers=["nobody"])])


def test_a_month_has_room_for_some(costs: Costs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(what_ifs, "MOST_A_MONTH", 1)
    suppose()
    with pytest.raises(services.TooManyWhatIfs):
        suppose("Another")
    assert suppose().name == "Evenly"


def test_it_takes_the_right_to_allocate(costs: Costs) -> None:
    with pytest.raises(Forbidden):
        services.keep_what_if(
            draft=services.WhatIf(MONTH, "x", [pool()]),
            actor=replace(ACTOR, scopes=frozenset({Scope.COSTS_READ})),
            now=NOW,
        )
    assert not Run.objects.exists()


def test_the_api_keeps_one_under_an_idempotency_key(costs: Costs) -> None:
    published()
    client = Client(headers={"host": "acme.localhost"})
    key = service_key(Scope.ALLOCATION_WRITE, Scope.COSTS_READ)
    sent = {"period": str(MONTH), "name": "Evenly", "rules": [BODY]}
    answers = [
        client.post(
            "/api/v1/allocation/what-ifs",
            json.dumps(sent),
            content_type="application/json",
            headers={**bearer(key), "idempotency-key": "one"},
        )
        for _ in range(2)
    ]
    assert [one.status_code for one in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert (answers[0].json()["state"], answers[0].json()["name"]) == ("what_if", "Evenly")
    assert Run.objects.filter(is_what_if=True).count() == 1


def test_the_pages_keep_it_list_it_and_compare_it(costs: Costs) -> None:
    before = published()
    client = signed_in("acme", person(Role.FINANCE, email="anna@acme.example"))
    form = client.get("/month/rules/pool/change/").content.decode()
    assert f'name="what_if" value="{MONTH}"' in form
    sent = {
        "code": "pool",
        "name": "Gateway",
        "axis": "team",
        "method": "even",
        "service": "gateway",
        "receivers": "*",
        "zero_policy": "unallocated",
        "level": "1",
        "priority": "100",
        "first_month": "2026-11",
        "what_if": str(MONTH),
    }
    answer = client.post("/month/rules/pool/change/", sent, follow=True)
    page = answer.content.decode()
    assert "Kept as a what-if run" in page
    assert "-40.00" in page.replace("−", "-")
    listed = client.get("/month/runs/").content.decode()
    assert "Gateway otherwise" in listed
    assert "what-if" in listed
    assert str(before.id) in listed
    assert selectors.versions(code="pool")[0].rule.version == 1


def test_editing_a_rule_keeps_all_of_its_scope(costs: Costs) -> None:
    """Every field that a scope may ask for stands in the form."""
    scope = {name: ["x"] for name in FACT_FIELDS} | {"owners": ["ads"], "tags": {"env": ["*"]}}
    made = read_rule({**BODY, "scope": scope, "receivers": ["ads"]}, first_month=MONTH)
    shown = initial_of(made)
    form = RuleForm({name: value for name, value in shown.items() if value is not None})
    form.data = {**form.data, "name": "x", "first_month": "2026-11"}
    assert form.is_valid(), form.errors
    assert read_rule(form.to_body(), first_month=MONTH).scope == made.scope
