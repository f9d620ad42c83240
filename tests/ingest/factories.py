"""Events, actors and prices for the tests of usage and ingest."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from apps.core.domain.access import Actor, Scope
from apps.ingest import services as ingest
from apps.ingest.domain.receipt import Receipt
from apps.usage.domain.decode import Form, decode_events

NOW = datetime(2026, 1, 20, 12, tzinfo=UTC)
WRITER = Actor(
    kind="key",
    label="key:tests",
    scopes=frozenset({Scope.USAGE_WRITE, Scope.USAGE_READ, Scope.USAGE_CORRECT}),
)


def event(event_id: str = "evt-1", **changes: Any) -> dict[str, Any]:
    """Return one event in wire form; a change to None leaves the field out."""
    body: dict[str, Any] = {
        "id": event_id,
        "source": "gateway",
        "time": "2026-01-15T10:20:30Z",
        "provider": "testco",
        "model": "tiny",
        "usage": {"input_tokens": 1200, "cached_input_tokens": 800, "output_tokens": 300},
        "tags": {"team": "search", "feature": "summarize"},
        "account": "proj_1",
        **changes,
    }
    return {name: value for name, value in body.items() if value is not None}


def send(
    events: Iterable[Mapping[str, Any]],
    *,
    actor: Actor = WRITER,
    received_at: datetime = NOW,
    **how: Any,
) -> Receipt:
    """Send events through the decoder and the service, as the door does."""
    drafts = decode_events(body=json.dumps(list(events)).encode(), form=Form.JSON)
    return ingest.accept_events(drafts=drafts, actor=actor, received_at=received_at, **how)


def contract(
    *,
    model: str = "tiny",
    provider: str = "testco",
    since: datetime = datetime(2024, 1, 1, tzinfo=UTC),
    until: datetime | None = None,
    now: datetime = NOW - timedelta(days=1),
    **prices: str,
) -> None:
    """Negotiate USD prices per million units of meters and put them in force."""
    from apps.core.domain.access import system_actor
    from apps.rating import services as rating

    actor = system_actor("tests")
    for meter, amount in prices.items():
        rating.record_contract_price(
            draft=rating.ContractDraft(
                provider=provider,
                model=model,
                meter=meter,
                amount=Decimal(amount),
                unit_size=1_000_000,
                currency="USD",
                valid_from=since,
                valid_to=until,
            ),
            actor=actor,
            now=now,
        )
    rating.adopt_version(actor=actor, now=now)


def teams(*codes: str) -> None:
    """Enter teams with a cost center of their own."""
    from apps.core.domain.access import system_actor
    from apps.directory import services as directory
    from apps.directory.domain.entries import CostCenterFacts, TeamFacts

    since = date(2024, 1, 1)
    directory.ensure_entries(
        actor=system_actor("tests"),
        now=NOW,
        cost_centers=[CostCenterFacts(f"cc-{c}", c, valid_from=since) for c in codes],
        teams=[TeamFacts(code, code, f"cc-{code}", valid_from=since) for code in codes],
    )
