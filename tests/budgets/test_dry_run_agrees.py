"""What a dry run would have blocked is what the policy blocks when it is asked at those moments."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from apps.budgets import selectors, services
from apps.budgets.domain.decisions import Ask, Verdict
from apps.budgets.domain.policies import PolicyDraft, Rules
from apps.core.domain.months import Month
from tests.budgets.base import ACTOR, NOW, moment, tiny_prices
from tests.ingest.factories import contract, event, send

RULES = Rules(
    denied_models=("small",),
    environments=("production",),
    max_context_tokens=150_000,
    max_output_tokens=2_000,
    price_ceiling=Decimal("0.1"),
    currency="USD",
    hours="mon-fri 09:00-18:00",
)
USES = [  # model, input, cached, output, environment, moment
    ("tiny", 1_000, 0, 100, "production", moment(12, 16)),
    ("tiny", 1_000, 0, 100, "production", moment(12, 3)),  # at night
    ("tiny", 1_000, 0, 100, "production", moment(17, 16)),  # a Saturday
    ("tiny", 1_000, 0, 100, "staging", moment(13, 16)),
    ("tiny", 99_000, 0, 100, "production", moment(13, 16)),  # 0.0993 USD
    ("tiny", 99_900, 0, 100, "production", moment(13, 16)),  # 0.1002 USD
    ("tiny", 160_000, 120_000, 100, "production", moment(14, 16)),  # cached tokens are context
    ("tiny", 1_000, 0, 2_001, "production", moment(14, 16)),
    ("small", 1_000, 0, 100, "production", moment(15, 16)),
    ("unheard-of", 1_000, 0, 100, "production", moment(15, 16)),
]


def test_it_agrees_with_what_is_asked(acme: Any) -> None:
    tiny_prices()
    contract(cached_input_tokens="0.1")
    contract(model="small", input_tokens="1", output_tokens="3")
    events = []
    for number, (model, read, cached, written, environment, at) in enumerate(USES):
        usage = {"input_tokens": read, "cached_input_tokens": cached, "output_tokens": written}
        tags = {"team": "search", "environment": environment}
        fields = {"model": model, "usage": usage, "tags": tags, "time": at.isoformat()}
        events.append(event(f"e{number}", **fields))
    assert send(events, received_at=NOW).accepted == len(USES)
    draft = PolicyDraft(
        name="House rules", rules=RULES, scope={"team": "search"}, valid_from=date(2026, 1, 1)
    )
    tried = selectors.dry_run(draft=draft, month=Month(2026, 1), actor=ACTOR)
    services.create_policy(draft=draft, actor=ACTOR, now=moment(1, 1))
    denied = [use for use in USES if verdict(*use) is Verdict.DENY]
    assert (tried.requests, tried.matched) == (len(USES), len(USES))
    assert tried.blocked == len(denied) == 8
    assert selectors.dry_run(draft=draft, month=Month(2025, 12), actor=ACTOR).requests == 0


def verdict(
    model: str, read: int, cached: int, written: int, environment: str, at: datetime
) -> Verdict:
    """Return what a check of the same use says at its moment."""
    ask = Ask(
        provider="testco",
        model=model,
        tags={"team": "search", "environment": environment},
        input_tokens=read,
        cached_input_tokens=cached,
        output_tokens=written,
    )
    return services.check(ask=ask, actor=ACTOR, now=at).verdict
