"""Questions about approval policies."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from django.db.models import Sum

from apps.core.domain.errors import Missing
from apps.experiments.domain.policies import DEFAULT, Policy
from apps.experiments.domain.policy_text import read_policy
from apps.experiments.models import ApprovalPolicy, Submission

AUTO_WINDOW: Final = timedelta(days=30)


class PolicyMissing(Missing):
    """There is no such version of the policy."""

    default_code = "policy_not_found"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFacts:
    """A version of the policy; version 0 is what holds until a tenant states its own."""

    version: int
    policy: Policy
    note: str
    created_by: str
    created_at: datetime | None


def current_policy() -> PolicyFacts:
    """Return the version in force; one query."""
    row = ApprovalPolicy.objects.order_by("-version").first()
    return _facts(row) if row is not None else _default()


def policies() -> list[PolicyFacts]:
    """Return every version, the newest first."""
    return [_facts(row) for row in ApprovalPolicy.objects.order_by("-version")]


def policy(*, version: int) -> PolicyFacts:
    """Return one version.

    :raises PolicyMissing: when there is none.
    """
    row = ApprovalPolicy.objects.filter(version=version).first()
    if row is None:
        raise PolicyMissing(f"There is no version {version} of the approval policy.")
    return _facts(row)


def passed_by_itself(*, team: str, now: datetime) -> Decimal:
    """Return what passed by itself for a team in the last thirty days, in its currency."""
    rows = Submission.objects.filter(
        team=team, automatic=True, state="approved", closed_at__gt=now - AUTO_WINDOW
    )
    total: Decimal | None = rows.aggregate(total=Sum("amount"))["total"]
    return total or Decimal(0)


def _default() -> PolicyFacts:
    note = "Until you state a policy of your own, one approver decides every request."
    return PolicyFacts(version=0, policy=DEFAULT, note=note, created_by="", created_at=None)


def _facts(row: ApprovalPolicy) -> PolicyFacts:
    return PolicyFacts(
        version=row.version,
        policy=read_policy(row.rules),
        note=row.note,
        created_by=row.created_by,
        created_at=row.created_at,
    )
