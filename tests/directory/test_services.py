"""Entries, moves and rules through the services; refusals leave everything as it was."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from apps.audit import selectors as audit
from apps.core.domain.access import Role
from apps.core.domain.errors import Forbidden, Missing
from apps.directory import selectors, services
from apps.directory.domain.entries import (
    CostCenterFacts,
    CustomerFacts,
    FeatureFacts,
    ProductFacts,
    TeamFacts,
)
from apps.directory.domain.rules import Rule, parse
from apps.directory.models import CostCenter, Membership, Placement, RuleVersion, Team
from apps.directory.services.rules import RuleExists
from apps.directory.services.tree import LinkRefused
from tests.directory.conftest import NOW, person

DAY = date(2026, 1, 15)


def snapshot():
    models = (CostCenter, Team, Placement, Membership, RuleVersion)
    return [list(model.objects.order_by("pk").values_list()) for model in models], audit.head()


def enter(entry, actor, now=NOW):
    return services.enter(entry=entry, actor=actor, now=now)


def owner(tags, on=DAY, known_at=None):
    return selectors.attribution(known_at=known_at).owner_of(
        tags=tags, sku_provider="openai", sku_model="gpt-4o", on=on
    )


@pytest.fixture
def org(acme, ada):
    services.ensure_entries(
        actor=ada,
        now=NOW,
        cost_centers=[
            CostCenterFacts("CC-1", "Engineering", "Grace", "grace@example.com", "6410"),
            CostCenterFacts("CC-2", "Search", parent="CC-1"),
        ],
        teams=[TeamFacts("search", "Search", "CC-2"), TeamFacts("idle", "Idle")],
        products=[ProductFacts("assistant", "Assistant")],
        features=[FeatureFacts("summarize", "Summarize", "assistant")],
        customers=[CustomerFacts("globex", "Globex", "ap@globex.example")],
    )
    return acme


def rule(name="unit", sets=None, match=None, priority=100, **days):
    read = parse(match=match or {}, sets=sets or {"team": "search"})
    return Rule(name, priority, read.match, read.sets, **days)


def test_two_cost_centers_are_always_there(acme):
    assert [center.code for center in selectors.cost_centers(DAY)] == ["MARKUP", "UNALLOCATED"]


def test_the_organization_is_told_as_entered(org):
    centers = {center.code: center for center in selectors.cost_centers(DAY)}
    assert centers["CC-2"].parent == "CC-1"
    assert centers["CC-1"].owner_email == "grace@example.com"
    assert selectors.teams(DAY) == [
        TeamFacts("idle", "Idle"),
        TeamFacts("search", "Search", "CC-2"),
    ]
    assert selectors.features(DAY) == [FeatureFacts("summarize", "Summarize", "assistant")]
    assert selectors.customers()[0].email == "ap@globex.example"
    assert owner({"team": "search"}).cost_center == "CC-2"


def test_ensuring_again_adds_nothing(org, ada):
    before = snapshot()
    added = services.ensure_entries(
        actor=ada,
        now=NOW,
        cost_centers=[CostCenterFacts("CC-1", "Other name")],
        teams=[TeamFacts("search", "Other", "CC-1")],
    )
    assert added == 0
    assert snapshot() == before


@pytest.mark.parametrize(
    ("entry", "fields"),
    [
        (TeamFacts("", "x"), ["code"]),
        (TeamFacts("a b", "x"), ["code"]),
        (TeamFacts("x" * 65, "x"), ["code"]),
        (TeamFacts("../x", "x"), ["code"]),
        (TeamFacts("ok", " "), ["name"]),
        (TeamFacts("ok", "a\x00b"), ["name"]),
        (CostCenterFacts("ok", "x", owner_email="grace"), ["owner_email"]),
        (CostCenterFacts("ok", "x", parent="ok"), ["parent"]),
        (CustomerFacts("ok", "x", email="a b@c"), ["email"]),
        (ProductFacts("ok", "x", date(2026, 1, 2), date(2026, 1, 2)), ["valid_to"]),
        (FeatureFacts("ok", "x", "no-such"), ["product"]),
    ],
)
def test_a_wrong_entry_names_its_field_and_changes_nothing(org, ada, entry, fields):
    before = snapshot()
    with pytest.raises(services.EntryRefused) as refused:
        enter(entry, ada)
    assert [error.field for error in refused.value.errors] == fields
    assert snapshot() == before


def test_a_code_is_taken_once(org, ada):
    before = snapshot()
    with pytest.raises(services.EntryExists):
        enter(TeamFacts("search", "Again"), ada)
    with pytest.raises(LinkRefused):
        enter(TeamFacts("lost", "Lost", "CC-9"), ada)
    with pytest.raises(Forbidden):
        enter(TeamFacts("mine", "Mine"), person(3, Role.MEMBER))
    assert snapshot() == before


def test_an_entry_is_revised_audited_and_the_same_again_is_nothing(org, ada):
    center = CostCenterFacts("CC-1", "Engineering", "Linus", "linus@example.com", "6411")
    services.revise(entry=center, actor=ada, now=NOW)
    assert selectors.cost_centers(DAY)[0].owner_name == "Linus"
    before = snapshot()
    services.revise(entry=center, actor=ada, now=NOW)
    assert snapshot() == before
    with pytest.raises(services.EntryMissing):
        services.revise(entry=TeamFacts("none", "None"), actor=ada, now=NOW)
    told = audit.history(subject="cost_center", subject_id="CC-1")
    change = next(entry for entry in told if entry.action == "cost_center.changed")
    assert change.detail["before"]["gl_code"] == "6410"
    assert change.detail["after"]["gl_code"] == "6411"


def test_the_two_special_cost_centers_cannot_be_ended(org, ada):
    before = snapshot()
    with pytest.raises(services.EntryRefused):
        services.revise(
            entry=CostCenterFacts("UNALLOCATED", "Nobody", valid_to=DAY), actor=ada, now=NOW
        )
    assert snapshot() == before
    for statement in (
        "UPDATE directory_costcenter SET valid_to = '2026-01-01' WHERE code = 'UNALLOCATED'",
        "UPDATE directory_costcenter SET code = 'X' WHERE code = 'CC-1'",
        "DELETE FROM directory_costcenter WHERE code = 'MARKUP'",
        "UPDATE directory_team SET code = 'X' WHERE code = 'search'",
        "DELETE FROM directory_membership",
        "UPDATE directory_membership SET cost_center_id = 1",
    ):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    assert snapshot() == before


def test_a_team_moves_from_a_day_on(org, ada):
    services.move_team(
        team="search", cost_center="CC-1", since=date(2026, 2, 1), actor=ada, now=NOW
    )
    assert owner({"team": "search"}, on=date(2026, 1, 31)).cost_center == "CC-2"
    assert owner({"team": "search"}, on=date(2026, 2, 1)).cost_center == "CC-1"
    assert selectors.attribution().change_dates == (date(2026, 2, 1),)
    before = snapshot()
    services.move_team(
        team="search", cost_center="CC-1", since=date(2026, 3, 1), actor=ada, now=NOW
    )
    assert snapshot() == before
    with pytest.raises(LinkRefused):
        services.move_team(team="search", cost_center="X", since=None, actor=ada, now=NOW)
    with pytest.raises(Missing):
        services.move_team(team="X", cost_center="CC-1", since=None, actor=ada, now=NOW)
    assert snapshot() == before


def test_a_ring_is_refused_by_name_and_by_the_database(org, ada):
    before = snapshot()
    with pytest.raises(services.CycleRefused) as refused:
        services.place_cost_center(
            cost_center="CC-1", parent="CC-2", since=None, actor=ada, now=NOW
        )
    assert "CC-1 under CC-2 under CC-1" in refused.value.message
    assert snapshot() == before
    statement = (
        "INSERT INTO directory_placement (cost_center_id, parent_id, recorded_at) "
        "SELECT a.id, b.id, now() FROM directory_costcenter a, directory_costcenter b "
        "WHERE a.code = 'CC-1' AND b.code = 'CC-2'"
    )
    with (
        pytest.raises(IntegrityError, match="under itself"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert snapshot() == before


def test_one_cost_center_at_a_time_is_kept_by_the_database(org):
    statement = (
        "INSERT INTO directory_membership (team_id, cost_center_id, valid_from, recorded_at) "
        "SELECT t.id, c.id, '2026-05-01', now() FROM directory_team t, directory_costcenter c "
        "WHERE t.code = 'search' AND c.code = 'CC-1'"
    )
    with (
        pytest.raises(DatabaseError, match="one_at_a_time"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


def test_a_closed_month_is_attributed_as_we_knew_it_then(org, ada):
    close = NOW + timedelta(days=1)
    later = NOW + timedelta(days=2)
    services.move_team(team="search", cost_center="CC-1", since=None, actor=ada, now=later)
    enter(TeamFacts("growth", "Growth", "CC-1"), ada, now=later)
    services.add_rule(rule=rule(sets={"team": "idle"}), actor=ada, now=later)
    services.revise(
        entry=ProductFacts("assistant", "Assistant", valid_to=DAY), actor=ada, now=later
    )
    then = owner({"team": "search", "product": "assistant"}, known_at=close)
    assert (then.team, then.cost_center, then.unregistered) == ("search", "CC-2", frozenset())
    assert owner({"team": "growth"}, known_at=close).is_unowned
    now = owner({"team": "search", "product": "assistant"})
    assert (now.team, now.unregistered) == ("idle", {"product"})


# Rules


def test_a_rule_is_added_revised_from_a_day_and_retired(org, ada):
    services.add_rule(
        rule=rule("unit", {"team": {"tag": "unit"}}, {"tags": {"unit": "*"}}), actor=ada, now=NOW
    )
    assert owner({"unit": "search"}).rule == "unit"
    services.revise_rule(
        rule=rule("unit", {"team": "idle"}, {"tags": {"unit": "*"}}, valid_from=date(2026, 2, 1)),
        actor=ada,
        now=NOW,
    )
    assert owner({"unit": "search"}, on=date(2026, 1, 31)).team == "search"
    assert owner({"unit": "search"}, on=date(2026, 2, 1)).team == "idle"
    assert [each.version for each in selectors.rules()] == [2, 3]
    services.retire_rule(name="unit", on=date(2026, 3, 1), actor=ada, now=NOW)
    assert owner({"unit": "search"}, on=date(2026, 2, 28)).team == "idle"
    assert owner({"unit": "search"}, on=date(2026, 3, 1)).team == ""
    assert RuleVersion.objects.count() == 4
    services.retire_rule(name="unit", on=None, actor=ada, now=NOW)
    assert selectors.rules() == []
    before = snapshot()
    with pytest.raises(services.RuleMissing):
        services.retire_rule(name="unit", on=None, actor=ada, now=NOW)
    assert snapshot() == before


def test_a_rule_names_registered_codes_only(org, ada):
    before = snapshot()
    with pytest.raises(services.RuleRefused) as refused:
        services.add_rule(
            rule=rule(sets={"team": "nobody", "environment": "anything"}), actor=ada, now=NOW
        )
    assert [error.field for error in refused.value.errors] == ["sets.team"]
    with pytest.raises(services.RuleRefused):
        services.add_rule(rule=replace(rule(), priority=-1), actor=ada, now=NOW)
    with pytest.raises(services.RuleMissing):
        services.revise_rule(rule=rule("none"), actor=ada, now=NOW)
    assert snapshot() == before
    services.add_rule(rule=rule(), actor=ada, now=NOW)
    before = snapshot()
    with pytest.raises(RuleExists):
        services.add_rule(rule=rule(), actor=ada, now=NOW)
    assert snapshot() == before


def test_an_unknown_value_is_mapped_in_one_step_again_and_after_retiring(org, ada):
    def map_to(target):
        return services.map_tag_value(
            tag="team", value="serch", dimension="team", target=target, actor=ada, now=NOW
        )

    first = map_to("search")
    assert owner({"team": "serch"}).team == "search"
    map_to("idle")
    assert owner({"team": "serch"}).team == "idle"
    services.retire_rule(name=first.name, on=None, actor=ada, now=NOW)
    assert owner({"team": "serch"}).is_unowned
    map_to("search")
    assert owner({"team": "serch"}).team == "search"


def test_versions_of_a_rule_refuse_change_by_raw_sql(org, ada):
    services.add_rule(rule=rule(), actor=ada, now=NOW)
    for statement in (
        "UPDATE directory_ruleversion SET priority = 1",
        "UPDATE directory_ruleversion SET superseded_at = now(), priority = 1",
        "DELETE FROM directory_ruleversion",
    ):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)


def test_attribution_is_read_in_seven_queries(org, django_assert_num_queries):
    with django_assert_num_queries(7):
        selectors.attribution()


@pytest.mark.slow
def test_the_same_code_entered_by_many_at_once_is_there_once(fresh_tenant):
    from concurrent.futures import ThreadPoolExecutor

    from django.db import connections
    from django_tenants.utils import schema_context

    def work(number):
        try:
            with schema_context(fresh_tenant.schema):
                enter(TeamFacts("search", f"Search {number}"), person(number))
                return "entered"
        except services.EntryExists:
            return "taken"
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(work, range(1, 7)))
    assert sorted(outcomes) == ["entered", *["taken"] * 5]
    assert len(selectors.teams()) == 1


@pytest.mark.slow
def test_two_edits_cannot_close_a_ring_together(fresh_tenant):
    import threading
    from concurrent.futures import ThreadPoolExecutor

    from django.db import connections
    from django_tenants.utils import schema_context

    for code in ("CC-1", "CC-2"):
        enter(CostCenterFacts(code, code), person(1))
    barrier = threading.Barrier(2)

    def place(child, parent):
        try:
            with schema_context(fresh_tenant.schema):
                barrier.wait()
                services.place_cost_center(
                    cost_center=child, parent=parent, since=None, actor=person(1), now=NOW
                )
                return "placed"
        except services.CycleRefused:
            return "ring"
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(place, "CC-1", "CC-2")
        two = pool.submit(place, "CC-2", "CC-1")
        outcomes = sorted([one.result(timeout=30), two.result(timeout=30)])
    assert outcomes == ["placed", "ring"]
    assert Placement.objects.count() == 1
