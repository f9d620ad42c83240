"""Puts model policies in force and takes them out; a change is a new policy from a day on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.db import transaction

from apps.audit import services as audit
from apps.budgets.domain.policies import PolicyDraft, refusals_of_policy
from apps.budgets.domain.scope import may_see, refusals_of_scope
from apps.budgets.models import Justification, ModelPolicy
from apps.budgets.services import counters
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Conflict, FieldError, Forbidden, Missing, Unprocessable


class PolicyRefused(Unprocessable):
    """The policy cannot be kept as it was sent; names the fields."""

    default_code = "policy_refused"


class PolicyMissing(Missing):
    """There is no such policy in force."""

    default_code = "policy_not_found"


class PolicyRetired(Conflict):
    """The policy was retired already."""

    default_code = "policy_retired"


@dataclass(frozen=True, slots=True, kw_only=True)
class JustificationDraft:
    """Why a scope may use ultra-large contexts; `valid_to` is the first day it may not."""

    scope: Mapping[str, str]
    reason: str
    valid_from: date
    valid_to: date


@transaction.atomic
def create_policy(*, draft: PolicyDraft, actor: Actor, now: datetime) -> UUID:
    """Put a policy in force from its first day on; return its id.

    :raises PolicyRefused: when it cannot be kept; names the fields.
    :raises Forbidden: when the actor sees a part of the tenant only, beyond the policy's scope.
    """
    actor.require(Scope.BUDGETS_WRITE)
    _refuse(refusals_of_policy(draft))
    _require_sight(actor, draft.scope)
    counters.move_registry()
    row = ModelPolicy.objects.create(
        name=draft.name.strip(),
        scope=dict(draft.scope),
        rules=draft.rules.as_json(),
        verdict=draft.verdict.value,
        on_failure=draft.on_failure.value,
        valid_from=draft.valid_from,
        valid_to=draft.valid_to,
        created_by=actor.label,
        created_at=now,
    )
    _audit(row, "policy.created", actor, now)
    return row.public_id


@transaction.atomic
def replace_policy(*, policy: UUID, draft: PolicyDraft, actor: Actor, now: datetime) -> UUID:
    """Put another policy in the place of one: the old one ends where the new one begins.

    :raises PolicyMissing: when there is none in sight.
    :raises PolicyRefused: when the new one cannot be kept; names the fields.
    """
    actor.require(Scope.BUDGETS_WRITE)
    _refuse(refusals_of_policy(draft))
    counters.move_registry()
    row = _row(policy, actor)
    if draft.valid_from <= row.valid_from:
        row.retired_by, row.retired_at = actor.label, now
    else:
        row.valid_to = min(draft.valid_from, row.valid_to or draft.valid_from)
    row.save()
    return create_policy(draft=draft, actor=actor, now=now)


@transaction.atomic
def retire_policy(*, policy: UUID, actor: Actor, now: datetime) -> None:
    """Take a policy out of force at once.

    :raises PolicyMissing: when there is none in sight.
    :raises PolicyRetired: when it is retired already.
    """
    actor.require(Scope.BUDGETS_WRITE)
    counters.move_registry()
    row = _row(policy, actor)
    row.retired_by, row.retired_at = actor.label, now
    row.save()
    _audit(row, "policy.retired", actor, now)


@transaction.atomic
def justify(*, draft: JustificationDraft, actor: Actor, now: datetime) -> UUID:
    """Record why a scope may use ultra-large contexts for a while; return its id.

    :raises PolicyRefused: when scope, reason or days cannot be.
    """
    actor.require(Scope.BUDGETS_WRITE)
    wrong = list(refusals_of_scope(draft.scope))
    if not draft.reason.strip():
        wrong.append(FieldError("reason", "required", "Say which return is expected, and why."))
    if draft.valid_to <= draft.valid_from:
        wrong.append(FieldError("valid_to", "order", "Give a day after the first one."))
    _refuse(tuple(wrong))
    _require_sight(actor, draft.scope)
    counters.move_registry()
    row = Justification.objects.create(
        scope=dict(draft.scope),
        reason=draft.reason.strip(),
        valid_from=draft.valid_from,
        valid_to=draft.valid_to,
        created_by=actor.label,
        created_at=now,
    )
    audit.record(
        actor=actor,
        action="context.justified",
        subject="justification",
        subject_id=str(row.public_id),
        detail={
            "scope": row.scope,
            "reason": row.reason,
            "valid_from": row.valid_from,
            "valid_to": row.valid_to,
        },
        at=now,
    )
    return row.public_id


def _row(policy: UUID, actor: Actor) -> ModelPolicy:
    row = ModelPolicy.objects.select_for_update().filter(public_id=policy).first()
    if row is None or not may_see(actor, row.scope):
        raise PolicyMissing("There is no such policy.")
    if row.retired_at is not None:
        raise PolicyRetired("The policy is retired already.")
    return row


def _require_sight(actor: Actor, scope: Mapping[str, str]) -> None:
    if not may_see(actor, scope):
        raise Forbidden(
            "You may set policies within your own teams and bound tags only; name them in the "
            "scope.",
            code="scope_out_of_sight",
        )


def _refuse(wrong: tuple[FieldError, ...]) -> None:
    if wrong:
        first = wrong[0]
        raise PolicyRefused(f"{first.field}: {first.message}", errors=wrong)


def _audit(row: ModelPolicy, action: str, actor: Actor, now: datetime) -> None:
    audit.record(
        actor=actor,
        action=action,
        subject="policy",
        subject_id=str(row.public_id),
        detail={
            "name": row.name,
            "scope": row.scope,
            "rules": row.rules,
            "verdict": row.verdict,
            "on_failure": row.on_failure,
            "valid_from": row.valid_from,
            "valid_to": row.valid_to,
        },
        at=now,
    )
