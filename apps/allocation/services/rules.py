"""Saves and ends rules; every change is a new version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime

from django.db import IntegrityError, transaction
from django.db.models import Max

from apps.allocation.domain.check import check_circles, check_rule
from apps.allocation.domain.facts import RuleFacts
from apps.allocation.domain.payload import receivers_json, rule_json, scope_json, tiers_json
from apps.allocation.domain.rules import Rule, in_force
from apps.allocation.models import AllocationRule
from apps.allocation.selectors.inputs import known_receivers
from apps.allocation.selectors.rules import RuleMissing, rule_facts, rules_for, versions
from apps.audit import services as audit
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Conflict, Unprocessable
from apps.core.domain.months import Month
from apps.periods import selectors as periods


class RuleMoved(Conflict):
    """Somebody else saved the rule meanwhile."""

    default_code = "rule_changed"


class MonthClosedForRules(Unprocessable):
    """A rule cannot begin or end in a month that is closed."""

    default_code = "period_closed"


@transaction.atomic
def save_rule(
    *, rule: Rule, actor: Actor, now: datetime, expected_version: int | None = None
) -> RuleFacts:
    """Save a rule as the next version of its code; it decides from its first month on.

    :raises RuleRefused: when a field is wrong or the rules would trap cost in a circle.
    :raises MonthClosedForRules: when its first month is closed.
    :raises RuleMoved: when the newest version is not `expected_version`.
    """
    actor.require(Scope.ALLOCATION_WRITE)
    first = _first_month(rule)
    _require_not_closed(first)
    for month in _months_to_check(rule, first):
        known = known_receivers(month)
        check_rule(rule=rule, known=known)
        others = [other for other in rules_for(month) if other.code != rule.code]
        check_circles(rules=in_force([*others, rule], month.first_day), known=known)
    row = _insert(rule, is_ended=False, expected=expected_version, actor=actor, now=now)
    _record("allocation_rule.saved", row, actor, now)
    return rule_facts(row)


@transaction.atomic
def end_rule(*, code: str, from_month: Month, actor: Actor, now: datetime) -> RuleFacts:
    """End a rule: from that month on it no longer applies; earlier months keep it.

    :raises RuleMissing: when there is no such rule, or it has ended.
    :raises MonthClosedForRules: when the month is closed.
    """
    actor.require(Scope.ALLOCATION_WRITE)
    _require_not_closed(from_month)
    latest = versions(code=code)[0]
    if latest.is_ended:
        raise RuleMissing(f"The allocation rule {code!r} has already ended.")
    rule = _starting(latest.rule, from_month.first_day)
    row = _insert(rule, is_ended=True, expected=latest.rule.version, actor=actor, now=now)
    _record("allocation_rule.ended", row, actor, now)
    return rule_facts(row)


def _starting(rule: Rule, day: date) -> Rule:
    return replace(rule, valid_from=day, valid_to=None)


def _first_month(rule: Rule) -> Month:
    return Month.of(_first_day(rule))


def _first_day(rule: Rule) -> date:
    if rule.valid_from is None:
        raise Unprocessable("Say from which month on the rule applies.", code="first_month")
    return rule.valid_from


def _require_not_closed(month: Month) -> None:
    period = periods.period(month)
    if period.state.value == "closed":
        raise MonthClosedForRules(f"{month} is closed; let the change begin with a later month.")


def _months_to_check(rule: Rule, first: Month) -> Sequence[Month]:
    """Return the months whose rules the new version meets: its first, and the last known one.

    Other rules may begin in between; a circle that only then would arise is refused when that
    rule is saved, and at the latest by the run itself.
    """
    last = periods.calendar().periods[-1].month
    end = Month.of(rule.valid_to) - 1 if rule.valid_to else last
    return sorted({first, max(first, min(last, end))})


def _insert(
    rule: Rule, *, is_ended: bool, expected: int | None, actor: Actor, now: datetime
) -> AllocationRule:
    newest = AllocationRule.objects.filter(code=rule.code).aggregate(newest=Max("version"))
    version = newest["newest"] or 0
    if expected is not None and expected != version:
        raise RuleMoved(
            f"The rule {rule.code} is at version {version}, you changed version {expected}. "
            "Reload it and make your change again."
        )
    row = AllocationRule(
        code=rule.code,
        version=version + 1,
        name=rule.name or rule.code,
        axis=rule.axis.value,
        level=rule.level,
        priority=rule.priority,
        method=rule.method.value,
        scope=scope_json(rule.scope),
        receivers=receivers_json(rule.receivers),
        driver=rule.driver,
        zero_policy=rule.zero_policy.value,
        final_only=rule.final_only,
        percent=rule.percent,
        tiers=tiers_json(rule.tiers),
        minimum_share=rule.minimum_share,
        maximum_share=rule.maximum_share,
        valid_from=_first_day(rule),
        valid_to=rule.valid_to,
        is_ended=is_ended,
        created_at=now,
        created_by=actor.label,
    )
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError as error:
        if "allocation_rule_one_per_version" not in str(error):
            raise
        raise RuleMoved(
            f"Somebody saved the rule {rule.code} at the same moment. Reload it and make your "
            "change again."
        ) from None
    return row


def _record(action: str, row: AllocationRule, actor: Actor, now: datetime) -> None:
    audit.record(
        actor=actor,
        action=action,
        subject="allocation_rule",
        subject_id=row.code,
        detail=rule_json(rule_facts(row).rule),
        at=now,
    )
