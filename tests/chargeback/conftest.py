"""A small organization with a real allocation run over a cost base that the test states."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from apps.accounts import selectors as accounts
from apps.accounts import services as account_services
from apps.allocation import services as allocation
from apps.allocation.domain.facts import RunFacts
from apps.allocation.domain.rules import Axis, Method, Receivers, Rule, Scope
from apps.allocation.domain.transfers import AdjustmentDraft
from apps.allocation.selectors import AdjustmentFacts
from apps.core.domain.access import Actor, Role, system_actor
from apps.core.domain.months import Month
from apps.costs.domain.lines import CostBase, CostLine, sealed
from apps.directory import services as directory
from apps.directory.domain.entries import CostCenterFacts, CustomerFacts, TeamFacts
from apps.periods import services as periods

NOW = datetime(2026, 11, 4, 15, 22, 10, tzinfo=UTC)
SEPTEMBER, OCTOBER = Month(2026, 9), Month(2026, 10)
SYSTEM = system_actor("tests")


def cost_line(key: str, effective: str, **given: Any) -> CostLine:
    """A line of rated usage, or of a bill; one price of 2.50 per million unless said otherwise."""
    month: Month = given.pop("month", OCTOBER)
    amount = Decimal(effective)
    facts: dict[str, Any] = {
        "key": key,
        "origin": "usage",
        "tags": {},
        "tag_set_id": 1,
        "account": "proj_1",
        "provider": "openai",
        "service": "",
        "model": "gpt-4o",
        "sku": "openai/gpt-4o",
        "meter": "input_tokens",
        "charge_category": "Usage",
        "quantity": amount / Decimal("2.5") * 1_000_000,
        "unit": "token",
        "unit_price": Decimal("2.5"),
        "unit_size": 1_000_000,
        "price_source": "list",
        "price_id": None,
        "currency": "USD",
        "billed": amount,
        "effective": amount,
        "original_currency": "USD",
        "original_amount": amount,
        "fx_rate": Decimal(1),
        "first_day": month.first_day,
        "last_day": month.last_day,
    }
    return CostLine(**(facts | given))


def pool_line(key: str, effective: str, **given: Any) -> CostLine:
    """A charge of a bill that nobody owns directly: the AI gateway."""
    return cost_line(
        key,
        effective,
        **{
            "origin": "bill",
            "provider": "aws",
            "service": "Amazon EKS",
            "model": "",
            "meter": "",
            "quantity": Decimal(0),
            "unit": "",
            "unit_price": None,
            "unit_size": 1,
            **given,
        },
    )


def requests_line(key: str, team: str, count: int, **given: Any) -> CostLine:
    """Requests that nobody charges for: a driver."""
    return cost_line(
        key,
        "0",
        **{
            "tags": {"team": team},
            "meter": "requests",
            "quantity": Decimal(count),
            "unit": "request",
            "unit_price": None,
            **given,
        },
    )


def usual_lines(month: Month = OCTOBER) -> list[CostLine]:
    """Two teams, a customer, an experiment, a pool, something nobody owns, late usage."""
    late = (month - 1).first_day
    return [
        cost_line("u1", "100.004", tags={"team": "search", "customer": "globex"}, month=month),
        cost_line("u2", "40.0041", tags={"team": "search", "experiment": "exp-1"}, month=month),
        cost_line("u3", "60.0004", tags={"team": "assistant"}, month=month),
        cost_line("u4", "9.999", tags={"account": "proj_legacy"}, month=month),
        cost_line("u5", "1.5", tags={"team": "search"}, first_day=late, last_day=late),
        requests_line("r1", "search", 3000, month=month),
        requests_line("r2", "assistant", 1000, month=month),
        pool_line("b1", "33.333333333333", month=month),
    ]


@pytest.fixture
def people(acme: Any) -> dict[str, Actor]:
    """Return a preparer, an approver, and a member of the team search."""
    for name, role, teams in (
        ("maya", Role.FINANCE, ()),
        ("jonas", Role.APPROVER, ()),
        ("lee", Role.MEMBER, ("search",)),
        ("ana", Role.ANALYST, ()),
    ):
        account_services.invite(
            actor=SYSTEM,
            email=f"{name}@acme.example",
            name=name.title(),
            role=role,
            teams=teams,
            now=NOW,
        )
    return {
        name: accounts.actor_of_person(f"{name}@acme.example")
        for name in ("maya", "jonas", "lee", "ana")
    }


@pytest.fixture
def organization(acme: Any) -> None:
    """Enter cost centers, teams, a customer, and the rule that splits the pool by requests."""
    periods.extend_calendar(now=NOW)
    directory.ensure_entries(
        actor=SYSTEM,
        now=NOW,
        cost_centers=[
            CostCenterFacts(
                "CC-4100", "Search & Discovery", "Dana Whitfield", "dana@acme.example", "640210"
            ),
            CostCenterFacts(
                "CC-4200", "Customer Assistant", "Ravi Menon", "ravi@acme.example", "640220"
            ),
        ],
        teams=[
            TeamFacts("search", "Search", "CC-4100"),
            TeamFacts("assistant", "Assistant", "CC-4200"),
        ],
        customers=[CustomerFacts("globex", "Globex")],
    )
    allocation.save_rule(
        rule=Rule(
            code="gateway",
            name="AI gateway",
            axis=Axis.TEAM,
            method=Method.PROPORTIONAL,
            scope=Scope(facts={"service": ("Amazon EKS",)}),
            receivers=Receivers(everyone=True),
            driver="requests",
            valid_from=date(2026, 1, 1),
        ),
        actor=SYSTEM,
        now=NOW,
    )


@pytest.fixture
def allocate(organization: None, monkeypatch: pytest.MonkeyPatch) -> Callable[..., RunFacts]:
    """Return a function that runs the real allocation over the lines it is given."""
    from apps.allocation.selectors import inputs

    def run(lines: Iterable[CostLine], month: Month = OCTOBER, currency: str = "USD") -> RunFacts:
        base = sealed(
            CostBase(
                month=month,
                currency=currency,
                lines=tuple(lines),
                unpriced=(),
                missing_rates=(),
                provisional_fx=False,
            )
        )
        monkeypatch.setattr(inputs.costs, "cost_base", lambda *, month: base)
        return allocation.run(month=month, actor=SYSTEM, now=NOW)

    return run


@pytest.fixture
def store(settings: Any, tmp_path: Path) -> Path:
    """Keep documents in a folder of the test."""
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path)},
        },
    }
    return tmp_path


def adjusted(people: dict[str, Actor], *, now: datetime) -> AdjustmentFacts:
    """Ask for what moves the disputed amount to where it belongs, and have it approved."""
    draft = AdjustmentDraft(Axis.TEAM, "search", "assistant", Decimal("90"), "Not theirs.", "STM")
    asked = allocation.request_adjustment(
        month=OCTOBER + 1, draft=draft, actor=people["maya"], now=now
    )
    return allocation.approve_adjustment(
        id=asked.id, comment="Yes.", actor=people["jonas"], now=now
    )
