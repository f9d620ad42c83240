"""Questions to the stored rules."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from apps.allocation.domain.facts import RuleFacts
from apps.allocation.domain.payload import read_rule, rule_json
from apps.allocation.domain.rules import Rule, in_force
from apps.allocation.models import AllocationRule
from apps.core.domain.errors import Missing
from apps.core.domain.months import Month


class RuleMissing(Missing):
    """There is no such allocation rule."""

    default_code = "rule_not_found"


def rules_for(month: Month) -> list[Rule]:
    """Return the rules in force in a month in the order of a run; one query.

    Of each code the last version whose first month has come counts.
    """
    return in_force((row.rule for row in standing(month) if not row.is_ended), month.first_day)


def standing(month: Month) -> list[RuleFacts]:
    """Return of each code the version that decides in a month, ended ones too; one query."""
    rows = AllocationRule.objects.filter(valid_from__lte=month.first_day)
    latest: dict[str, AllocationRule] = {}
    for row in rows.order_by("version", "id"):
        latest[row.code] = row
    return [rule_facts(latest[code]) for code in sorted(latest)]


def versions(*, code: str) -> list[RuleFacts]:
    """Return every version of a rule, newest first.

    :raises RuleMissing: when the code has none.
    """
    rows = AllocationRule.objects.filter(code=code).order_by("-version")
    found = [rule_facts(row) for row in rows]
    if not found:
        raise RuleMissing(f"There is no allocation rule {code!r}.")
    return found


def latest_rules() -> list[RuleFacts]:
    """Return the newest version of every rule by axis, level and priority; ended ones last."""
    latest: dict[str, AllocationRule] = {}
    for row in AllocationRule.objects.order_by("version", "id"):
        latest[row.code] = row
    found = [rule_facts(row) for row in latest.values()]
    return sorted(found, key=lambda facts: (facts.is_ended, facts.rule.axis, facts.rule.order))


def rule_facts(row: AllocationRule) -> RuleFacts:
    """Return a row as a frozen value."""
    return RuleFacts(
        id=row.public_id,
        rule=_rule(row),
        is_ended=row.is_ended,
        created_at=row.created_at,
        created_by=row.created_by,
    )


def rules_json(rules: Iterable[Rule]) -> list[dict[str, object]]:
    """Return rules as the run keeps them."""
    return [rule_json(rule) for rule in rules]


def _rule(row: AllocationRule) -> Rule:
    body = {
        "code": row.code,
        "name": row.name,
        "axis": row.axis,
        "method": row.method,
        "scope": row.scope,
        "receivers": row.receivers,
        "level": row.level,
        "priority": row.priority,
        "driver": row.driver,
        "zero_policy": row.zero_policy,
        "final_only": row.final_only,
        "percent": f"{row.percent:f}",
        "tiers": row.tiers,
        "minimum_share": f"{row.minimum_share:f}",
        "maximum_share": f"{row.maximum_share:f}",
        "first_month": str(Month.of(row.valid_from)),
        "last_month": str(Month.of(row.valid_to) - 1) if row.valid_to else None,
    }
    rule = read_rule(body, first_month=Month.of(row.valid_from))
    return replace(rule, version=row.version)
