"""Adoption is asked for by every change of a contract price, and daily for everybody."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from apps.core.domain.access import Scope
from apps.ingest import tasks as ingest_tasks
from apps.rating import selectors as rating
from apps.rating import services, tasks
from apps.rating.domain.prices import SkuKey
from apps.usage.models import Rollup
from tests.accounts.people import bearer, browser, service_key
from tests.ingest.factories import event, send
from tests.rating.conftest import NOW
from tests.rating.test_api import BODY, PRICES

GPT = SkuKey("openai", "gpt-4o")
assert ingest_tasks.adopt_prices.name == tasks.ADOPT_PRICES  # known there, so run at once here
SINCE = datetime(2026, 1, 1, tzinfo=UTC)


def input_cost():
    return Rollup.objects.get(meter="input_tokens").cost


def test_a_price_that_is_posted_is_adopted_and_the_open_month_rated_again(
    acme, django_capture_on_commit_callbacks
):
    send([event(provider="openai", model="gpt-4o", usage={"input_tokens": 1_000_000})])
    assert input_cost() == Decimal("2.5")
    key = service_key(Scope.PRICES_WRITE)
    body = {**BODY, "valid_from": "2026-01-01T00:00:00Z"}
    with django_capture_on_commit_callbacks(execute=True):
        answer = browser("acme").post(
            PRICES, body, content_type="application/json", headers=bearer(key)
        )
    assert answer.status_code == 201
    assert not rating.is_outdated()
    assert input_cost() == 2


def test_a_broker_that_does_not_answer_loses_no_price(
    acme, django_capture_on_commit_callbacks, monkeypatch
):
    def refuse(_schema):
        raise ConnectionError("no broker")

    class Task:
        apply_async = staticmethod(lambda: refuse(None))

    monkeypatch.setattr(tasks, "_adoption_of", lambda _schema: Task)
    key = service_key(Scope.PRICES_WRITE)
    with django_capture_on_commit_callbacks(execute=True):
        answer = browser("acme").post(
            PRICES, BODY, content_type="application/json", headers=bearer(key)
        )
    assert answer.status_code == 201
    assert rating.is_outdated()


def test_the_daily_run_adopts_for_every_tenant_and_twice_is_once(acme, actor, draft):
    services.record_contract_price(draft=draft(valid_from=SINCE), actor=actor, now=NOW)
    assert tasks.adopt_everywhere() >= 2
    version = rating.current_version().version
    assert not rating.is_outdated()
    tasks.adopt_everywhere()
    assert rating.current_version().version == version
    quote = rating.price_book().quote(sku=GPT, meter="input_tokens", at=NOW)
    assert quote is not None and quote.amount == 2


def test_withdrawing_brings_the_list_price_back(acme, actor, draft):
    send([event(provider="openai", model="gpt-4o", usage={"input_tokens": 1_000_000})])
    price = services.record_contract_price(draft=draft(valid_from=SINCE), actor=actor, now=NOW)
    tasks.adopt_everywhere()
    assert input_cost() == 2
    services.withdraw_contract_price(price=price, reason="wrong", actor=actor, now=NOW)
    tasks.adopt_everywhere()
    assert input_cost() == Decimal("2.5")
