"""OpenMeter's own client and CloudEvents' own SDK, unmodified, against the running platform."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from cloudevents.conversion import to_binary, to_structured
from cloudevents.http import CloudEvent
from corehttp.exceptions import ClientAuthenticationError, HttpResponseError
from openmeter import Client
from openmeter.models import Event

from apps.core.domain.access import Scope
from apps.usage.models import Rollup
from tests.accounts.people import bearer, service_key

AT = datetime(2026, 1, 15, 10, tzinfo=UTC)

pytestmark = [pytest.mark.live, pytest.mark.slow]


def quantities() -> dict[str, int]:
    found: dict[str, int] = {}
    for row in Rollup.objects.all():
        found[row.meter] = found.get(row.meter, 0) + int(row.quantity)
    return found


def event(name: str, **data: Any) -> Event:
    return Event(
        id=name,
        source="my-service",
        specversion="1.0",
        type="prompt",
        subject="customer-1",
        time=AT,
        data={"model": "gpt-4o", **data},
    )


def test_the_openmeter_client(fresh_tenant: Any, web_port: int) -> None:
    key = service_key(Scope.USAGE_WRITE)
    endpoint = f"http://127.0.0.1:{web_port}"
    with Client(endpoint=endpoint, token=key.text) as client:
        one = event("a", type="input", tokens="1500")
        assert client.events.ingest_event(one) is None
        assert client.events.ingest_event(one) is None
        client.events.ingest_events(
            [event("b", type="output", tokens=20), event("c", type="cached", tokens=7)]
        )
        with pytest.raises(HttpResponseError) as conflict:
            client.events.ingest_event(event("a", type="input", tokens="1501"))
        assert conflict.value.response.status_code == 409
        too_early = event("d", type="input", tokens=1)
        too_early.time = datetime(2001, 1, 1, tzinfo=UTC)
        with pytest.raises(HttpResponseError) as early:
            client.events.ingest_event(too_early)
        assert early.value.response.status_code == 400
    with Client(endpoint=endpoint, token=key.text[:-1] + "_") as stranger:
        with pytest.raises((ClientAuthenticationError, HttpResponseError)) as wrong:
            stranger.events.ingest_event(event("e", type="input", tokens=1))
        assert wrong.value.response.status_code == 401
    assert quantities() == {
        "input_tokens": 1500,
        "output_tokens": 20,
        "cached_input_tokens": 7,
        "requests": 3,
    }


def test_the_cloudevents_sdk(fresh_tenant: Any, web_port: int) -> None:
    key = service_key(Scope.USAGE_WRITE)
    attributes = {
        "source": "/gateways/eu",
        "type": "prompt",
        "subject": "globex",
        "time": AT.isoformat(),
    }
    data = {"model": "gpt-4o", "prompt_tokens": 11, "completion_tokens": 3, "team": "search"}
    made = [CloudEvent({**attributes, "id": name}, data) for name in ("s", "b")]
    url = f"http://127.0.0.1:{web_port}/api/v1/events"
    headers, body = to_structured(made[0])
    structured = httpx.post(url, headers={**headers, **bearer(key)}, content=body)
    headers, body = to_binary(made[1])
    binary = httpx.post(url, headers={**headers, **bearer(key)}, content=body)
    assert (structured.status_code, binary.status_code) == (204, 204), structured.text + binary.text
    assert quantities() == {"input_tokens": 22, "output_tokens": 6, "requests": 2}
