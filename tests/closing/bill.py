"""A real bill, imported as finance would, so that a close has cost without any event."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping

from apps.core.domain.access import Actor
from apps.core.domain.months import Month
from apps.costs import services as costs
from apps.costs.domain.accounts import AccountDraft
from tests.allocation.base import NOW

MONTH = Month(2026, 1)

_HEADER = (
    "BilledCost,EffectiveCost,ListCost,ContractedCost,BillingCurrency,BillingAccountId,"
    "BillingPeriodStart,BillingPeriodEnd,ChargePeriodStart,ChargePeriodEnd,ChargeCategory,"
    "ProviderName,ServiceName,SkuId,PricingQuantity,PricingUnit,SubAccountId,Tags"
)


def bill_of(amounts: Mapping[str, str], *, actor: Actor, service: str = "SageMaker") -> None:
    """Import a bill of January 2026 with one charge a team; an empty team owns nothing."""
    costs.ensure_account(draft=AccountDraft(code="cloud", name="Cloud bills"), actor=actor, now=NOW)
    rows = [_row(team, amount, service) for team, amount in amounts.items()]
    file = io.BytesIO("\n".join([_HEADER, *rows, ""]).encode())
    costs.import_focus(file=file, provider_account="cloud", actor=actor, now=NOW)


def _row(team: str, amount: str, service: str) -> str:
    tags = json.dumps({"team": team} if team else {}).replace('"', '""')
    return (
        f"{amount},{amount},{amount},{amount},USD,123,"
        "2026-01-01T00:00:00Z,2026-02-01T00:00:00Z,2026-01-05T00:00:00Z,2026-01-05T01:00:00Z,"
        f'Usage,AWS,{service},SKU1,2,Hours,,"{tags}"'
    )
