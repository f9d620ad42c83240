"""Guardrails over HTTP against a raw WSGI echo, and in process against one guarded statement.

    python -m benchmarks.guardrails        on servers that run (make bench starts its own)

Eight connections each ask about one call a request; each draws the team's hard budget and that of
production, and 200 other budgets stand beside them. `check` holds nothing; `authorize` bears an
Idempotency-Key of its own, keeps its decision, and holds money in both, in one synchronous
commit. Printed are the 99th percentiles against those of the echo of the same round.
In process, four threads that authorize are measured against four that run what no durable and
repeatable reservation can do without: one prepared statement that enters a key in a ledger, if it
is new, and adds to a row that is guarded by a CHECK, committed synchronously.
"""

from __future__ import annotations

import os
import secrets
import statistics
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from threading import Barrier
from typing import Any, Final

from benchmarks.http_ingest import boundless, granian
from benchmarks.ingest import tenant
from benchmarks.load import Load, Loads, Target
from benchmarks.rounds import interleaved

CONNECTIONS: Final = 8
THREADS: Final = 4
ROUNDS: Final = 7
SECONDS: Final = 2.0
ONES: Final = 100
OTHERS: Final = 200
TEAMS: Final = 12
BODY: Final = (
    '{"provider":"benchco","model":"model-3","tags":{"team":"%s","product":"product-2",'
    '"feature":"feature-3","environment":"production"},'
    '"estimate":{"input_tokens":1200,"output_tokens":300}}'
)
ROOM: Final = Decimal(10) ** 9


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "finops_platform.settings.embedded")
    boundless()
    import django

    django.setup()
    slug = f"bench-{secrets.token_hex(3)}"
    with tenant(slug):
        extended()
        budgets()
        in_process()
        with (
            granian("benchmarks.http_ingest:echo") as plain,
            granian("finops_platform.wsgi:application") as full,
        ):
            over_http(plain, full, slug)


def extended() -> None:
    """Open the months around today: an authorization is of now."""
    from apps.tenants import selectors as tenants
    from finops_platform.provisioning import extend_months

    extend_months(tenant=tenants.current(), now=datetime.now(UTC))


def budgets() -> None:
    """Set a hard budget for the organization, twelve for teams, and many that do not match."""
    drafts = [("Everybody", {"environment": "production"})]
    drafts += [(f"Team {number}", {"team": f"team-{number}"}) for number in range(TEAMS)]
    drafts += [(f"Other {number}", {"team": f"other-{number}"}) for number in range(OTHERS)]
    for name, scope in drafts:
        _budget(name, scope)


def _budget(name: str, scope: dict[str, str]) -> None:
    from apps.budgets import services
    from apps.budgets.domain.budgets import BudgetDraft
    from apps.budgets.domain.limits import Limit
    from apps.core.domain.access import system_actor

    draft = BudgetDraft(name=name, amount=ROOM, currency="USD", scope=scope, limit=Limit.HARD)
    services.create(draft=draft, actor=system_actor("bench"), now=datetime.now(UTC))


# In process --------------------------------------------------------------------------------------


def in_process() -> None:
    """Print how many authorizations a second four threads do, against guarded statements."""
    authorize = authorizing()
    reserve = guarded()
    with Crew() as crew:
        cases = {"authorize, in process": lambda: crew.rate(authorize)}
        crew.rate(authorize)
        crew.rate(reserve)
        for ratio in interleaved(lambda: crew.rate(reserve), cases, rounds=ROUNDS):
            print(f"guardrails, {ratio} (guarded statements, {THREADS} threads)")


class Crew:
    """Threads that are at hand with their connections, on the schema of whoever calls them."""

    def __enter__(self) -> Crew:
        self._pool = ThreadPoolExecutor(THREADS)
        return self

    def __exit__(self, *exc: object) -> None:
        list(self._pool.map(lambda _: self._done(), range(THREADS)))
        self._pool.shutdown()

    def rate(self, act: Callable[[], None]) -> float:
        """Return how many acts a second the threads do together."""
        from apps.tenants import selectors as tenants

        facts = tenants.current()
        start = Barrier(THREADS + 1)
        jobs = [self._pool.submit(self._work, facts, start, act) for _ in range(THREADS)]
        start.wait()
        begin = time.perf_counter()
        for job in jobs:
            job.result()
        return THREADS * ONES / (time.perf_counter() - begin)

    @staticmethod
    def _work(facts: Any, start: Barrier, act: Callable[[], None]) -> None:
        from apps.core.db import enter_tenant

        enter_tenant(facts)
        start.wait()
        for _ in range(ONES):
            act()

    @staticmethod
    def _done() -> None:
        from django.db import connection

        time.sleep(0.05)  # so that every thread takes one
        connection.close()


def authorizing() -> Callable[[], None]:
    from apps.budgets import services
    from apps.budgets.domain.decisions import Ask
    from apps.core.domain.access import system_actor

    tags = {"team": "team-3", "product": "product-2", "environment": "production"}
    ask = Ask(provider="benchco", model="model-3", tags=tags, input_tokens=1_200, output_tokens=300)
    actor = system_actor("bench")
    services.check(ask=ask, actor=actor, now=datetime.now(UTC))  # prices are read and kept

    def authorize() -> None:
        found = services.authorize(ask=ask, actor=actor, now=datetime.now(UTC))
        assert found.hold is not None, found

    return authorize


def guarded() -> Callable[[], None]:
    """Give one statement that reserves once a key, under a CHECK, durable when it returns."""
    from django.db import connection

    from apps.core.db import as_owner, current_schema
    from apps.usage.adapters.packed import server_cursor

    budget, ledger = f"{current_schema()}.bench_budget", f"{current_schema()}.bench_ledger"
    with as_owner(), connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE {budget} (id bigint PRIMARY KEY, spent numeric NOT NULL, held numeric "
            "NOT NULL, room numeric NOT NULL, CHECK (spent + held <= room))"
        )
        cursor.execute(f"CREATE TABLE {ledger} (key uuid PRIMARY KEY, amount numeric NOT NULL)")
        cursor.execute(f"INSERT INTO {budget} VALUES (1, 0, 0, 1e12)")
        cursor.execute(f"GRANT SELECT, INSERT, UPDATE ON {budget}, {ledger} TO PUBLIC")
    statement = (
        f"WITH entry AS (INSERT INTO {ledger} VALUES (%s, %s) ON CONFLICT DO NOTHING "
        f"RETURNING amount) UPDATE {budget} SET held = held + entry.amount FROM entry WHERE id = 1"
    )

    def reserve() -> None:
        with connection.cursor() as cursor:
            server_cursor(cursor).execute(statement, [uuid.uuid4(), Decimal("0.006")])

    return reserve


# Over HTTP ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Case:
    """A door that is loaded: its name, the aim of its p99 as times of the echo's, its load."""

    name: str
    most: float
    loads: Loads


def over_http(plain: int, full: int, slug: str) -> None:
    kind = {"Content-Type": "application/json"}
    echo = Loads(Target(plain, "/", {"Host": "127.0.0.1", **kind}, "x" * 350))
    headers = {"Host": f"{slug}.localhost:{full}", "Authorization": f"Bearer {_key()}", **kind}
    keyed = {**headers, "Idempotency-Key": f"{secrets.token_hex(4)}-{{n}}"}
    place = "/api/v1/guardrails/"
    team = BODY % "team-3"
    cases = [
        Case("check", 3, Loads(Target(full, f"{place}check", headers, team))),
        Case("authorize", 6, Loads(Target(full, f"{place}authorize", keyed, team))),
    ]
    answered = {
        case.name: case.loads.load(connections=CONNECTIONS, seconds=2).answered for case in cases
    }
    rounds: dict[str, list[tuple[Load, Load]]] = {case.name: [] for case in cases}
    for _ in range(ROUNDS):
        for case in cases:
            before = echo.load(connections=CONNECTIONS, seconds=SECONDS / 2)
            load = case.loads.load(connections=CONNECTIONS, seconds=SECONDS)
            after = echo.load(connections=CONNECTIONS, seconds=SECONDS / 2)
            answered[case.name] += load.answered
            rounds[case.name].append((load, before if before.p99 > after.p99 else after))
    for case in cases:
        print(f"guardrails, {case.name}, {CONNECTIONS} connections: {_shown(rounds[case.name])}")
    _prove(answered["authorize"])


def _prove(authorized: int) -> None:
    """Every answer held money, and the counters are what the holds say."""
    from apps.budgets.models import Hold
    from apps.budgets.services.verify import verify_counters

    kept = Hold.objects.count()
    assert kept >= authorized, f"{authorized} authorizations were answered, {kept} holds are kept"
    differences = verify_counters(now=datetime.now(UTC))
    assert differences == [], differences[:3]


def _shown(rounds: list[tuple[Load, Load]]) -> str:
    slow = [load.p99 / echo.p99 for load, echo in rounds]
    rates = [load.rate / echo.rate for load, echo in rounds]
    middle = statistics.median
    return (
        f"p99 {middle(slow):.1f} times ({min(slow):.1f}..{max(slow):.1f}), rate ratio "
        f"{middle(rates):.3f}; {middle(load.rate for load, _ in rounds):,.0f}/s against "
        f"{middle(echo.rate for _, echo in rounds):,.0f}/s; p50/p99 "
        f"{middle(load.p50 for load, _ in rounds):.1f}/{middle(load.p99 for load, _ in rounds):.1f}"
        f" ms against {middle(echo.p50 for _, echo in rounds):.1f}/"
        f"{middle(echo.p99 for _, echo in rounds):.1f} ms"
    )


def _key() -> str:
    from apps.accounts import services as accounts
    from apps.accounts.domain.keys import KeyKind
    from apps.core.domain.access import Scope, system_actor

    request = accounts.KeyRequest(
        kind=KeyKind.SERVICE, name="bench", scopes=frozenset({Scope.BUDGETS_AUTHORIZE})
    )
    actor = system_actor("bench")
    return accounts.issue_key(actor=actor, request=request, now=datetime.now(UTC)).text


if __name__ == "__main__":
    main()
