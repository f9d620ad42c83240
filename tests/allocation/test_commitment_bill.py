"""A bill with a commitment, as a provider delivers it, allocated by usage and by purchase."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import pytest

from apps.allocation import selectors, services
from apps.allocation.domain.payload import read_rule
from apps.allocation.models import Source
from apps.allocation.selectors import Axis
from apps.costs import services as costs
from apps.costs.domain.accounts import AccountDraft
from tests.allocation.base import ACTOR, MONTH, NOW, enter_directory

D = Decimal
HEADER = (
    "BilledCost,EffectiveCost,ListCost,ContractedCost,BillingCurrency,BillingAccountId,"
    "BillingPeriodStart,BillingPeriodEnd,ChargePeriodStart,ChargePeriodEnd,ChargeCategory,"
    "ProviderName,ServiceName,CommitmentDiscountId,CommitmentDiscountStatus,PricingCategory,Tags"
)
PERIOD = "2026-01-01T00:00:00Z,2026-02-01T00:00:00Z"
ROWS = [
    # billed, effective, contracted, category, commitment, status, team
    ("120", "120", "120", "Usage", "", "", "ads"),
    ("0", "45", "60", "Usage", "ptu-1", "Used", "search"),
    ("0", "5", "20", "Usage", "ptu-1", "Used", "platform"),
    ("0", "50", "0", "Usage", "ptu-1", "Unused", ""),
    ("100", "0", "100", "Purchase", "ptu-1", "", "search"),
]
"""Reserved capacity for 100: half of it unused, the rest saves 30 of 80 at contracted prices."""


def _row(billed: str, effective: str, contracted: str, *rest: str) -> str:
    category, commitment, status, team = rest
    tags = '"{""team"": ""' + team + '""}"' if team else "{}"
    return (
        f"{billed},{effective},{contracted},{contracted},USD,sub-1,{PERIOD},{PERIOD},{category},"
        f"Microsoft,Azure OpenAI,{commitment},{status},Committed,{tags}"
    )


@pytest.fixture
def bill(acme: Any) -> None:
    enter_directory()
    draft = AccountDraft(code="azure", name="Azure")
    costs.declare_account(draft=draft, actor=ACTOR, now=NOW)
    text = "\n".join([HEADER, *(_row(*row) for row in ROWS), ""])
    report = costs.import_focus(
        file=io.BytesIO(text.encode()), provider_account="azure", actor=ACTOR, now=NOW
    )
    assert (report.rows, report.rejected) == (5, 0)


def borne(driver: str = "", receivers: Any = "*") -> dict[str, tuple[Decimal, Decimal]]:
    """Return (billed, effective) by team under a rule, or under none."""
    if driver:
        body = {
            "code": "ptu",
            "name": "Reserved capacity",
            "method": "commitment",
            "driver": driver,
            "receivers": receivers,
            "scope": {"service": ["Azure OpenAI"]},
        }
        services.save_rule(rule=read_rule(body, first_month=MONTH), actor=ACTOR, now=NOW)
    run = services.run(month=MONTH, actor=ACTOR, now=NOW)
    assert run.totals[Axis.TEAM] == run.totals[Axis.CUSTOMER] == run.sources
    found = selectors.totals_by_receiver(run=run.id, axis=Axis.TEAM)
    return {code: (amounts.billed, amounts.effective) for code, amounts in found.items()}


def test_a_bill_tells_what_was_saved_and_what_nobody_used(bill: None) -> None:
    assert borne() == {
        "UNALLOCATED": (D(0), D(50)),
        "ads": (D(120), D(120)),
        "platform": (D(0), D(5)),
        "search": (D(100), D(45)),
    }
    told = Source.objects.values_list("tags__commitment_status", "saving")
    assert sorted(told, key=str) == [
        ("Unused", D(-50)),
        ("Used", D(15)),
        ("Used", D(15)),
        (None, D(0)),
        (None, D(0)),
    ]


def test_by_usage_everybody_pays_one_rate(bill: None) -> None:
    """220 were paid for 200 at contracted prices; billed cost stays where it was billed."""
    assert borne("usage") == {
        "UNALLOCATED": (D(0), D(0)),
        "ads": (D(120), D(132)),
        "platform": (D(0), D(22)),
        "search": (D(100), D(66)),
    }


def test_by_purchase_the_buyer_stands_for_it(bill: None) -> None:
    assert {code: cost for code, (_, cost) in borne("purchase").items()} == {
        "UNALLOCATED": D(0),
        "ads": D(120),
        "platform": D(20),
        "search": D(80),
    }


def test_a_line_says_what_was_given_up_and_received(bill: None) -> None:
    borne("usage")
    run = selectors.published(MONTH)
    (line,) = [
        one
        for one in selectors.lines_of(run=run.id, axis=Axis.TEAM, receiver="platform")
        if one.kind == "commitment"
    ]
    assert (line.effective, line.billed, line.rule) == (D(17), D(0), "ptu")
    assert line.hops[0].measure == "gives up a saving of 15, receives -2"
    assert (line.driver_value, line.driver_total, line.share_exact) == (D(20), D(200), "1/10")
