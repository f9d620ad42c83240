"""Brings what comes after a close: a provider's late bill, and requests reported afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from apps.core.domain.access import Actor
from apps.core.domain.months import Month
from apps.costs import services as costs
from apps.costs.domain.accounts import AccountDraft, Truth
from finops_platform.demo.bills import distance
from finops_platform.demo.script import Script
from finops_platform.demo.traces import DATA
from finops_platform.demo.traffic import post

_BEFORE_THE_END: Final = timedelta(days=2)


def declare_accounts(*, script: Script, actor: Actor, now: datetime) -> None:
    """Declare the provider accounts whose bill is the truth, once."""
    for row in script.accounts:
        draft = AccountDraft(
            code=row["code"],
            name=row["name"],
            provider=row["provider"],
            account="*",
            truth=Truth(row["truth"]),
        )
        costs.ensure_account(draft=draft, actor=actor, now=now)


def bring_late(
    *, script: Script, months: Sequence[Month], index: int, actor: Actor, now: datetime
) -> None:
    """Bring what is late for a month that is closed; it is booked in the next open one.

    Done again, every event is a duplicate and every bill the same one.
    """
    month = months[index]
    items = [item for row in script.late if row["month"] == index for item in _events(row, month)]
    for _ in post(items=items, actor=actor, received_at=now):
        pass
    for row in script.arrivals:
        if row["month"] == index:
            _arrive(row, month, actor, now)


def _events(row: Mapping[str, Any], month: Month) -> Iterator[dict[str, Any]]:
    """Yield requests a minute apart, in the afternoon of a day before the month's last."""
    start = datetime.combine(month.last_day, datetime.min.time(), tzinfo=UTC) - _BEFORE_THE_END
    for number in range(row["count"]):
        moment = start + timedelta(hours=15, minutes=number)
        yield {
            "id": f"{row['source']}-{month}-late-{number:03d}",
            "source": row["source"],
            "time": moment.isoformat().replace("+00:00", "Z"),
            "provider": row["provider"],
            "model": row["model"],
            "operation": "chat",
            "usage": {key: row[key] for key in ("input_tokens", "output_tokens")},
            "tags": row["tags"],
            "account": "proj-production",
            "credential": "key-gateway",
            "status": "ok",
        }


def _arrive(row: Mapping[str, Any], month: Month, actor: Actor, now: datetime) -> None:
    with (DATA / row["file"]).open("rb") as file:
        costs.import_focus(
            file=file,
            provider_account=row["account"],
            actor=actor,
            now=now,
            file_name=row["file"],
            shift_months=distance(Month.parse(row["recorded"]), month),
        )
