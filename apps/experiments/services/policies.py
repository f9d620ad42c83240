"""States the tenant's approval policy: every change is a version of its own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime

from django.db import IntegrityError, transaction

from apps.accounts import selectors as accounts
from apps.audit import services as audit
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Conflict, FieldError
from apps.core.domain.months import local_day
from apps.experiments.domain.policies import Policy, StepRule
from apps.experiments.domain.policy_text import PolicyInvalid, policy_payload
from apps.experiments.models import ApprovalPolicy
from apps.experiments.selectors import people
from apps.experiments.selectors.policies import PolicyFacts, policy
from apps.experiments.services.quorums import quorum_faults
from apps.tenants import selectors as tenants


class PolicyMoved(Conflict):
    """Somebody has stated another version meanwhile."""

    default_code = "policy_moved"


@transaction.atomic
def state_policy(
    *, policy_text: Policy, note: str, after: int | None, actor: Actor, now: datetime
) -> PolicyFacts:
    """Put a policy in force for what is submitted from now on; open rounds keep theirs.

    `after` is the version that the writer has seen, None when that does not matter.

    :raises Forbidden: when the actor may not write budgets.
    :raises PolicyInvalid: when it names people who cannot decide, asks for more people at a step
        than there are, or no reason is given.
    :raises PolicyMoved: when another version came in between.
    """
    actor.require(Scope.BUDGETS_WRITE)
    faults = [*_note_faults(note), *_people_faults(policy_text, now)]
    faults += [] if faults else quorum_faults(_groups(policy_text), on=_today(now))
    if faults:
        raise PolicyInvalid(f"{faults[0].field}: {faults[0].message}", errors=tuple(faults))
    last = ApprovalPolicy.objects.select_for_update().order_by("-version").first()
    version = 0 if last is None else last.version
    if after is not None and after != version:
        raise PolicyMoved(f"Version {version} is in force by now; look at it and start again.")
    try:
        with transaction.atomic():
            ApprovalPolicy.objects.create(
                version=version + 1,
                rules=policy_payload(policy_text),
                note=note.strip()[:2000],
                created_at=now,
                created_by=actor.label,
                created_by_user=accounts.person_behind(actor),
            )
    except IntegrityError:
        raise PolicyMoved("Another version came in between; look at it and start again.") from None
    audit.record(
        actor=actor,
        action="approval_policy.stated",
        subject="approval_policy",
        subject_id=str(version + 1),
        detail={"note": note.strip(), "rules": policy_payload(policy_text)},
        at=now,
    )
    return policy(version=version + 1)


def _note_faults(note: str) -> Iterator[FieldError]:
    if not note.strip() or "\x00" in note:
        yield FieldError("note", "required", "Say why the policy is changed.")


def _people_faults(policy_text: Policy, now: datetime) -> Iterator[FieldError]:
    known = {one.email for one in people.deciders(on=_today(now))}
    for path, steps in _groups(policy_text):
        for at, step in enumerate(steps):
            for name, approvers in (
                ("approvers", step.approvers),
                ("escalate_to", step.escalate_to),
            ):
                unknown = sorted(approvers.people - known)
                if unknown:
                    yield FieldError(
                        f"{path}.{at}.{name}.people",
                        "unknown",
                        f"{unknown[0]} is no active approver or owner here.",
                    )


def _today(now: datetime) -> date:
    return local_day(now, tenants.current().timezone)


def _groups(policy_text: Policy) -> list[tuple[str, tuple[StepRule, ...]]]:
    """Return the steps by where they stand."""
    routes = enumerate(policy_text.routes)
    return [
        ("otherwise", policy_text.otherwise),
        *((f"routes.{at}.steps", one.steps) for at, one in routes),
    ]
