"""Requests, rounds and decisions as frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from apps.experiments.domain.assessment import Assessment
from apps.experiments.domain.policies import Approvers
from apps.experiments.domain.proposals import Proposal
from apps.experiments.domain.states import EDITABLE, FUNDED, RoundState, State, StepState, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionFacts:
    """What a request said at one time, and what it would have cost then."""

    id: UUID
    number: int
    is_amendment: bool
    proposal: Proposal
    assessment: Assessment
    amount: Decimal | None
    note: str
    created_at: datetime
    created_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFacts:
    """A request with the revision in force; amounts in `currency`.

    `amount` is what was approved, `released` what was given back at the end.
    """

    id: UUID
    code: str
    title: str
    team: str
    owner: str
    owner_user: int
    requested_by: str
    requested_by_user: int | None
    asked_as: str
    state: State
    currency: str
    amount: Decimal | None
    released: Decimal | None
    grant: UUID | None
    starts_on: date | None
    ends_on: date | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    end_reason: str
    revision: RevisionFacts

    @property
    def asked(self) -> Decimal | None:
        """Return what the revision in force asks for."""
        return self.revision.amount

    @property
    def proposal(self) -> Proposal:
        """Return what the revision in force says."""
        return self.revision.proposal

    @property
    def is_editable(self) -> bool:
        """Tell whether its content may be changed."""
        return self.state in EDITABLE

    @property
    def is_funded(self) -> bool:
        """Tell whether it has money now."""
        return self.state in FUNDED


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionFacts:
    """What one person said; `on_behalf_of` is empty unless it was in somebody's place."""

    id: UUID
    step: str
    verdict: Verdict
    comment: str
    via: str
    user_id: int
    decided_by: str
    on_behalf_of: str
    decided_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """One step of a round, with who may decide it now."""

    id: UUID
    name: str
    order: int
    quorum: int
    approvers: Approvers
    state: StepState
    opened_at: datetime | None
    due_at: datetime | None
    escalated_at: datetime | None
    approvals: int
    seats: tuple[str, ...]

    @property
    def is_stuck(self) -> bool:
        """Tell whether fewer people can decide than have to."""
        open_or_later = self.state in (StepState.OPEN, StepState.WAITING)
        return open_or_later and len(self.seats) < self.quorum - self.approvals


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionFacts:
    """One round of approval: what was judged, by which policy version, and how it went."""

    id: UUID
    number: int
    revision: int
    policy_version: int
    is_amendment: bool
    automatic: bool
    routes: tuple[str, ...]
    reasons: tuple[str, ...]
    amount: Decimal
    currency: str
    state: RoundState
    submitted_at: datetime
    submitted_by: str
    expires_at: datetime
    closed_at: datetime | None
    steps: tuple[StepView, ...]
    decisions: tuple[DecisionFacts, ...]
