"""Two feeds of the same traffic: counted once, by what is declared for account and model."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from apps.audit.models import AuditRecord
from apps.core.domain.access import Actor, Role, Scope, system_actor
from apps.core.domain.errors import Forbidden, Missing
from apps.core.domain.months import Month
from apps.costs import selectors as costs
from apps.costs import services as cost_services
from apps.costs.domain.accounts import AccountDraft, Feed, Truth
from apps.costs.models import ModelFeed
from apps.ingest import services as ingest
from apps.ingest.services import backfills
from apps.periods import services as periods
from apps.rating import selectors as rating
from apps.usage import selectors
from apps.usage import services as usage
from apps.usage.models import Event, PriceCorrection, Rollup
from tests.accounts.people import bearer, browser, person, service_key, signed_in
from tests.ingest.factories import NOW, WRITER, contract, event, send
from tests.ingest.test_pages import text_of

JANUARY, FEBRUARY = Month(2026, 1), Month(2026, 2)
LATER = NOW + timedelta(hours=1)
SYSTEM = system_actor("tests")


def bucket(event_id: str, tokens: int, **changes: Any) -> dict[str, Any]:
    said: dict[str, Any] = {
        "source": "openai-usage-api",
        "usage": {"input_tokens": tokens},
        "tags": None,
        "time": "2026-01-15T00:00:00Z",
        **changes,
    }
    return event(event_id, **said)


def state() -> set[tuple[Any, ...]]:
    return set(Rollup.objects.values_list())


def cost(month: Month = JANUARY) -> Decimal:
    lines = costs.cost_base(month=month).lines
    return sum((line.effective for line in lines), Decimal(0))


def summed(**filters: str) -> Decimal:
    found = selectors.summary(
        start=JANUARY.first_day,
        end=FEBRUARY.first_day,
        group_by=(),
        filters={"meter": "input_tokens", **filters},
        granularity="total",
        actor=WRITER,
        declared=costs.declared_feeds(),
    )
    return found.total.quantity


def declare(feed: Feed = Feed.REQUEST) -> None:
    draft = AccountDraft("testco", "Testco", "testco", "*", Truth.METERED, feed)
    cost_services.declare_account(draft=draft, actor=SYSTEM, now=NOW)


def say(model: str, feed: Feed | None, since: Month = JANUARY) -> None:
    cost_services.say_model_feed(
        code="testco",
        model=model,
        feed=feed,
        since=since,
        reason="the gateway misses the batch jobs",
        actor=SYSTEM,
        now=NOW,
    )


@pytest.fixture
def both(acme: Any) -> None:
    """1,000,000 tokens by requests and 1,250,000 by the provider's totals, of two models."""
    contract(input_tokens="2")
    contract(model="small", input_tokens="1", now=NOW - timedelta(hours=1))
    million = {"input_tokens": 1_000_000}
    send([event("r1", usage=million), event("r2", usage=million, model="small")])
    send([bucket("b1", 1_250_000), bucket("b2", 1_250_000, model="small")], feed=Feed.BUCKET.value)


@pytest.mark.usefixtures("both")
class TestCounting:
    def test_both_are_stored_and_one_counts(self) -> None:
        feeds = Event.objects.values_list("event_id", "feed").order_by("event_id")
        assert dict(feeds) == {"b1": "bucket", "b2": "bucket", "r1": "request", "r2": "request"}
        assert usage.verify_rollups() == []
        assert (cost(), summed()) == (Decimal(3), Decimal(2_000_000))

    def test_the_declared_feed_of_an_account_counts(self) -> None:
        declare(Feed.BUCKET)
        assert (cost(), summed()) == (Decimal("3.75"), Decimal(2_500_000))

    def test_what_is_said_of_a_model_goes_over_its_account(self) -> None:
        declare()
        say("small", Feed.BUCKET)
        assert (cost(), summed()) == (Decimal("3.25"), Decimal(2_250_000))
        assert (summed(model="small"), summed(model="tiny")) == (1_250_000, 1_000_000)
        say("small", None)
        assert (cost(), summed()) == (Decimal(3), Decimal(2_000_000))

    def test_undeclared_totals_count_where_there_are_no_requests(self) -> None:
        contract(model="only", input_tokens="4", now=NOW)
        send([bucket("b3", 1_000_000, model="only")], feed="bucket")
        assert (cost(), summed()) == (Decimal(7), Decimal(3_000_000))

    def test_what_is_not_counted_waits_for_no_price(self) -> None:
        declare()
        send([bucket("b3", 10, model="unheard-of")], feed="bucket")
        declared = costs.declared_feeds()
        assert selectors.unpriced(month=JANUARY, declared=declared) == []
        say("unheard-of", Feed.BUCKET)
        left = selectors.unpriced(month=JANUARY, declared=costs.declared_feeds())
        assert [(row.sku.model, row.quantity) for row in left] == [("unheard-of", 10)]
        assert [row.sku.model for row in costs.cost_base(month=JANUARY).unpriced] == ["unheard-of"]

    def test_replays_and_corrections_keep_the_feed(self) -> None:
        before = state()
        again = send([bucket("b1", 1_250_000)], feed="bucket")
        assert again.duplicates == 1
        name = {"source": "openai-usage-api", "event_id": "b1", "actor": WRITER, "now": LATER}
        ingest.void_event(**name, reason="x")
        assert usage.verify_rollups() == []
        ingest.revert_correction(**name, reason="x")
        assert state() == before
        ingest.amend_event(**name, reason="x", event=bucket("b1", 7))
        assert usage.verify_rollups() == []
        assert Rollup.objects.get(feed="bucket", meter="input_tokens", quantity=7)
        ingest.revert_correction(**name, reason="x")
        assert state() == before

    def test_new_prices_reach_both_feeds(self) -> None:
        contract(model="small", output_tokens="5", now=NOW + timedelta(minutes=1))
        send([bucket("b9", 5, model="new")], feed="bucket")
        from apps.rating import services as rating_services

        ingest.map_model(
            draft=rating_services.MappingDraft(
                sent_provider="testco",
                sent_model="new",
                provider="testco",
                model="tiny",
                valid_from=datetime(2026, 1, 1, tzinfo=UTC),
            ),
            actor=SYSTEM,
            now=LATER,
        )
        assert usage.verify_rollups() == []
        assert not Rollup.objects.filter(price=0, meter="input_tokens").exists()

    def test_price_corrections_of_closed_months_keep_the_feed(self) -> None:
        send([bucket("b9", 1_000_000, model="late")], feed="bucket")
        freeze(JANUARY)
        contract(model="late", input_tokens="3", now=LATER)
        done = ingest.correct_prices(month=JANUARY, reason="x", actor=SYSTEM, now=LATER)
        assert done.difference == {"USD": Decimal(3)}
        assert {row.feed for row in PriceCorrection.objects.all()} == {"bucket"}
        assert usage.verify_rollups() == []

    def test_a_backfill_leaves_totals_alone(self) -> None:
        backfill = backfills.open_backfill(
            draft=backfills.BackfillDraft(
                source="openai-usage-api",
                starts_at=datetime(2026, 1, 15, tzinfo=UTC),
                ends_at=datetime(2026, 1, 16, tzinfo=UTC),
                reason="x",
                tags={},
            ),
            actor=WRITER,
            now=LATER,
        )
        from apps.ingest.services import backfill_close

        seen = backfill_close.foresee_close(backfill=backfill, actor=WRITER, now=LATER)
        assert seen.voided == 0


def freeze(month: Month) -> None:
    version = rating.current_version().version
    periods.freeze(month=month, actor=SYSTEM, now=LATER, price_book_version=version)


@pytest.mark.usefixtures("both")
class TestChoosing:
    def test_switching_changes_open_months_only(self) -> None:
        declare()
        send(
            [event("r3", usage={"input_tokens": 10}, time="2026-02-03T00:00:00Z")], received_at=FEB
        )
        send([bucket("b3", 30, time="2026-02-03T00:00:00Z")], feed="bucket", received_at=FEB)
        freeze(JANUARY)
        closed = cost()
        with pytest.raises(periods.PeriodNotOpen):
            say("tiny", Feed.BUCKET)
        foreseen = costs.foresee_feed(code="testco", model="tiny", feed=Feed.BUCKET, since=JANUARY)
        assert [(c.month, dict(c.before), dict(c.after)) for c in foreseen] == [
            (FEBRUARY, {"USD": Decimal("0.00002")}, {"USD": Decimal("0.00006")})
        ]
        before = cost(FEBRUARY)
        say("tiny", Feed.BUCKET, since=FEBRUARY)
        assert (before, cost(FEBRUARY)) == (Decimal("0.00002"), Decimal("0.00006"))
        assert cost() == closed

    def test_what_is_foreseen_is_what_happens(self) -> None:
        declare()
        (change,) = costs.foresee_feed(code="testco", model="", feed=Feed.BUCKET, since=JANUARY)
        assert (dict(change.before), dict(change.after)) == (
            {"USD": Decimal(3)},
            {"USD": Decimal("3.75")},
        )
        cost_services.change_truth(
            code="testco",
            truth=Truth.METERED,
            feed=Feed.BUCKET,
            since=JANUARY,
            actor=SYSTEM,
            now=NOW,
        )
        assert cost() == Decimal("3.75")

    def test_it_is_audited_and_kept(self) -> None:
        declare()
        say("small", Feed.BUCKET)
        entry = AuditRecord.objects.latest("sequence")
        assert (entry.action, entry.detail["feed"]) == ("provider_account.model_feed", "bucket")
        assert ModelFeed.objects.count() == 1

    def test_refusals_change_nothing(self) -> None:
        declare()
        stranger = Actor(kind="key", label="m", scopes=frozenset({Scope.BILLING_READ}))
        how: dict[str, Any] = {
            "code": "testco",
            "model": "tiny",
            "feed": Feed.BUCKET,
            "since": JANUARY,
            "reason": "x",
            "actor": SYSTEM,
            "now": NOW,
        }
        for change, error in (
            ({"actor": stranger}, Forbidden),
            ({"code": "nobody"}, Missing),
            ({"model": " "}, cost_services.AccountRefused),
            ({"reason": ""}, cost_services.AccountRefused),
        ):
            with pytest.raises(error):
                cost_services.say_model_feed(**(how | change))
        assert ModelFeed.objects.count() == 0


FEB = datetime(2026, 2, 5, tzinfo=UTC)


@pytest.mark.usefixtures("both")
class TestDoors:
    def call(self, method: str, path: str, *scopes: Scope, body: Any = None, **query: str) -> Any:
        key, client = service_key(*scopes), browser("acme")
        if method == "get":
            return client.get(path, query, headers=bearer(key))
        return client.post(path, body, content_type="application/json", headers=bearer(key))

    def test_feeds_stand_side_by_side(self) -> None:
        declare()
        say("small", Feed.BUCKET)
        answer = self.call("get", "/api/v1/costs/feeds", Scope.BILLING_READ, period="2026-01")
        assert answer.status_code == 200
        rows = {row["model"]: row for row in answer.json()["results"] if row["account"]}
        assert rows["tiny"] == {
            "provider": "testco",
            "account": "proj_1",
            "model": "tiny",
            "meter": "input_tokens",
            "requests": "1000000",
            "buckets": "1250000",
            "difference": "-0.200000",
            "counted": "request",
            "said_of": "account",
            "provider_account": "testco",
        }
        assert (rows["small"]["counted"], rows["small"]["said_of"]) == ("bucket", "model")

    def test_a_choice_is_dry_run_and_made(self) -> None:
        declare()
        path = "/api/v1/costs/accounts/testco/feeds"
        body = {"model": "tiny", "feed": "bucket", "since": "2026-01", "reason": "x"}
        seen = self.call("post", f"{path}?dry_run=true", Scope.BILLING_WRITE, body=body)
        assert seen.json()["months"] == [
            {"period": "2026-01", "cost_before": {"USD": "3"}, "cost_after": {"USD": "3.5"}}
        ]
        assert ModelFeed.objects.count() == 0
        done = self.call("post", path, Scope.BILLING_WRITE, body=body)
        assert done.json() == seen.json() | {"dry_run": False}
        assert cost() == Decimal("3.5")
        for change, status in (
            ({"feed": "all"}, 400),
            ({"model": ""}, 400),
            ({"since": "x"}, 400),
            ({"reason": ""}, 422),
        ):
            answer = self.call("post", path, Scope.BILLING_WRITE, body=body | change)
            assert answer.status_code == status
        assert self.call("post", path, Scope.BILLING_READ, body=body).status_code == 403
        assert ModelFeed.objects.count() == 1

    def test_totals_come_by_the_parameter(self, time_machine: Any) -> None:
        time_machine.move_to(NOW)
        path = "/api/v1/usage/events"
        body = [bucket("b7", 5)]
        for query, status in (("?feed=all", 400), ("?feed=bucket", 200)):
            answer = self.call("post", path + query, Scope.USAGE_WRITE, body=body)
            assert answer.status_code == status
        assert Event.objects.get(event_id="b7").feed == "bucket"


@pytest.mark.usefixtures("both")
class TestPages:
    PREVIEW = {
        "preview": "yes",
        "account": "testco",
        "model": "tiny",
        "feed": "bucket",
        "since": "2026-01",
        "reason": "the gateway misses the batch jobs",
    }

    def test_a_choice_is_shown_before_it_is_made(self, time_machine: Any) -> None:
        time_machine.move_to(NOW)
        declare()
        finance = signed_in("acme", person(Role.FINANCE))
        page = text_of(finance.get("/sources/feeds/?month=2026-01"))
        for word in ("1,250,000", "single requests", "said of the account", "Change"):
            assert word in page, word
        form = "/sources/feeds/change/"
        assert "See what it would change" in text_of(finance.get(f"{form}?account=testco"))
        page = text_of(finance.get(form, self.PREVIEW)).replace("\xa0", " ")
        assert "USD 3.00" in page
        assert "USD 3.50" in page
        assert ModelFeed.objects.count() == 0
        assert finance.post(form, self.PREVIEW).status_code == 302
        assert cost() == Decimal("3.5")
        page = text_of(finance.get("/sources/feeds/?month=2026-01"))
        assert "said of the model" in page
        whole = self.PREVIEW | {"model": ""}
        assert finance.post(form, whole).status_code == 302
        assert cost() == Decimal("3.75")
        for change in ({"since": "2020-01"}, {"reason": ""}, {"model": "", "feed": "account"}):
            assert finance.post(form, self.PREVIEW | change).status_code == 422
        assert finance.post(form, whole | {"account": "nobody"}).status_code == 422
        analyst = signed_in("acme", person(Role.ANALYST))
        page = text_of(analyst.get("/sources/feeds/?month=2026-01"))
        assert "/sources/feeds/change/" not in page
        assert analyst.post(form, self.PREVIEW).status_code == 403
