"""Reading rules from JSON and refusing unsound ones, field by field."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from apps.allocation.domain.check import RuleRefused, check_circles, check_rule
from apps.allocation.domain.payload import read_rule, rule_json
from apps.allocation.domain.rules import Axis, Method, in_force
from apps.core.domain.months import Month
from tests.allocation.build import rule

OCTOBER = Month(2026, 10)
KNOWN = {Axis.TEAM: frozenset({"ads", "it", "ops", "search"}), Axis.CUSTOMER: frozenset({"acme"})}
BODY: dict[str, Any] = {
    "code": "gateway",
    "name": "Shared gateway",
    "method": "fixed",
    "scope": {"service": "Azure OpenAI", "owners": ["platform"], "tags": {"env": ["prod*"]}},
    "receivers": {"ads": "30", "search": "70.0"},
    "level": 2,
    "first_month": "2026-09",
    "last_month": "2026-12",
}


def refused(body: dict[str, Any]) -> set[tuple[str, str]]:
    with pytest.raises(RuleRefused) as caught:
        check_rule(rule=read_rule(body, first_month=OCTOBER), known=KNOWN)
    return {(error.field, error.code) for error in caught.value.errors}


def test_a_rule_reads_back_as_written() -> None:
    first = read_rule(BODY, first_month=OCTOBER)
    assert first.receivers.percents == {"ads": Decimal(30), "search": Decimal(70)}
    written = rule_json(first)
    del written["version"]
    assert read_rule(written, first_month=OCTOBER) == first
    check_rule(rule=first, known=KNOWN)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"code": ""}, ("code", "required")),
        ({"code": "Grüße"}, ("code", "code")),
        ({"surprise": 1}, ("surprise", "unknown_field")),
        ({"method": "magic"}, ("method", "choice")),
        ({"axis": 7}, ("axis", "choice")),
        ({"level": 0}, ("level", "number")),
        ({"level": "²"}, ("level", "number")),
        ({"level": True}, ("level", "number")),
        ({"level": "9" * 400}, ("level", "number")),
        ({"scope": []}, ("scope", "scope_empty")),
        ({"scope": "all"}, ("scope", "object")),
        ({"scope": {"color": "red"}}, ("scope.color", "unknown_field")),
        ({"scope": {"service": [1]}}, ("scope.service", "list")),
        ({"scope": {"service": "a\x00b"}}, ("scope.service", "list")),
        ({"scope": {"tags": ["env"]}}, ("scope.tags", "object")),
        ({"scope": {"owners": ["MARKUP"]}}, ("scope.owners", "reserved")),
        ({"receivers": {}}, ("receivers", "required")),
        ({"receivers": {"ads": "30", "search": "69.999999"}}, ("receivers", "percent_sum")),
        ({"receivers": {"ads": "100", "search": "0"}}, ("receivers", "percent_range")),
        ({"receivers": {"ads": 30.5, "search": "69.5"}}, ("receivers.ads", "decimal")),
        ({"receivers": {"ads": "1e9999", "search": "70"}}, ("receivers.ads", "decimal")),
        ({"receivers": {"ads": "NaN", "search": "70"}}, ("receivers.ads", "decimal")),
        ({"receivers": {"nobody": "100"}}, ("receivers", "unknown_receiver")),
        ({"receivers": "*"}, ("receivers", "named_only")),
        ({"method": "direct", "receivers": ["ads", "it"]}, ("receivers", "one_only")),
        ({"method": "proportional", "receivers": ["ads"]}, ("driver", "required")),
        ({"method": "markup", "receivers": "*"}, ("percent", "percent_range")),
        ({"first_month": "2026-13"}, ("first_month", "month")),
        ({"first_month": "9999-12"}, ("first_month", "month")),
        ({"last_month": "2026-08"}, ("valid_to", "before_start")),
        ({"final_only": "yes"}, ("final_only", "flag")),
        ({"name": "x" * 201}, ("name", "text")),
    ],
)
def test_each_wrong_field_is_named(change: dict[str, Any], expected: tuple[str, str]) -> None:
    assert expected in refused(BODY | change)


def test_circles_are_refused_by_name_at_save_time() -> None:
    rules = [
        rule("a", owners=["it"], to={"ops": "100"}),
        rule("b", owners=["ops"], to={"it": "100"}),
        rule("c", owners=["ads"], to={"it": "100"}),
    ]
    with pytest.raises(RuleRefused, match="ads, it, ops") as caught:
        check_circles(rules=rules, known=KNOWN)
    assert caught.value.code == "allocation_cycle"


def test_circles_that_leak_or_step_down_pass() -> None:
    leaking = [
        rule("a", owners=["it"], to={"ops": "99.999999", "ads": "0.000001"}),
        rule("b", owners=["ops"], to={"it": "100"}),
    ]
    check_circles(rules=leaking, known=KNOWN)
    stepping = [
        rule("a", owners=["it"], to={"ops": "100"}),
        rule("b", owners=["ops"], to={"it": "100"}, level=2),
    ]
    check_circles(rules=stepping, known=KNOWN)
    keeping = [rule("a", owners=["it"], to={"it": "100"})]
    check_circles(rules=keeping, known=KNOWN)


def test_rules_come_into_force_by_month() -> None:
    september = read_rule(BODY, first_month=OCTOBER)
    assert in_force([september], Month(2026, 8).first_day) == []
    assert in_force([september], Month(2026, 12).first_day) == [september]
    assert in_force([september], Month(2027, 1).first_day) == []
    assert september.method is Method.FIXED
