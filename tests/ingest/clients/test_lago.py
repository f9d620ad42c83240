"""Lago's own client, unmodified, against the running platform."""

from __future__ import annotations

from typing import Any

import pytest
from lago_python_client import Client
from lago_python_client.exceptions import LagoApiError
from lago_python_client.models import BatchEvent, Event

from apps.core.domain.access import Scope
from apps.usage.models import Rollup
from tests.accounts.people import service_key

AT = 1768471200  # 2026-01-15T10:00:00Z

pytestmark = [pytest.mark.live, pytest.mark.slow]


def event(name: str, **properties: Any) -> Event:
    return Event(
        transaction_id=name,
        external_subscription_id="sub_1",
        code="llm_tokens",
        timestamp=AT,
        precise_total_amount_cents="12.5",
        properties={"model": "gpt-4o", **properties},
    )


def test_single_batch_duplicate_conflict_and_a_wrong_key(fresh_tenant: Any, web_port: int) -> None:
    key = service_key(Scope.USAGE_WRITE)
    url = f"http://127.0.0.1:{web_port}"
    client = Client(api_key=key.text, api_url=url)
    one = event("a", input_tokens=100, output_tokens="20")
    stored = client.events.create(one)
    assert stored is not None
    assert (stored.transaction_id, stored.external_subscription_id) == ("a", "sub_1")
    again = client.events.create(one)
    assert again is not None
    assert again.lago_id == stored.lago_id
    client.events.batch_create(BatchEvent(events=[event("b", input_tokens=5), one]))
    with pytest.raises(LagoApiError) as conflict:
        client.events.create(event("a", input_tokens=101))
    assert conflict.value.status_code == 422
    with pytest.raises(LagoApiError) as bad:
        client.events.batch_create(
            BatchEvent(events=[event("c", input_tokens=1), event("d", input_tokens=-1)])
        )
    assert bad.value.status_code == 422
    with pytest.raises(LagoApiError) as wrong:
        Client(api_key="fp_nobody_x_y", api_url=url).events.create(one)
    assert wrong.value.status_code == 401
    found: dict[str, int] = {}
    for row in Rollup.objects.all():
        found[row.meter] = found.get(row.meter, 0) + int(row.quantity)
    assert found == {"input_tokens": 105, "output_tokens": 20, "requests": 2}
