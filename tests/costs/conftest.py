"""People, moments and files of the costs' tests."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import pytest

from apps.core.domain.access import ROLE_SCOPES, Actor, Role
from apps.costs import services
from apps.costs.domain.accounts import AccountDraft

NOW = datetime(2026, 1, 20, 9, tzinfo=UTC)
SAMPLE = Path(__file__).parent / "data" / "focus_1_0_sample_1000.csv"
SHIFT = 15
"""Months from the sample's September 2024 to December 2025, inside the tests' calendar."""

HEADER = (
    "BilledCost,EffectiveCost,ListCost,ContractedCost,BillingCurrency,BillingAccountId,"
    "BillingPeriodStart,BillingPeriodEnd,ChargePeriodStart,ChargePeriodEnd,ChargeCategory,"
    "ProviderName,ServiceName,SkuId,PricingQuantity,PricingUnit,SubAccountId,Tags"
)


def person(number: int, role: Role = Role.OWNER, teams: frozenset[str] | None = None) -> Actor:
    return Actor(
        kind="user",
        label=f"person{number}@example.com",
        scopes=ROLE_SCOPES[role],
        user_id=number,
        role=role,
        teams=teams,
    )


@pytest.fixture
def ada() -> Actor:
    return person(1)


@pytest.fixture
def grace() -> Actor:
    return person(2)


def row(
    amount: str = "10.5",
    *,
    effective: str | None = None,
    month: str = "2026-01",
    currency: str = "USD",
    service: str = "SageMaker",
    category: str = "Usage",
    tags: str = "",
    sub_account: str = "",
    day: str = "05",
) -> str:
    year, number = month.split("-")
    following = f"{int(year) + int(number) // 12}-{int(number) % 12 + 1:02d}"
    quoted = '"' + tags.replace('"', '""') + '"'
    return (
        f"{amount},{effective or amount},{amount},{amount},{currency},123,"
        f"{month}-01T00:00:00Z,{following}-01T00:00:00Z,"
        f"{month}-{day}T00:00:00Z,{month}-{day}T01:00:00Z,{category},AWS,{service},SKU1,2,Hours,"
        f"{sub_account},{quoted}"
    )


def focus(*rows: str) -> io.BytesIO:
    return io.BytesIO("\n".join([HEADER, *rows, ""]).encode())


@pytest.fixture
def cloud(acme, ada):
    return services.declare_account(
        draft=AccountDraft(code="cloud", name="Cloud bills"), actor=ada, now=NOW
    )
