"""Asks for the demo's experiments and decides them, as its people would; once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from apps.accounts import selectors as people
from apps.core.domain.months import Month
from apps.experiments import selectors, services
from apps.experiments.domain.bands import Counts
from apps.experiments.domain.policy_text import read_policy
from apps.experiments.domain.proposals import ModelPlan, Proposal
from apps.experiments.domain.states import Verdict
from finops_platform.demo.script import Script

_POLICY: Final = {
    "auto": {"up_to": "5", "team_month": "20"},
    "routes": [
        {
            "name": "Dear experiments",
            "when": {"amount_over": "500"},
            "steps": [
                {"name": "Product owner", "hours": 24, "approvers": {"roles": ["approver"]}},
                {"name": "Owner", "order": 2, "approvers": {"roles": ["owner"]}},
            ],
        },
        {
            "name": "Ultra-large context",
            "when": {"context_over": 200_000},
            "needs_roi": True,
            "steps": [{"name": "Product owner", "approvers": {"roles": ["approver"]}}],
        },
    ],
    "otherwise": [{"name": "Product owner", "approvers": {"roles": ["approver"]}}],
}
_ENDINGS: Final = {"approved": Verdict.APPROVE, "rejected": Verdict.REJECT}


def ensure_experiments(*, script: Script, months: Sequence[Month], now: datetime) -> None:
    """State a policy and ask for what the script tells of, where the tenant has none yet."""
    wanted = script.text.get("requests", ())
    by_role = {row["role"]: row["email"] for row in script["people"]}
    owner = people.actor_of_person(by_role["owner"])
    if not wanted or selectors.requests(actor=owner):
        return
    if selectors.current_policy().version == 0:
        services.state_policy(
            policy_text=read_policy(_POLICY),
            note="What experiments may cost before somebody has to agree.",
            after=None,
            actor=owner,
            now=now,
        )
    for row in wanted:
        _ask(row, months=months, by_role=by_role, now=now)


def _ask(
    row: Mapping[str, Any], *, months: Sequence[Month], by_role: Mapping[str, str], now: datetime
) -> None:
    engineer = people.actor_of_person(by_role["member"])
    approver = people.actor_of_person(by_role["approver"])
    proposal = _proposal(row, owner=engineer.label, months=months)
    made = services.create(proposal=proposal, code=row.get("code", ""), actor=engineer, now=now)
    services.submit(id=made.id, actor=engineer, now=now)
    verdict = _ENDINGS.get(row["ending"])
    if verdict is not None:
        ballot = services.Ballot(
            request=made.id, verdict=verdict, comment=row["comment"], via="web"
        )
        services.decide(ballot=ballot, actor=approver, now=now)


def _proposal(row: Mapping[str, Any], *, owner: str, months: Sequence[Month]) -> Proposal:
    provider, _, model = row["model"].partition("/")
    plan = ModelPlan(
        provider=provider,
        model=model,
        runs=Counts(*row["runs"]),
        input_tokens=Counts(*row["input_tokens"]),
        output_tokens=Counts(*row["output_tokens"]),
        cache_share=Decimal(row["cache_percent"]) / 100,
    )
    return Proposal(
        title=row["title"],
        hypothesis=row["hypothesis"],
        owner=owner,
        team=row["team"],
        plans=(plan,),
        starts_on=months[0].first_day,
        ends_on=months[-1].last_day + timedelta(days=14),
        amount=Decimal(row["amount"]) if "amount" in row else None,
        environments=("staging",),
        outcome_name=row.get("outcome", ""),
        outcome_target=row.get("target"),
        outcome_value=Decimal(row["value"]) if "value" in row else None,
        roi_case=row.get("roi_case", ""),
    )
