"""What another policy would have asked of the requests of the past; writes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from apps.core.domain.access import Actor
from apps.core.domain.money import EXACT
from apps.experiments.domain.policies import Policy, Risk, Routing, route
from apps.experiments.models import Submission
from apps.experiments.selectors.policies import AUTO_WINDOW
from apps.experiments.selectors.requests import visible

MOST: Final = 500


@dataclass(frozen=True, slots=True)
class Simulated:
    """One past submission: the steps that it went through, and those that it would have."""

    code: str
    title: str
    team: str
    amount: Decimal
    currency: str
    submitted_at: datetime
    before: tuple[str, ...]
    after: tuple[str, ...]
    reasons: tuple[str, ...]

    @property
    def changes(self) -> bool:
        """Tell whether the other policy asks for something else."""
        return self.before != self.after


@dataclass(frozen=True, slots=True)
class Simulation:
    """The past under another policy, the newest first; `people` counts the decisions by step."""

    rows: tuple[Simulated, ...]
    automatic_before: int
    automatic_after: int

    @property
    def changed(self) -> int:
        """Return how many submissions would have gone another way."""
        return sum(row.changes for row in self.rows)

    @property
    def steps_after(self) -> Mapping[str, int]:
        """Return how often each step would have been asked."""
        return Counter(step for row in self.rows for step in row.after)


def simulate(*, policy: Policy, since: datetime, actor: Actor) -> Simulation:
    """Judge the submissions since a moment by another policy, at most the newest 500.

    Each is judged by what was looked at then: amounts, cautions and what budgets had left. What
    would have passed by itself counts against the allowance of those that came later.
    """
    rows = list(
        Submission.objects.filter(submitted_at__gte=since, request__in=visible(actor))
        .select_related("request")
        .prefetch_related("steps")
        .order_by("-submitted_at", "-id")[:MOST]
    )
    passed: list[tuple[str, datetime, Decimal]] = []
    found = []
    for row in reversed(rows):
        routing = _judged(policy, row, passed)
        if routing.automatic:
            passed.append((row.team, row.submitted_at, row.amount))
        found.append(_simulated(row, routing))
    return Simulation(
        rows=tuple(reversed(found)),
        automatic_before=sum(row.automatic for row in rows),
        automatic_after=len(passed),
    )


def _judged(
    policy: Policy, row: Submission, passed: Sequence[tuple[str, datetime, Decimal]]
) -> Routing:
    used = Decimal(0)
    for team, at, amount in passed:
        if team == row.team and at > row.submitted_at - AUTO_WINDOW:
            used = EXACT.add(used, amount)
    risk = replace(read_risk(row.risk), auto_used=used)
    return route(policy, risk, currency=row.currency)


def read_risk(payload: Mapping[str, Any]) -> Risk:
    """Return what was looked at when something was submitted."""
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in payload.items()
    }
    for name in ("amount", "budget_left", "auto_used"):
        values[name] = None if values[name] is None else Decimal(values[name])
    return Risk(**values)


def _simulated(row: Submission, routing: Routing) -> Simulated:
    before = tuple(
        _step(step.name, step.quorum)
        for step in sorted(row.steps.all(), key=lambda step: step.position)
    )
    return Simulated(
        code=row.request.code,
        title=row.request.title,
        team=row.team,
        amount=row.amount,
        currency=row.currency,
        submitted_at=row.submitted_at,
        before=before,
        after=tuple(_step(step.name, step.quorum) for step in routing.steps),
        reasons=routing.reasons,
    )


def _step(name: str, quorum: int) -> str:
    return name if quorum == 1 else f"{name} by {quorum}"
