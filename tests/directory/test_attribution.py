"""Whose a line is: worked examples of rule 19, and properties of the function."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from apps.directory.domain.attribution import Attribution, Register
from apps.directory.domain.rules import Match, Rule, Setting, mapping_rule, parse
from apps.directory.domain.spans import Span

DAY = date(2026, 1, 15)


def always(*codes):
    return {code: Span(None, None, code) for code in codes}


REGISTER = Register(
    entries={
        "team": always("search", "support", "idle"),
        "product": always("assistant"),
        "feature": always("summarize"),
        "customer": always("globex"),
        "cost_center": always("CC-1", "CC-2", "UNALLOCATED", "MARKUP"),
    },
    memberships={
        "search": (Span(None, date(2026, 2, 1), "CC-1"), Span(date(2026, 2, 1), None, "CC-2")),
        "support": (Span(date(2026, 1, 10), None, "CC-2"),),
    },
)


def owner(tags, *rules, on=DAY, provider="openai", model="gpt-4o"):
    return Attribution(tuple(rules), REGISTER).owner_of(
        tags=tags, sku_provider=provider, sku_model=model, on=on
    )


def rule(name, sets, match=None, *, priority=100, **days):
    read = parse(match=match or {}, sets=sets)
    assert read.errors == ()
    return Rule(name, priority, read.match, read.sets, **days)


def test_without_rules_standard_tags_name_the_entries_of_their_codes():
    found = owner(
        {
            "team": "search",
            "product": "assistant",
            "feature": "summarize",
            "customer": "globex",
            "experiment": "exp-1",
            "environment": "production",
            "color": "blue",
        }
    )
    assert (found.team, found.product, found.feature, found.customer) == (
        "search",
        "assistant",
        "summarize",
        "globex",
    )
    assert (found.experiment, found.environment, found.cost_center) == (
        "exp-1",
        "production",
        "CC-1",
    )
    assert found.unregistered == frozenset()
    assert found.rule is None


def test_an_unknown_value_stands_for_itself_and_is_flagged():
    found = owner({"team": "search", "product": "skunkworks", "customer": "initech"})
    assert (found.product, found.customer) == ("skunkworks", "initech")
    assert found.unregistered == {"product", "customer"}
    assert found.cost_center == "CC-1"


def test_an_unknown_team_owns_nothing():
    found = owner({"team": "growth-hacks"})
    assert (found.team, found.cost_center) == ("", "UNALLOCATED")
    assert found.unregistered == {"team"}
    assert found.is_unowned


def test_no_tag_at_all_is_unowned_and_not_flagged():
    found = owner({})
    assert (found.team, found.cost_center, found.unregistered) == ("", "UNALLOCATED", frozenset())


def test_a_team_without_a_cost_center_is_known_and_unallocated():
    assert owner({"team": "idle"}).cost_center == "UNALLOCATED"
    assert owner({"team": "idle"}).team == "idle"
    assert owner({"team": "support"}, on=date(2026, 1, 9)).cost_center == "UNALLOCATED"
    assert owner({"team": "support"}, on=date(2026, 1, 10)).cost_center == "CC-2"


def test_membership_changes_on_the_day_and_not_before():
    assert owner({"team": "search"}, on=date(2026, 1, 31)).cost_center == "CC-1"
    assert owner({"team": "search"}, on=date(2026, 2, 1)).cost_center == "CC-2"


def test_the_rule_of_the_lowest_priority_number_is_asked_first():
    first = rule("first", {"team": "search"}, priority=1)
    second = rule("second", {"team": "support", "product": "assistant"}, priority=2)
    found = owner({"team": "idle"}, second, first)
    assert (found.team, found.product, found.rule) == ("search", "assistant", "first")


def test_names_break_ties():
    a, b = rule("a", {"team": "search"}), rule("b", {"team": "support"})
    assert owner({}, b, a).team == owner({}, a, b).team == "search"


def test_a_rule_may_copy_a_tag_and_says_nothing_where_it_is_absent():
    copy = rule("unit", {"team": {"tag": "business_unit"}})
    assert owner({"business_unit": "support"}, copy).team == "support"
    assert owner({"team": "search"}, copy).team == "search"


def test_a_rule_may_name_a_cost_center_without_a_team():
    found = owner({}, rule("shared", {"cost_center": "CC-2"}, {"provider": "AWS"}), provider="AWS")
    assert (found.team, found.cost_center, found.rule) == ("", "CC-2", "shared")


def test_patterns_match_whole_beginnings_absence_and_presence():
    def hit(match, tags=None, **sku):
        return owner(tags or {}, rule("r", {"team": "search"}, match), **sku).team == "search"

    assert hit({"model": "gpt-4o*"}, model="gpt-4o-mini")
    assert not hit({"model": "gpt-4o"}, model="gpt-4o-mini")
    assert hit({"provider": ["aws", "openai"]})
    assert hit({"tags": {"env": ""}})
    assert not hit({"tags": {"env": ""}}, {"env": "dev"})
    assert hit({"tags": {"env": "*"}}, {"env": "dev"})
    assert not hit({"tags": {"env": "*"}})
    assert hit({"tags": {"env": "dev", "zone": ["a", "b"]}}, {"env": "dev", "zone": "b"})
    assert not hit({"tags": {"env": "dev", "zone": ["a", "b"]}}, {"env": "dev"})


def test_rules_hold_from_their_first_day_to_before_their_end():
    dated = rule("r", {"team": "search"}, valid_from=date(2026, 1, 10), valid_to=date(2026, 1, 20))
    days = [date(2026, 1, day) for day in (9, 10, 19, 20)]
    assert [owner({}, dated, on=day).team for day in days] == ["", "search", "search", ""]


def test_a_mapping_takes_the_value_as_it_is_even_with_a_star():
    mapped = mapping_rule(tag="team", value="serch*", dimension="team", target="search")
    assert owner({"team": "serch*"}, mapped).team == "search"
    assert owner({"team": "serching"}, mapped).team == ""
    keyed = mapping_rule(tag="credential", value="key-1", dimension="team", target="search")
    assert owner({"credential": "key-1"}, keyed).team == "search"


def test_mappings_of_long_values_have_names_of_their_own():
    one = mapping_rule(tag="team", value="x" * 100 + "1", dimension="team", target="search")
    two = mapping_rule(tag="team", value="x" * 100 + "2", dimension="team", target="search")
    assert one.name != two.name
    assert len(one.name) <= 120


def test_mistakes_in_a_rule_are_all_told():
    read = parse(match={"provider": 7, "tags": [], "user": "x"}, sets={"team": "", "mood": "good"})
    assert {error.field for error in read.errors} == {
        "match.provider",
        "match.tags",
        "match.user",
        "sets.team",
        "sets.mood",
    }
    assert [error.field for error in parse(match=[], sets={}).errors] == ["match", "sets"]


# Properties

values = st.sampled_from(["", "search", "support", "idle", "unknown", "assistant", "x"])
tag_sets = st.dictionaries(
    st.sampled_from(["team", "product", "customer", "env", "account"]),
    values.filter(bool),
    max_size=4,
)
days = st.dates(date(2025, 12, 1), date(2026, 3, 1))
bounds = st.one_of(st.none(), days)


@st.composite
def rules(draw):
    start, end = draw(bounds), draw(bounds)
    if start and end and end <= start:
        end = start + timedelta(days=1)
    tags = draw(st.dictionaries(st.sampled_from(["team", "env"]), values, max_size=2))
    return Rule(
        name=draw(st.text("abc", min_size=1, max_size=3)),
        priority=draw(st.integers(0, 3)),
        match=Match(tags=tuple((key, (value,)) for key, value in sorted(tags.items()))),
        sets=(Setting(draw(st.sampled_from(["team", "customer", "cost_center"])), value="search"),),
        valid_from=start,
        valid_to=end,
    )


rule_lists = st.lists(rules(), max_size=5, unique_by=lambda each: each.name)


@given(tag_sets, rule_lists, days)
def test_the_order_in_which_rules_and_tags_come_changes_nothing(tags, given_rules, on):
    turned = dict(reversed(tags.items()))
    assert owner(tags, *given_rules, on=on) == owner(turned, *reversed(given_rules), on=on)


@given(tag_sets, rule_lists, st.lists(days, min_size=1, max_size=8))
def test_remembering_answers_changes_none(tags, given_rules, asked):
    one = Attribution(tuple(given_rules), REGISTER)
    for on in asked:
        fresh = Attribution(tuple(given_rules), REGISTER)
        ask = {"tags": tags, "sku_provider": "openai", "sku_model": "m", "on": on}
        assert one.owner_of(**ask) == fresh.owner_of(**ask)


@given(tag_sets, rule_lists)
def test_between_two_change_dates_an_owner_is_constant(tags, given_rules):
    attribution = Attribution(tuple(given_rules), REGISTER)
    before = None
    day = date(2025, 11, 30)
    while day <= date(2026, 3, 2):
        now = Attribution(tuple(given_rules), REGISTER).owner_of(
            tags=tags, sku_provider="openai", sku_model="m", on=day
        )
        if before is not None and day not in attribution.change_dates:
            assert now == before
        before = now
        day += timedelta(days=1)


@given(tag_sets, rule_lists, days)
def test_a_line_always_has_one_cost_center_that_exists(tags, given_rules, on):
    found = owner(tags, *given_rules, on=on)
    assert found.cost_center in {"CC-1", "CC-2", "UNALLOCATED"}
    assert not (found.team and not REGISTER.knows("team", found.team, on))


@given(rule_lists)
def test_the_digest_depends_on_content_only(given_rules):
    one = Attribution(tuple(given_rules), REGISTER).digest
    assert one == Attribution(tuple(reversed(given_rules)), REGISTER).digest
    more = [*given_rules, Rule("zzzz", 9, Match(), (Setting("team", value="idle"),))]
    assert one != Attribution(tuple(more), REGISTER).digest
