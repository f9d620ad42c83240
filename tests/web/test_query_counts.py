"""How many queries a list asks: the same for many rows as for few, and as many as are committed.

A list whose count grows with its rows fails for good. One that asks more or fewer than before
fails until the table is looked at and written anew:

    FINOPS_UPDATE_QUERY_COUNTS=1 pytest tests/web/test_query_counts.py
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.accounts import selectors as accounts
from apps.accounts.models import User
from apps.allocation import services as allocation
from apps.allocation.domain.payload import read_rule
from apps.budgets import services as budgets
from apps.budgets.domain.budgets import BudgetDraft
from apps.budgets.domain.decisions import Ask
from apps.budgets.domain.limits import Limit
from apps.budgets.domain.policies import PolicyDraft, Rules
from apps.chargeback import selectors as chargeback
from apps.closing import selectors as closes
from apps.closing import services as closing
from apps.core.domain.access import Role, Scope
from apps.core.domain.months import Month
from apps.costs import services as costs
from apps.costs.domain.accounts import AccountDraft
from apps.directory import services as directory
from apps.directory.domain.entries import (
    CostCenterFacts,
    CustomerFacts,
    FeatureFacts,
    ProductFacts,
    TeamFacts,
)
from apps.experiments import services as experiments
from apps.experiments.domain.bands import Counts
from apps.experiments.domain.proposals import ModelPlan, Proposal
from apps.experiments.domain.states import Verdict
from apps.periods import selectors as periods
from apps.periods.domain.calendar import State
from apps.usage import selectors as usage
from tests.accounts.people import browser, person, service_key
from tests.allocation.base import ACTOR
from tests.costs.conftest import focus, row
from tests.ingest.factories import contract, event, send
from tests.isolation.journey import month as journey
from tests.isolation.routes import Route, routes
from tests.isolation.test_role_matrix import OPEN_TO_NOBODY, TENANT

pytestmark = pytest.mark.slow

COUNTS = Path(__file__).with_name("query_counts.json")
UPDATE = "FINOPS_UPDATE_QUERY_COUNTS"
FIRST, FEW, MANY = Month(2026, 1), Month(2026, 2), Month(2026, 3)
NOW = datetime(2026, 4, 3, 9, tzinfo=UTC)
# What a list must be asked besides its address; the month is the one with few or many rows.
ASKED: Final = {
    "/": {"month": "{month}"},
    "/api/v1/costs": {"period": "{month}"},
    "/api/v1/costs/bills": {"period": "{month}"},
    "/api/v1/costs/feeds": {"period": "{month}"},
    "/api/v1/exports/focus": {"period": "{month}"},
    "/api/v1/fx-rates": {"period": "{month}"},
    "/api/v1/journals/gaps": {"period": "{month}"},
    "/api/v1/prices/quote": {"provider": "testco", "model": "tiny", "meter": "input_tokens"},
    "/api/v1/rollups": {"period": "{month}"},
    "/api/v1/statements": {"period": "{month}"},
    "/api/v1/usage/unpriced": {"period": "{month}"},
    "/api/v1/usage/summary": {"start": "{first}", "end": "{end}", "group_by": "team,model"},
    "/prices/what-if/": {"month": "{month}"},
    "/sources/feeds/": {"month": "{month}"},
    "/statements/": {"period": "{month}"},
    "/usage/": {"period": "{month}"},
    "/usage/unpriced/": {"month": "{month}"},
    "/usage/unpriced/solve/": {"sent_provider": "testco", "sent_model": "unheard-of"},
    "/usage/events/": {"source": "gateway", "id": "few-0-2"},
}


@pytest.fixture
def owner(acme: Any, settings: Any, tmp_path: Path) -> Client:
    """Live through January and February with few of everything; the owner looks around."""
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path)},
        },
    }
    for _step in journey("few"):
        run = closes.latest(FIRST)
        if run is not None and run.state is closes.RunState.FINISHED:
            break
    person(Role.OWNER, email="owner@few.example")
    _live(FEW, times=1)
    return browser("acme")


def test_no_list_asks_more_for_more_rows(owner: Client) -> None:
    with time_machine.travel(NOW, tick=False):
        owner.force_login(User.objects.get(email="owner@few.example"))
        few = _observed(owner, FEW)
        _live(MANY, times=12)
        many = _observed(owner, MANY)
    assert many == few, "these ask more queries for more rows:\n" + "\n".join(
        f"  {url}: {few.get(url)} for few rows, {many.get(url)} for many"
        for url in sorted(few.keys() | many.keys())
        if few.get(url) != many.get(url)
    )
    if os.environ.get(UPDATE):
        COUNTS.write_text(json.dumps(many, indent=2, sort_keys=True) + "\n")
    assert many == json.loads(COUNTS.read_text()), (
        f"other queries than {COUNTS.name} says; look at each, then run with {UPDATE}=1"
    )


def _observed(client: Client, month: Month) -> dict[str, int]:
    """Return the queries of each list by its URL pattern, once everything is warm.

    What the process remembers of tenants and keys expires by the real clock now and then, and is
    read anew by whoever comes next: the fewest of three times count.
    """
    found = {}
    for route in _lists():
        asked = {
            name: text.format(month=month, first=month.first_day, end=(month + 1).first_day)
            for name, text in ASKED.get(route.pattern, {}).items()
        }
        path = route.path(**dict.fromkeys(route.parameters, str(month)))
        counts = []
        for _warm in range(3):
            with CaptureQueriesContext(connection) as asked_for:
                answer = client.get(path, asked)
                if answer.streaming:
                    b"".join(answer.streaming_content)
            counts.append(len(asked_for))
        assert answer.status_code == 200, f"{path} {asked}: {answer.status_code}"
        found[route.pattern] = min(counts)
    return found


def _lists() -> Iterator[Route]:
    """Yield every page and API list that needs no id; a month is none."""
    for route in routes(TENANT):
        if "GET" not in route.methods or route.is_admin or route.pattern in OPEN_TO_NOBODY:
            continue
        if set(route.parameters) <= {"month"}:
            yield route


def _live(month: Month, *, times: int) -> None:
    """Add so many of everything, and close the month on it."""
    teams = _organization(month, times)
    for number in range(times):
        person(Role.ANALYST, email=f"analyst-{number}@{month}.example")
        service_key(Scope.USAGE_READ)
        contract(model=f"model-{month}-{number}", now=NOW, input_tokens="1", output_tokens="2")
        events = [
            event(
                f"{month}-{number}-{minute}",
                time=f"{month}-{number + 1:02}T10:{minute:02}:00Z",
                model=("tiny", f"model-{month}-{number}", "unheard-of")[minute % 3],
                account=f"account-{number}",
                tags={"team": teams[number], "feature": f"feature-{month}-{number}"},
            )
            for minute in range(6)
        ]
        assert send(events, received_at=NOW).accepted == len(events)
    _bills(month, teams)
    _rules(month, teams)
    _experiments(teams)
    _budgets(teams)
    _close(month)
    assert len(chargeback.statements(month=month, actor=ACTOR)) >= times
    assert len(usage.period_rollups(month=month)) >= 6 * times


def _budgets(teams: list[str]) -> None:
    """Set a budget and a policy a team, and hold money of each."""
    for team in teams:
        draft = BudgetDraft(
            name=team, amount=Decimal(10), currency="USD", scope={"team": team}, limit=Limit.HARD
        )
        budgets.create(draft=draft, actor=ACTOR, now=NOW)
        ask = Ask(tags={"team": team}, amount=Decimal(1), currency="USD")
        assert budgets.authorize(ask=ask, actor=ACTOR, now=NOW).hold is not None
        rules = Rules(max_context_tokens=10_000_000)
        policy = PolicyDraft(name=team, rules=rules, scope={"team": team}, valid_from=NOW.date())
        budgets.create_policy(draft=policy, actor=ACTOR, now=NOW)


def _organization(month: Month, times: int) -> list[str]:
    teams = [f"team-{month}-{number}" for number in range(times)]
    directory.ensure_entries(
        actor=ACTOR,
        now=NOW,
        cost_centers=[CostCenterFacts(f"cc-{code}", code) for code in teams],
        teams=[TeamFacts(code, code, f"cc-{code}") for code in teams],
        products=[ProductFacts(f"product-{code}", "Product") for code in teams],
        features=[
            FeatureFacts(f"feature-{month}-{number}", "Feature", f"product-{code}")
            for number, code in enumerate(teams)
        ],
        customers=[CustomerFacts(f"customer-{code}", "Customer") for code in teams],
    )
    for code in teams:
        directory.map_tag_value(
            tag="project", value=code, dimension="team", target=code, actor=ACTOR, now=NOW
        )
    return teams


def _bills(month: Month, teams: list[str]) -> None:
    for code in teams:
        account = f"cloud-{code}"
        costs.declare_account(draft=AccountDraft(code=account, name=code), actor=ACTOR, now=NOW)
        tags = json.dumps({"team": code})
        bill = focus(*(row("6.00", tags=tags, month=str(month)) for _number in teams))
        costs.import_focus(file=bill, provider_account=account, actor=ACTOR, now=NOW)


def _rules(month: Month, teams: list[str]) -> None:
    for code in teams:
        rule = {
            "code": f"rule-{code}",
            "name": "A rule",
            "method": "even",
            "scope": {"service": f"Service {code}"},
            "receivers": teams,
            "first_month": str(month),
        }
        allocation.save_rule(rule=read_rule(rule, first_month=month), actor=ACTOR, now=NOW)


def _experiments(teams: list[str]) -> None:
    """Leave an experiment that waits and one that has money for every team."""
    approver = accounts.actor_of_person("approves@few.example")
    plan = ModelPlan(
        provider="testco",
        model="tiny",
        runs=Counts.exactly(10),
        input_tokens=Counts.exactly(1000),
        output_tokens=Counts.exactly(100),
    )
    for team in teams:
        for verdict in (None, Verdict.APPROVE):
            proposal = Proposal(
                title=team,
                hypothesis=team,
                owner="prepares@few.example",
                team=team,
                plans=(plan,),
                starts_on=NOW.date(),
                ends_on=NOW.date(),
            )
            made = experiments.create(proposal=proposal, actor=ACTOR, now=NOW)
            experiments.submit(id=made.id, actor=ACTOR, now=NOW)
            if verdict is not None:
                ballot = experiments.Ballot(request=made.id, verdict=verdict)
                experiments.decide(ballot=ballot, actor=approver, now=NOW)


def _close(month: Month) -> None:
    preparer = accounts.actor_of_person("prepares@few.example")
    approver = accounts.actor_of_person("approves@few.example")
    run = closing.start_close(month=month, actor=preparer, now=NOW).id
    _advance(run)
    closing.approve(run=run, approver=approver, comment="", now=NOW)
    _advance(run)
    assert periods.period(month).state is State.CLOSED  # the PDFs are drawn later


def _advance(run: Any) -> None:
    while True:
        done = closing.advance(run=run, now=NOW)
        if done.next is not closing.Next.AGAIN:
            return
