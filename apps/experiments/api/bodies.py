"""Answers of the API about experiments, built from what selectors tell."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any

from apps.budgets import selectors as budgets
from apps.core.domain.access import Actor
from apps.core.domain.canonical import plain_decimal
from apps.experiments import selectors
from apps.experiments.api import answers
from apps.experiments.domain.assessment import Assessment, assessment_payload
from apps.experiments.domain.facts import RequestFacts
from apps.experiments.domain.policy_text import policy_payload
from apps.experiments.domain.proposals import as_payload
from apps.experiments.domain.results import results_payload
from apps.experiments.selectors import Commitment, PolicyFacts


def request_body(found: RequestFacts) -> dict[str, Any]:
    """Return a request in short."""
    plain = ("id", "code", "title", "team", "owner", "requested_by", "currency")
    times = ("created_at", "started_at", "ended_at", "end_reason")
    value = {
        **{name: getattr(found, name) for name in (*plain, *times)},
        "state": found.state.value,
        "asked": _text(found.asked),
        "amount": _text(found.amount),
        "released": _text(found.released),
        "starts_on": found.starts_on or found.proposal.starts_on,
        "ends_on": found.ends_on or found.proposal.ends_on,
        "revision": found.revision.number,
        "budget": found.grant,
    }
    return dict(answers.ExperimentSummaryOutput(value).data)


def full_body(found: RequestFacts, *, actor: Actor, now: datetime) -> dict[str, Any]:
    """Return a request with its estimate, rounds, burn and outcome; some thirty queries."""
    row = selectors.row_of(id=found.id, actor=actor)
    rounds = answers.ApprovalRoundOutput(
        selectors.submissions(id=found.id, now=now), many=True
    ).data
    content = as_payload(found.proposal)
    names = ("hypothesis", "roi_case", "environments", "sensitivity", "limit", "plans")
    outcome = ("outcome_name", "outcome_target", "outcome_value")
    tags = {"product": found.proposal.product, "feature": found.proposal.feature}
    return {
        **request_body(found),
        **{name: content[name] for name in (*names, *outcome)},
        **tags,
        "max_context_tokens": found.proposal.context,
        "estimate": estimate_body(found.revision.assessment),
        "rounds": rounds,
        "steps": rounds[0]["steps"] if rounds else [],
        "decisions": rounds[0]["decisions"] if rounds else [],
        "burn": _burn(found),
        "outcome": results_payload(selectors.results(row=row, now=now)) if found.grant else None,
        "foreign_use": [
            {
                "team": one.team,
                "requests": one.requests,
                "tokens": plain_decimal(one.tokens),
                "cost": _text(one.cost),
                "currency": one.currency,
            }
            for one in selectors.foreign_use(row=row, now=now)
        ],
        "reports": answers.OutcomeReportOutput(selectors.reports(row=row), many=True).data,
        "files": [
            {"id": one.public_id, "name": one.name, "size": one.size, "sha256": one.sha256}
            for one in selectors.attachments(id=found.id)
        ],
    }


def estimate_body(found: Assessment) -> dict[str, Any]:
    """Return an estimate, exact."""
    return assessment_payload(found)


def policy_body(found: PolicyFacts) -> dict[str, Any]:
    """Return a version of the policy."""
    value = {
        "version": found.version,
        "policy": policy_payload(found.policy),
        "note": found.note,
        "created_by": found.created_by,
        "created_at": found.created_at,
    }
    return dict(answers.ApprovalPolicyOutput(value).data)


def commitment_body(found: Commitment) -> dict[str, Any]:
    """Return what one experiment has committed."""
    request, standing = found.request, found.standing
    return {
        "code": request.code,
        "title": request.title,
        "team": request.team,
        "owner": request.owner,
        "amount": plain_decimal(standing.amount),
        "spent": plain_decimal(standing.spent),
        "held": plain_decimal(standing.held),
        "open": plain_decimal(found.open),
        "currency": standing.currency,
        "ends_on": standing.ends_on.isoformat(),
    }


def _burn(found: RequestFacts) -> dict[str, Any] | None:
    if found.grant is None:
        return None
    standing = asdict(budgets.grant_standing(grant=found.grant))
    standing.pop("closed_at"), standing.pop("team")
    return {
        name: plain_decimal(value) if isinstance(value, Decimal) else str(value)
        for name, value in standing.items()
    }


def _text(value: Decimal | None) -> str | None:
    return None if value is None else plain_decimal(value)
