"""Limits: token buckets, the throttle of a process, and what keys and tenants are held to."""

from __future__ import annotations

import json
import secrets
import time
from contextlib import nullcontext
from dataclasses import replace
from io import StringIO
from threading import Thread
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django_tenants.utils import schema_context
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from apps.accounts import selectors, services
from apps.accounts.domain.keys import KeyKind
from apps.accounts.models import ApiKey
from apps.accounts.services import throttle
from apps.accounts.services.throttle import BLIND, Caller, RateLimited, Throttle, _Ask
from apps.audit import selectors as audit
from apps.core.domain.access import Role, Scope, shell_actor, system_actor
from apps.core.domain.errors import Forbidden
from apps.core.domain.limits import MICRO, Limits, Pace, Standing, admits
from apps.tenants import selectors as tenants
from apps.tenants import services as tenant_services
from apps.usage.models import Event
from tests.accounts.people import NOW, PASSWORD, bearer, browser, person, service_key, signed_in
from tests.ingest.factories import event

TESTS = system_actor("tests")
NONE = Limits()
PACE = Pace(per_second=10, capacity=20)


class Clock:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000_000_000

    def __call__(self) -> int:
        return self.now

    @classmethod
    def later(cls, microseconds: int) -> Clock:
        clock = cls()
        clock.now += microseconds
        return clock


def ask(name: str, wanted: int = 1, pace: Pace = PACE) -> list[_Ask]:
    return [_Ask(name, "requests", "this key", pace, wanted)]


@pytest.fixture
def bucket(django_db_setup: None) -> str:
    return f"limit:{{test}}:{secrets.token_hex(8)}"


# The arithmetic ----------------------------------------------------------------------------------


@given(
    level=st.integers(-(10**15), 20 * MICRO),
    first=st.integers(0, 10**12),
    second=st.integers(0, 10**12),
)
def test_time_in_pieces_refills_like_time_in_one(level: int, first: int, second: int) -> None:
    pieces = PACE.level_after(PACE.level_after(level, first), second)
    assert pieces == PACE.level_after(level, first + second)
    assert pieces <= PACE.capacity * MICRO


@given(level=st.integers(-(10**13), 20 * MICRO), tokens=st.integers(1, 20))
def test_who_waits_as_told_is_admitted_and_not_a_second_earlier(level: int, tokens: int) -> None:
    wait = PACE.seconds_until(level, tokens=tokens)
    assert PACE.level_after(level, wait * MICRO) >= tokens * MICRO
    if wait:
        assert PACE.level_after(level, (wait - 1) * MICRO) < tokens * MICRO


def test_time_that_runs_backwards_adds_nothing() -> None:
    assert PACE.level_after(5 * MICRO, -7 * MICRO) == 5 * MICRO


def test_a_standing_in_debt_has_nothing_left() -> None:
    assert Standing.of("events", PACE, -30 * MICRO) == Standing("events", 20, 0, 5)
    assert Standing.of("events", PACE, 20 * MICRO) == Standing("events", 20, 20, 0)
    assert not admits(MICRO - 1)


@pytest.mark.parametrize("value", [0, -1, 1_000_001])
def test_limits_are_whole_numbers_from_one_on(value: int) -> None:
    (wrong,) = Limits(events_per_second=value).problems()
    assert (wrong.field, wrong.code) == ("events_per_second", "limit")
    assert "1 to 1,000,000" in wrong.message


# One process and several -------------------------------------------------------------------------


def admitted(throttle: Throttle, name: str, tries: int, pace: Pace = PACE) -> int:
    count = 0
    for _ in range(tries):
        try:
            throttle.take(ask(name, pace=pace))
        except RateLimited:
            continue
        count += 1
    return count


def test_a_full_bucket_gives_its_burst_and_then_says_how_long_to_wait(bucket: str) -> None:
    throttle = Throttle()
    slow = Pace(per_second=1, capacity=5)
    begun = time.monotonic()
    assert 5 <= admitted(throttle, bucket, 50, slow) <= 6 + time.monotonic() - begun
    with pytest.raises(RateLimited) as refused:
        for _ in range(50):
            throttle.take(ask(bucket, pace=slow))
    assert refused.value.retry_after == 1
    assert refused.value.standing == Standing("requests", 5, 0, 1)
    assert "1 requests a second that this key may send. Wait 1 second" in refused.value.message


def test_processes_share_a_bucket_and_the_edge_is_exact(bucket: str) -> None:
    """Four processes' worth of throttles and threads: never more than the bucket and its refill."""
    slow = Pace(per_second=1, capacity=40)
    counts: list[int] = []

    def process() -> None:
        counts.append(admitted(Throttle(), bucket, 50, slow))

    begun = time.monotonic()
    threads = [Thread(target=process) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # A twentieth of the bucket may be decided on what was last heard, and a token flows a second.
    assert 40 <= sum(counts) <= 40 + 3 * 2 + int(time.monotonic() - begun) + 1


def test_what_processes_admit_too_much_is_debt_and_waited_off(bucket: str) -> None:
    wide = Pace(per_second=1, capacity=100)
    processes = [Throttle(clock=Clock()) for _ in range(4)]  # their clocks stand still
    for process in processes:
        for _ in range(6):  # the first asks; five are decided on what was heard
            process.take(ask(bucket, 1, wide))
    third = Throttle()
    third.take(ask(bucket, 90, wide))  # 96 are left in Valkey's eyes
    for process in processes:
        process._clock = Clock.later(MICRO)
        with pytest.raises(RateLimited) if process is not processes[0] else nullcontext():
            process.take(ask(bucket, 1, wide))  # reports its five
    with pytest.raises(RateLimited) as refused:
        third.take(ask(bucket, 1, wide))
    assert 5 <= refused.value.retry_after <= 16  # 100 - 4 - 90 - 4 * 5 - 1 = -15, and one more


def test_a_batch_larger_than_the_bucket_gets_in_and_is_waited_off(bucket: str) -> None:
    throttle = Throttle()
    (level,) = throttle.take(ask(bucket, 10_000))
    assert level == -9_980 * MICRO
    with pytest.raises(RateLimited) as refused:
        throttle.take(ask(bucket, 1))
    assert 990 <= refused.value.retry_after <= 999  # 9,981 tokens at 10 a second


def test_all_buckets_give_or_none(bucket: str) -> None:
    throttle, other = Throttle(), f"{bucket}:other"
    throttle.take(ask(other, 20))
    both = [*ask(bucket, 1), *ask(other, 1)]
    with pytest.raises(RateLimited):
        throttle.take(both)
    (level,) = throttle.take(ask(bucket, 0))
    assert level == 20 * MICRO


def test_limits_that_change_hold_at_once(bucket: str) -> None:
    throttle = Throttle()
    throttle.take(ask(bucket, 1, Pace(1000, 10_000)))
    (level,) = throttle.take(ask(bucket, 1, Pace(1, 10)))
    assert level <= 9 * MICRO


def test_without_valkey_each_process_holds_to_the_limits_and_work_goes_on(
    bucket: str, settings: Any
) -> None:
    settings.RATE_LIMIT_URL = "unix:///nowhere/valkey.sock"
    clock = Clock()
    throttle = Throttle(clock=clock)
    before = BLIND._value.get()
    with capture_logs() as logs:
        assert admitted(throttle, bucket, 30) == 20
    assert [line["event"].split(":")[0] for line in logs] == [
        "rate limits hold in each process alone"
    ]
    assert BLIND._value.get() == before + 1
    clock.now += 2 * MICRO
    assert admitted(throttle, bucket, 30) == 20  # refilled, and asked Valkey once more in vain
    assert BLIND._value.get() == before + 2


def test_valkey_back_again_refuses_nobody_for_what_happened_without_it(
    bucket: str, settings: Any
) -> None:
    working = settings.RATE_LIMIT_URL
    clock = Clock()
    throttle = Throttle(clock=clock)
    settings.RATE_LIMIT_URL = "unix:///nowhere/valkey.sock"
    assert admitted(throttle, bucket, 20) == 20
    settings.RATE_LIMIT_URL = working
    clock.now += 2 * MICRO
    assert admitted(throttle, bucket, 20) == 20


# What keys and tenants are held to ---------------------------------------------------------------


def caller(schema: str, key_id: int, key: Limits = NONE, tenant: Limits = NONE) -> Caller:
    return Caller(schema, key_id, key, tenant)


def requests(one: Caller, tries: int) -> int:
    count = 0
    for _ in range(tries):
        try:
            one.request(brings_events=False)
        except RateLimited:
            continue
        count += 1
    return count


def test_two_keys_have_buckets_of_their_own_below_their_organizations(
    bucket: str, settings: Any
) -> None:
    settings.RATE_LIMIT_BURST_SECONDS = 60
    begun = time.monotonic()
    limits = {"key": Limits(1), "tenant": Limits(2)}
    assert 60 <= requests(caller(bucket, 910_001, **limits), 90) <= 61 + time.monotonic() - begun
    assert requests(caller(bucket, 910_002, **limits), 50) == 50
    said = []
    for _ in range(60):
        try:
            caller(bucket, 910_003, tenant=Limits(2)).request(brings_events=False)
        except RateLimited as refused:
            said.append(refused.message)
    assert "2 requests a second that this organization may send" in said[-1]


def test_two_tenants_do_not_share(bucket: str, settings: Any) -> None:
    settings.RATE_LIMIT_BURST_SECONDS = 60
    tight = Limits(1, 1)
    assert requests(caller(bucket, 920_001, tenant=tight), 70) >= 60
    assert requests(caller(f"{bucket}-other", 920_001, tenant=tight), 60) == 60


def post(slug: str, key: Any, *ids: str) -> Any:
    body = json.dumps([event(name) for name in ids])
    return browser(slug).post(
        "/api/v1/usage/events", body, content_type="application/json", headers=bearer(key)
    )


def test_a_request_too_many_is_told_so_in_every_header_and_stores_nothing(acme: Any) -> None:
    key = service_key(Scope.USAGE_WRITE, limits=Limits(events_per_second=1))
    first = post("acme", key, *(f"e{n}" for n in range(90)))
    assert first.status_code == 200
    assert first.headers["X-RateLimit-Limit"] == "10"
    assert first.headers["X-RateLimit-Remaining"] == "0"
    assert first.headers["X-RateLimit-Resource"] == "events"
    second = post("acme", key, "late")
    assert (second.status_code, second.json()["code"]) == (429, "rate_limited")
    assert second.headers["Content-Type"] == "application/problem+json"
    wait = int(second.headers["Retry-After"])
    assert 1 <= wait <= 81
    assert second.headers["X-RateLimit-Reset"] == str(wait)
    assert second.headers["X-RateLimit-Remaining"] == "0"
    assert Event.objects.count() == 90
    assert not Event.objects.filter(event_id="late").exists()


def test_reads_go_on_while_events_are_in_debt(acme: Any) -> None:
    key = service_key(Scope.USAGE_WRITE, Scope.USAGE_READ, limits=Limits(events_per_second=1))
    assert post("acme", key, *(f"e{n}" for n in range(12))).status_code == 200
    read = browser("acme").get("/api/v1/usage/events", headers=bearer(key))
    assert read.status_code == 200


def test_the_bare_host_counts_too_and_a_wrong_key_is_401_as_ever(acme: Any) -> None:
    key = service_key(Scope.USAGE_READ, limits=Limits(requests_per_second=1))
    answers = [
        browser("").get("/api/v1/usage/events", headers=bearer(key)).status_code for _ in range(40)
    ]
    assert answers[:10] == [200] * 10
    assert set(answers) == {200, 429}
    wrong = browser("acme").get("/api/v1/usage/events", headers=bearer("fp_acme_x_y"))
    assert wrong.status_code == 401
    assert "X-RateLimit-Limit" not in wrong.headers


def test_people_in_a_browser_are_not_counted(acme: Any) -> None:
    answer = signed_in("acme", person(Role.OWNER)).get("/api/v1/api-keys")
    assert answer.status_code == 200
    assert "X-RateLimit-Limit" not in answer.headers


# Setting them ------------------------------------------------------------------------------------


def test_a_keys_limits_are_changed_by_an_owner_and_in_the_trail(acme: Any) -> None:
    issued = service_key(Scope.USAGE_WRITE)
    at = f"/api/v1/api-keys/{issued.facts.id}"
    admin = service_key(Scope.ADMIN)
    changed = browser("acme").patch(
        at,
        json.dumps({"requests_per_second": 7}),
        content_type="application/json",
        headers=bearer(admin),
    )
    assert changed.status_code == 200, changed.content
    assert (changed.json()["requests_per_second"], changed.json()["events_per_second"]) == (7, None)
    again = browser("acme").patch(
        at, '{"events_per_second": 9}', content_type="application/json", headers=bearer(admin)
    )
    assert (again.json()["requests_per_second"], again.json()["events_per_second"]) == (7, 9)
    newest = audit.page(before=None, limit=1)[0]
    assert newest.action == "api_key.limited"
    assert newest.detail["events_per_second"] == 9


def test_a_key_is_never_above_its_organization(acme: Any) -> None:
    tenant_services.limit(actor=TESTS, slug="acme", limits=Limits(50, 500), now=NOW)
    with pytest.raises(services.KeyNotValid) as refused:
        service_key(Scope.USAGE_WRITE, limits=Limits(51, 500))
    assert [wrong.field for wrong in refused.value.errors] == ["requests_per_second"]
    assert "1 to 50" in refused.value.message
    issued = service_key(Scope.USAGE_WRITE, limits=Limits(50, 500))
    before = ApiKey.objects.get(public_id=issued.facts.id).limits
    with pytest.raises(services.KeyNotValid):
        services.limit_key(actor=TESTS, key=issued.facts.id, limits=Limits(1, 501), now=NOW)
    assert ApiKey.objects.get(public_id=issued.facts.id).limits == before


def test_members_issue_keys_without_limits_of_their_own(acme: Any) -> None:
    member = selectors.actor_of_user(person(Role.MEMBER, teams=("search",)))
    request = services.KeyRequest(
        kind=KeyKind.PERSONAL,
        name="mine",
        scopes=frozenset({Scope.USAGE_READ}),
        limits=Limits(5),
    )
    with pytest.raises(Forbidden):
        services.issue_key(actor=member, request=request, now=NOW)
    issued = services.issue_key(actor=member, request=replace(request, limits=Limits()), now=NOW)
    with pytest.raises(Forbidden):
        services.limit_key(actor=member, key=issued.facts.id, limits=Limits(5), now=NOW)


def test_the_pages_set_limits(acme: Any) -> None:
    issued = service_key(Scope.USAGE_WRITE)
    owner = signed_in("acme", person(Role.OWNER))
    at = f"/settings/api-keys/{issued.facts.id}/limits/"
    shown = owner.get(at)
    assert shown.status_code == 200
    assert "Empty: 10,000. At most 20,000." in shown.content.decode()
    wrong = owner.post(at, {"requests_per_second": "20001", "events_per_second": ""})
    assert (wrong.status_code, "1 to 20,000" in wrong.content.decode()) == (200, True)
    assert owner.post(at, {"requests_per_second": "12", "events_per_second": ""}).status_code == 302
    assert selectors.api_key(key=issued.facts.id).limits == Limits(12, None)
    member = signed_in("acme", person(Role.MEMBER))
    assert member.get(at).status_code == 403


def test_the_command_limits_a_tenant(acme: Any) -> None:
    out = StringIO()
    call_command("limit_tenant", "acme", "--requests", "500", stdout=out)
    assert out.getvalue() == "acme, a second: requests 500, events by default.\n"
    assert tenants.fresh(slug="acme").limits == Limits(500, None)
    assert tenants.current().limits == Limits(500, None)
    with pytest.raises(CommandError, match="requests_per_second: Write a whole number from 1"):
        call_command("limit_tenant", "acme", "--requests", "0")
    assert tenants.fresh(slug="acme").limits == Limits(500, None)


def test_ingest_goes_on_without_valkey(acme: Any, settings: Any) -> None:
    key = service_key(Scope.USAGE_WRITE)
    settings.RATE_LIMIT_URL = "unix:///nowhere/valkey.sock"
    process = throttle.throttle
    assert process.is_blind() is False
    answer = post("acme", key, "e1")
    assert (answer.status_code, answer.json()["accepted"]) == (200, 1)
    assert process.is_blind() is True
    process.see_again()


def test_the_operator_limits_a_tenant_on_a_page(acme: Any) -> None:
    with schema_context("public"):
        services.found_owner(
            actor=shell_actor("tests"),
            email="ops@finops.example",
            name="Ops",
            password=PASSWORD,
            is_operator=True,
            now=NOW,
        )
    operator = browser("")
    operator.post("/login/", {"email": "ops@finops.example", "password": PASSWORD})
    shown = operator.get("/tenants/acme/limits/")
    assert "Empty: 20,000. At most 1,000,000." in shown.content.decode()
    wrong = operator.post("/tenants/acme/limits/", {"requests_per_second": "0"})
    assert (wrong.status_code, tenants.fresh(slug="acme").limits) == (200, Limits())
    answer = operator.post(
        "/tenants/acme/limits/", {"requests_per_second": "300", "events_per_second": "4000"}
    )
    assert answer.status_code == 302
    assert tenants.fresh(slug="acme").limits == Limits(300, 4000)
    page = operator.get("/tenants/acme/").content.decode()
    assert "300 requests and 4,000 events a second" in page
    assert "Tenant limited" in page
