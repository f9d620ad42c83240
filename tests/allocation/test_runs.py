"""Runs on the database: published whole, never changed, replaced by pointer, free to repeat."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from apps.allocation import selectors, services
from apps.allocation.domain.payload import read_rule
from apps.allocation.models import Line, Run, Source
from apps.allocation.selectors import Axis
from apps.audit import selectors as audit
from apps.core.domain.access import Actor, Role, Scope
from apps.core.domain.errors import Forbidden
from apps.periods import services as periods
from tests.accounts.people import person, signed_in
from tests.allocation.base import ACTOR, MONTH, NOW, Costs, enter_directory, line, use_costs

POOL = {
    "code": "gateway",
    "name": "Shared gateway",
    "method": "proportional",
    "driver": "cost",
    "scope": {"service": "gateway"},
    "receivers": "*",
    "first_month": "2026-01",
}


@pytest.fixture
def costs(acme: Any, monkeypatch: pytest.MonkeyPatch) -> Costs:
    enter_directory()
    return use_costs(
        monkeypatch,
        [
            line("a", "30.000000000001", team="ads", customer="hooli"),
            line("b", "10.0000000000005", team="search"),
            line("c", "7.0000000000005"),
            line(
                "d",
                "100",
                billed=Decimal("90"),
                service="gateway",
                provider="azure",
                origin="bill",
                charge_category="Usage",
            ),
        ],
    )


def save(**change: Any) -> None:
    services.save_rule(rule=read_rule({**POOL, **change}, first_month=MONTH), actor=ACTOR, now=NOW)


def run() -> selectors.RunFacts:
    return services.run(month=MONTH, actor=ACTOR, now=NOW)


def test_a_run_conserves_on_both_axes(costs: Costs) -> None:
    save()
    facts = run()
    assert facts.sources.effective == Decimal("147.000000000002")
    assert facts.totals[Axis.TEAM] == facts.totals[Axis.CUSTOMER] == facts.sources
    assert facts.rounding == 0
    ads = selectors.totals_by_receiver(run=facts.id, axis=Axis.TEAM)["ads"]
    assert ads.effective == Decimal("105.000000000000")
    assert ads.billed == Decimal("97.500000000000")


def test_lines_say_what_why_and_how_much(costs: Costs) -> None:
    save()
    facts = run()
    shared = selectors.lines_of(run=facts.id, axis="team", receiver="ads")[1]
    assert (shared.source, shared.kind, shared.cost_center) == ("d", "shared", "cc-ads")
    assert (shared.rule, shared.method, shared.driver) == ("gateway", "proportional", "cost")
    assert shared.driver_value == Decimal("30.000000000001")
    assert shared.driver_total == Decimal("40.000000000002")
    assert Fraction(shared.share_exact) == Fraction(30000000000001, 40000000000002)
    assert [(hop.sender, hop.receiver) for hop in shared.hops] == [("UNALLOCATED", "ads")]
    assert shared.provider == "azure"
    direct = selectors.lines_of(run=facts.id, axis=Axis.TEAM, receiver="ads")[0]
    assert (direct.kind, direct.rule, direct.share, direct.unit_price) == (
        "direct",
        "",
        1,
        Decimal("2.5"),
    )
    nobody = selectors.lines_of(run=facts.id, axis=Axis.TEAM, receiver="UNALLOCATED")
    assert [(one.source, one.kind, one.cost_center) for one in nobody] == [
        ("c", "unallocated", "UNALLOCATED")
    ]


def test_repeating_a_run_changes_nothing(costs: Costs) -> None:
    save()
    first = run()
    trail = audit.head()
    assert run() == first
    assert Run.objects.count() == 1
    assert audit.head() == trail


def test_changed_inputs_replace_the_run_and_keep_the_old_one(costs: Costs) -> None:
    first = run()
    costs.lines[0] = costs.lines[0]._replace(effective=Decimal(31), billed=Decimal(31))
    second = run()
    assert selectors.published(MONTH).id == second.id != first.id
    assert selectors.run(first.id).state == "superseded"
    assert selectors.run(first.id).output_hash == first.output_hash
    change = selectors.compare(before=first.id, after=second.id)[0]
    assert (change.axis, change.receiver) == (Axis.CUSTOMER, "hooli")
    assert change.difference == Decimal("0.999999999999")


def test_the_same_inputs_give_the_same_hashes(costs: Costs) -> None:
    save()
    first = run()
    costs.lines.append(line("e", "1", team="ads"))
    run()
    costs.lines.pop()
    third = run()
    assert (third.input_hash, third.output_hash) == (first.input_hash, first.output_hash)
    assert third.id != first.id


def test_two_published_runs_of_a_month_are_refused(costs: Costs) -> None:
    run()
    row = Run.objects.get()
    twin = Run(
        **{
            field.attname: getattr(row, field.attname)
            for field in Run._meta.fields
            if field.attname not in ("id", "public_id")
        }
    )
    twin.state, twin.published_at = "draft", None
    twin.source_count = twin.line_count = 0
    twin.billed = twin.effective = Decimal(0)
    twin.save()
    with pytest.raises(IntegrityError, match="one_published_a_month"), transaction.atomic():
        twin.publish(at=NOW)


@pytest.mark.parametrize(
    ("statement", "hint"),
    [
        ("UPDATE allocation_line SET effective = effective + 1 WHERE id = {line}", "published"),
        ("DELETE FROM allocation_line WHERE id = {line}", "published"),
        (
            "INSERT INTO allocation_line (run_id, axis, source_id, basis_id, receiver, "
            "cost_center, kind, billed, effective) SELECT run_id, axis, source_id, basis_id, "
            "receiver, cost_center, kind, 0, 0 FROM allocation_line WHERE id = {line}",
            "published",
        ),
        ("UPDATE allocation_source SET effective = 0", "published"),
        ("UPDATE allocation_basis SET share = 0", "published"),
        ("DELETE FROM allocation_source", "published"),
        ("UPDATE allocation_run SET effective = 0", "published"),
        ("UPDATE allocation_run SET state = 'draft', published_at = NULL", "published"),
        ("DELETE FROM allocation_run", "published"),
        ("TRUNCATE allocation_run CASCADE", "refused|permission"),
        ("TRUNCATE allocation_line", "refused|permission"),
        ("UPDATE allocation_allocationrule SET level = 2", "append-only"),
        ("DELETE FROM allocation_allocationrule", "append-only"),
    ],
)
def test_a_published_run_refuses_raw_sql(costs: Costs, statement: str, hint: str) -> None:
    save()
    before = run()
    lines = selectors.lines_of(run=before.id, axis="team")
    some = Line.objects.order_by("id").values_list("id", flat=True)[0]
    with (
        pytest.raises(Exception, match=hint),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement.format(line=some))
    assert selectors.published(MONTH) == before
    assert selectors.lines_of(run=before.id, axis="team") == lines


@pytest.mark.parametrize(
    ("damage", "hint"),
    [
        (
            "UPDATE allocation_line SET effective = effective + 0.000000000001 WHERE id = {line}",
            "off by",
        ),
        ("UPDATE allocation_line SET billed = billed - 0.01 WHERE id = {line}", "off by"),
        ("DELETE FROM allocation_line WHERE axis = 'customer'", "other lines"),
        ("UPDATE allocation_line SET basis_id = 0 WHERE id = {line}", "no reason"),
        ("UPDATE allocation_line SET receiver = 'thief' WHERE id = {line}", "no reason"),
        ("UPDATE allocation_source SET effective = effective - 1 WHERE key = 'a'", "other sources"),
    ],
)
def test_the_database_refuses_a_run_that_does_not_conserve(
    costs: Costs, monkeypatch: pytest.MonkeyPatch, damage: str, hint: str
) -> None:
    def publish_damaged(row: Run, *, at: Any) -> None:
        with connection.cursor() as cursor:
            some = Line.objects.filter(run=row, axis="team").order_by("id").first()
            assert some is not None
            cursor.execute(damage.format(line=some.pk))
        original(row, at=at)

    original = Run.publish
    monkeypatch.setattr(Run, "publish", publish_damaged)
    trail = audit.head()
    with pytest.raises(IntegrityError, match=hint):
        run()
    assert not Run.objects.exists()
    assert not Source.objects.exists()
    assert audit.head() == trail


def test_moving_money_between_sources_is_refused_too(
    costs: Costs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Totals alone would not notice."""

    def publish_shifted(row: Run, *, at: Any) -> None:
        one, two = Line.objects.filter(run=row, axis="team").order_by("id")[:2]
        Line.objects.filter(pk=one.pk).update(effective=one.effective + 1)
        Line.objects.filter(pk=two.pk).update(effective=two.effective - 1)
        original(row, at=at)

    original = Run.publish
    monkeypatch.setattr(Run, "publish", publish_shifted)
    with pytest.raises(IntegrityError, match="off by"):
        run()


def test_a_closed_month_is_never_allocated_again(costs: Costs) -> None:
    before = run()
    periods.freeze(month=MONTH, actor=ACTOR, now=NOW)
    approver = Actor("user", "bob@acme.example", frozenset(), user_id=7)
    periods.lock(month=MONTH, actor=ACTOR, approver=approver, now=NOW)
    costs.lines.append(line("late", "5"))
    with pytest.raises(services.MonthIsClosed):
        run()
    row = Run.objects.get()
    with pytest.raises(IntegrityError, match="closed"), transaction.atomic():
        row.supersede(at=NOW)
    assert selectors.published(MONTH) == before


def test_sub_quantum_amounts_are_rounded_once_over_all_sources(costs: Costs) -> None:
    costs.lines = [line(f"k{n}", "0.0000000000003", team="ads") for n in range(10)]
    facts = run()
    assert facts.sources.effective == Decimal("0.000000000003")
    assert facts.rounding == 0
    costs.lines.append(line("z", "0.0000000000002"))
    assert run().rounding == Decimal("2e-13")


def test_headcount_is_entered_and_used(costs: Costs) -> None:
    save(driver="headcount")
    values = {"ads": Decimal(1), "search": Decimal(3)}
    entered = services.set_driver_values(
        code="headcount", axis=Axis.TEAM, month=MONTH, values=values, actor=ACTOR, now=NOW
    )
    assert entered == 2
    facts = run()
    sums = selectors.totals_by_receiver(run=facts.id, axis=Axis.TEAM)
    assert sums["ads"].effective == Decimal("55.000000000001")
    assert (
        services.set_driver_values(
            code="headcount", axis=Axis.TEAM, month=MONTH, values=values, actor=ACTOR, now=NOW
        )
        == 0
    )
    assert facts.drivers["team"]["current"]["headcount"] == {
        "ads": "1.000000",
        "search": "3.000000",
    }


def test_a_zero_driver_takes_the_previous_months_values(costs: Costs) -> None:
    before = MONTH - 1
    save(driver="headcount", zero_policy="previous_period")
    services.set_driver_values(
        code="headcount",
        axis=Axis.TEAM,
        month=before,
        values={"ads": Decimal(2)},
        actor=ACTOR,
        now=NOW,
    )
    sums = selectors.totals_by_receiver(run=run().id, axis=Axis.TEAM)
    assert sums["ads"].effective == Decimal("130.000000000001")


def test_who_may_not_allocate_changes_nothing(costs: Costs) -> None:
    reader = Actor("user", "eve@acme.example", frozenset({Scope.COSTS_READ}), user_id=9)
    with pytest.raises(Forbidden):
        services.run(month=MONTH, actor=reader, now=NOW)
    assert not Run.objects.exists()


def test_a_preview_writes_nothing_and_sums_to_zero(costs: Costs) -> None:
    save()
    run()
    trail = audit.head()
    moved = read_rule({**POOL, "method": "direct", "receivers": ["search"]}, first_month=MONTH)
    preview = services.preview(month=MONTH, rules=[moved], actor=ACTOR)
    team = [change for change in preview.changes if change.axis is Axis.TEAM]
    assert team[0].receiver == "ads"
    assert team[0].difference == Decimal("-74.999999999999")
    assert sum(change.difference for change in team) == 0
    assert Run.objects.count() == 1
    assert audit.head() == trail
    assert selectors.versions(code="gateway")[0].rule.method.value == "proportional"


def test_a_run_costs_a_fixed_number_of_queries(
    costs: Costs, django_assert_max_num_queries: Any
) -> None:
    save()
    costs.lines += [line(f"n{n:03d}", "1", team="ads") for n in range(200)]
    with django_assert_max_num_queries(45):
        run()


def test_texts_of_any_kind_are_written_as_they_are(costs: Costs) -> None:
    """Customers that nobody registered stand for themselves, whatever they are called."""
    names = ["tab\tand\nline", "back\\slash \\N", "quote \" and '", "Grüße 漢字", "\\."]
    costs.lines = [line(f"k{n}", "1", customer=name) for n, name in enumerate(names)]
    sums = selectors.totals_by_receiver(run=run().id, axis=Axis.CUSTOMER)
    assert sorted(sums) == sorted(names)
    assert {amounts.effective for amounts in sums.values()} == {Decimal(1)}


def test_where_pools_went_and_what_changed_between_two_runs(costs: Costs) -> None:
    save()
    first = run()
    flows = selectors.pool_flows(run=first.id, axis=Axis.TEAM)
    assert [(flow.rule, flow.receiver) for flow in flows] == [
        ("gateway", "ads"),
        ("gateway", "search"),
    ]
    assert sum(flow.effective for flow in flows) == 100
    costs.lines.append(line("e", "5", team="ads"))
    second = run()
    changed = selectors.line_changes(
        before=first.id, after=second.id, axis=Axis.TEAM, receiver="ads"
    )
    moved = {(one.source, one.rule): (one.before is None, one.difference) for one in changed}
    assert moved["e", ""] == (True, Decimal(5))
    assert moved["d", "gateway"][1] > 0
    assert set(moved) == {("e", ""), ("d", "gateway")}
    assert selectors.runs_beside(second.id) == [(first.id, "superseded")]


def test_the_pages_of_a_run_and_of_two(costs: Costs) -> None:
    save()
    first = run()
    costs.lines.append(line("e", "5", team="ads"))
    second = run()
    finance = signed_in("acme", person(Role.FINANCE))
    page = finance.get(f"/month/runs/{second.id}/").content
    assert b"of the shared cost" in page
    assert b"Shared gateway" in page
    assert (
        b"of the shared cost" not in finance.get(f"/month/runs/{second.id}/?receiver=ads").content
    )
    compared = finance.get(f"/month/runs/{second.id}/compare/?with={first.id}").content
    assert b"receiver=ads" in compared
    lines = finance.get(f"/month/runs/{second.id}/compare/?receiver=ads&format=csv").content
    assert b"5.000000000000" in lines
    assert finance.get(f"/month/runs/{second.id}/compare/?with=nonsense").status_code == 200
    member = signed_in("acme", person(Role.MEMBER, teams=("ads",)))
    assert member.get(f"/month/runs/{second.id}/compare/").status_code == 403
