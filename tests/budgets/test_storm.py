"""Everything at once: use, corrections, holds, changes of budgets and prices; then all adds up."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime
from decimal import Decimal
from threading import Barrier, Thread
from typing import Any

import pytest
from django.db import connection
from django_tenants.utils import schema_context

from apps.budgets import services
from apps.budgets.domain.budgets import BudgetDraft
from apps.budgets.domain.decisions import Ask
from apps.budgets.domain.limits import Limit, Rollover
from apps.budgets.domain.windows import Window
from apps.ingest import services as ingest
from apps.rating import services as rating
from apps.usage import services as usage
from tests.budgets.base import ACTOR, NOW, budget, spend, tiny_prices, verified
from tests.ingest.factories import WRITER

TURNS = 8


def draft(amount: str) -> BudgetDraft:
    return BudgetDraft(
        name="Changing",
        amount=Decimal(amount),
        currency="USD",
        scope={"team": "search"},
        limit=Limit.HARD,
    )


def sending(number: int) -> None:
    for turn in range(TURNS):
        name = f"s{number}-{turn}"
        ask = Ask(tags={"team": "search"}, amount=Decimal(1), currency="USD")
        found = services.authorize(ask=ask, actor=ACTOR, now=NOW)
        held = {} if found.hold is None else {"hold": str(found.hold)}
        spend(name, "1.5", **held)
        if turn % 2:
            ingest.void_event(
                source="gateway", event_id=name, reason="storm", actor=WRITER, now=NOW
            )


def changing() -> None:
    key = budget(name="Changing", limit=Limit.HARD)
    for turn in range(TURNS):
        services.change(budget=key, draft=draft(str(5 + turn)), actor=ACTOR, now=NOW)
        budget(name=f"New {turn}", window=Window.ROLLING, days=10)
        services.tend(now=NOW)


def pricing() -> None:
    for turn in range(TURNS // 2):
        rating.record_contract_price(
            draft=rating.ContractDraft(
                provider="testco",
                model=f"other-{turn}",
                meter="input_tokens",
                amount=Decimal(2),
                unit_size=1_000_000,
                currency="USD",
                valid_from=datetime(2024, 1, 1, tzinfo=UTC),
                valid_to=None,
            ),
            actor=ACTOR,
            now=NOW,
        )
        ingest.adopt_prices(actor=ACTOR, now=NOW)


@pytest.mark.slow
def test_all_at_once_adds_up(fresh_tenant):
    tiny_prices()
    budget(limit=Limit.HARD, amount=Decimal(20))
    budget(name="All", scope={}, rollover=Rollover(Decimal(3), overspend=True))
    jobs: list[Any] = [lambda n=n: sending(n) for n in range(3)] + [changing, pricing]
    start = Barrier(len(jobs))
    failed: list[BaseException] = []

    def run(job: Any) -> None:
        with schema_context(fresh_tenant.schema):
            start.wait()
            try:
                job()
            except BaseException as error:
                failed.append(error)
        connection.close()

    threads = [Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == [], "".join(
        line for error in failed for line in traceback.format_exception(error)
    )
    assert usage.verify_rollups() == []
    assert verified()
