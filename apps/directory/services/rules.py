"""Add, revise and retire attribution rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import Max

from apps.audit import services as audit
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Conflict, FieldError, Missing, Unprocessable
from apps.directory.domain.rules import Rule, mapping_rule, refusals_of_rule
from apps.directory.models import (
    AttributionRule,
    CostCenter,
    Customer,
    Feature,
    Product,
    RuleVersion,
    Team,
)

_REGISTERS: Final[Mapping[str, type[Team | Product | Feature | Customer | CostCenter]]] = {
    "team": Team,
    "product": Product,
    "feature": Feature,
    "customer": Customer,
    "cost_center": CostCenter,
}


class RuleRefused(Unprocessable):
    """A part of the rule cannot be right, or names what is not registered."""

    default_code = "rule_refused"


class RuleExists(Conflict):
    """The name is taken."""

    default_code = "rule_exists"


class RuleMissing(Missing):
    """There is no such rule in force."""

    default_code = "rule_not_found"


@transaction.atomic
def add_rule(*, rule: Rule, actor: Actor, now: datetime) -> Rule:
    """Put a new rule in force.

    :raises RuleRefused: when a part cannot be right or a fixed code is not registered.
    :raises RuleExists: when the name is taken.
    """
    actor.require(Scope.DIRECTORY_WRITE)
    check_rule(rule=rule)
    if AttributionRule.objects.filter(name=rule.name).exists():
        raise _taken(rule)
    try:
        with transaction.atomic():
            row = AttributionRule.objects.create(name=rule.name, created_at=now)
    except IntegrityError as error:  # added by somebody else at this moment
        raise _taken(rule) from error
    version = _write(row, replace(rule, version=1), actor, now)
    _record(actor, "added", version, now)
    return version


@transaction.atomic
def revise_rule(*, rule: Rule, actor: Actor, now: datetime) -> Rule:
    """Replace what the rule of that name says; the earlier version is kept, superseded.

    From `valid_from` on the new version holds; days before it keep the earlier one.

    :raises RuleRefused: when a part cannot be right or a fixed code is not registered.
    :raises RuleMissing: when no rule of the name is in force.
    """
    actor.require(Scope.DIRECTORY_WRITE)
    check_rule(rule=rule)
    row, current = _in_force(rule.name)
    for version in current:
        _end(version, row=row, on=rule.valid_from, actor=actor, now=now)
    written = _write(row, replace(rule, version=_next_version(row)), actor, now)
    _record(actor, "changed", written, now)
    return written


@transaction.atomic
def retire_rule(*, name: str, on: date | None, actor: Actor, now: datetime) -> None:
    """Let a rule hold no longer from a day on; `None` means that it never should have.

    :raises RuleMissing: when no rule of the name is in force.
    """
    actor.require(Scope.DIRECTORY_WRITE)
    row, current = _in_force(name)
    for version in current:
        _end(version, row=row, on=on, actor=actor, now=now)
    audit.record(
        actor=actor,
        action="attribution_rule.retired",
        subject="attribution_rule",
        subject_id=str(row.public_id),
        detail={"name": name, "on": on},
        at=now,
    )


def check_rule(*, rule: Rule) -> None:
    """Pass when a rule could be put in force under some name; up to one query a setting.

    :raises RuleRefused: when a part cannot be right or a fixed code is not registered.
    """
    errors = [*refusals_of_rule(rule)]
    for setting in rule.sets:
        register = _REGISTERS.get(setting.dimension)
        if register and setting.value and not register.objects.filter(code=setting.value).exists():
            path = f"sets.{setting.dimension}"
            message = f"There is no {setting.dimension.replace('_', ' ')} {setting.value}."
            errors.append(FieldError(path, "unknown", message))
    if errors:
        raise RuleRefused(errors[0].message, errors=tuple(errors))


def map_tag_value(
    *, tag: str, value: str, dimension: str, target: str, actor: Actor, now: datetime
) -> Rule:
    """Let lines with this value of a tag belong to a registered code, for every day.

    `tag` may be a reserved key (account, credential, service). Mapping the value again replaces
    the earlier mapping.

    :raises RuleRefused: when the dimension has no register or the target is not in it.
    """
    rule = mapping_rule(tag=tag, value=value, dimension=dimension, target=target)
    rows = AttributionRule.objects.filter(name=rule.name)
    if rows.filter(versions__superseded_at__isnull=True).exists():
        return revise_rule(rule=rule, actor=actor, now=now)
    if rows.exists():
        return _revive(rule, actor=actor, now=now)
    return add_rule(rule=rule, actor=actor, now=now)


@transaction.atomic
def _revive(rule: Rule, *, actor: Actor, now: datetime) -> Rule:
    actor.require(Scope.DIRECTORY_WRITE)
    check_rule(rule=rule)
    row = AttributionRule.objects.select_for_update(no_key=True).get(name=rule.name)
    written = _write(row, replace(rule, version=_next_version(row)), actor, now)
    _record(actor, "changed", written, now)
    return written


def _taken(rule: Rule) -> RuleExists:
    message = f"There is a rule named {rule.name}."
    return RuleExists(message, errors=(FieldError("name", "exists", message),))


def _in_force(name: str) -> tuple[AttributionRule, list[RuleVersion]]:
    row = AttributionRule.objects.select_for_update(no_key=True).filter(name=name).first()
    current = list(row.versions.filter(superseded_at__isnull=True)) if row else []
    if row is None or not current:
        raise RuleMissing(f"No rule named {name} is in force.")
    return row, current


def _next_version(row: AttributionRule) -> int:
    latest: int = row.versions.aggregate(latest=Max("version"))["latest"] or 0
    return latest + 1


def _end(
    version: RuleVersion, *, row: AttributionRule, on: date | None, actor: Actor, now: datetime
) -> None:
    """Supersede a version; what it said before `on` is written again as a version of its own."""
    if on is not None and version.valid_to is not None and version.valid_to <= on:
        return
    RuleVersion.objects.filter(pk=version.pk).update(superseded_at=now)
    if on is not None and (version.valid_from is None or version.valid_from < on):
        earlier = replace(version.facts, valid_to=on, version=_next_version(row))
        _write(row, earlier, actor, now)


def _write(row: AttributionRule, rule: Rule, actor: Actor, now: datetime) -> Rule:
    RuleVersion.objects.create(
        rule=row,
        version=rule.version,
        priority=rule.priority,
        match=rule.match.as_json(),
        sets=rule.sets_as_json(),
        valid_from=rule.valid_from,
        valid_to=rule.valid_to,
        recorded_at=now,
        recorded_by=actor.label,
    )
    return replace(rule, public_id=row.public_id)


def _record(actor: Actor, verb: str, rule: Rule, now: datetime) -> None:
    audit.record(
        actor=actor,
        action=f"attribution_rule.{verb}",
        subject="attribution_rule",
        subject_id=str(rule.public_id),
        detail={
            "name": rule.name,
            "version": rule.version,
            "priority": rule.priority,
            "match": rule.match.as_json(),
            "sets": rule.sets_as_json(),
            "valid_from": rule.valid_from,
            "valid_to": rule.valid_to,
        },
        at=now,
    )


__all__ = [
    "RuleExists",
    "RuleMissing",
    "RuleRefused",
    "add_rule",
    "check_rule",
    "map_tag_value",
    "retire_rule",
    "revise_rule",
]
