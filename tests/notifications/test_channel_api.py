"""The API of channels and deliveries: add, change, try, retire, once under a key."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from django.test import Client

from apps.core.domain.access import Role, Scope
from apps.notifications import services
from apps.notifications.models import Channel, Delivery
from tests.accounts.people import bearer, person, service_key, signed_in
from tests.notifications.receivers import Receiver

NOW = datetime(2026, 1, 20, 9, tzinfo=UTC)
CHANNELS = "/api/v1/channels"


def caller(*scopes: Scope) -> Client:
    return Client(headers={"host": "acme.localhost", **bearer(service_key(*scopes))})


def send(client: Client, method: str, path: str, body: Any = None, **headers: str) -> Any:
    return getattr(client, method)(
        path, json.dumps(body or {}), content_type="application/json", headers=headers
    )


def draft(**given: Any) -> dict[str, Any]:
    return {
        "kind": "webhook",
        "name": "ERP",
        "address": "https://hooks.example.com/a",
        "topics": ["journal.exported"],
    } | given


def test_a_channel_lives_through_the_api(acme: Any, receiver: Receiver) -> None:
    admin = caller(Scope.ADMIN)
    added = send(admin, "post", CHANNELS, draft(address=receiver.url))
    assert added.status_code == 201
    here = f"{CHANNELS}/{added.json()['id']}"
    assert "secret" not in added.json()
    secret = send(admin, "post", f"{here}/secret")
    assert secret.json()["secret"].startswith("whsec_")
    assert secret["Cache-Control"] == "no-store"
    changed = send(admin, "patch", here, {"topics": ["budget.alert", "statement.issued"]})
    assert changed.json()["topics"] == ["budget.alert", "statement.issued"]
    assert changed.json()["name"] == "ERP"
    refused = send(admin, "patch", here, {"address": "https://other.example/"})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "address")
    tried = send(admin, "post", f"{here}/test")
    assert (tried.status_code, tried.json()["state"]) == (202, "queued")
    services.deliver_due(now=datetime.now(UTC))
    state = admin.get(f"/api/v1/deliveries/{tried.json()['id']}").json()
    assert (state["state"], state["subject"]) == ("sent", "Test message to ERP")
    told = json.loads(receiver.got[0][1])
    assert (told["type"], told["data"]["test"]) == ("channel.test", True)
    assert send(admin, "post", f"/api/v1/deliveries/{state['id']}/retry").status_code == 409
    assert [one["id"] for one in admin.get("/api/v1/deliveries?state=sent").json()["results"]] == [
        state["id"]
    ]
    assert send(admin, "delete", here).status_code == 204
    assert send(admin, "delete", here).status_code == 404
    assert admin.get(here).status_code == 404
    assert send(admin, "post", f"{here}/test").status_code == 404


def test_a_key_makes_a_request_count_once(acme: Any) -> None:
    admin = caller(Scope.ADMIN)
    first = send(admin, "post", CHANNELS, draft(), **{"Idempotency-Key": "k1"})
    again = send(admin, "post", CHANNELS, draft(), **{"Idempotency-Key": "k1"})
    assert (again.status_code, again.content) == (201, first.content)
    assert again["Idempotent-Replayed"] == "true"
    other = send(admin, "post", CHANNELS, draft(name="B"), **{"Idempotency-Key": "k1"})
    assert other.status_code == 409
    assert Channel.objects.count() == 1
    here = f"{CHANNELS}/{first.json()['id']}/test"
    tests = [send(admin, "post", here, **{"Idempotency-Key": "k2"}).json()["id"] for _ in range(2)]
    assert len(set(tests)) == 1
    assert Delivery.objects.count() == 1


def test_wrong_channels_name_their_field(acme: Any) -> None:
    admin = caller(Scope.ADMIN)
    for wrong, field in (
        ({"kind": "pigeon"}, "kind"),
        ({"topics": []}, "topics"),
        ({"topics": ["gossip"]}, "topics.0"),
        ({"address": "http://a.example/"}, "address"),
        ({"name": " "}, "name"),
    ):
        answer = send(admin, "post", CHANNELS, draft(**wrong))
        assert answer.status_code in (400, 422)
        assert answer.json()["errors"][0]["field"].startswith(field.split(".")[0])
    assert Channel.objects.count() == 0


def test_scopes_hold(acme: Any) -> None:
    reader = caller(Scope.BILLING_WRITE)
    assert reader.get(CHANNELS).json() == []
    assert send(reader, "post", CHANNELS, draft()).status_code == 403
    assert caller(Scope.BILLING_READ).get(CHANNELS).status_code == 403
    assert signed_in("acme", person(Role.FINANCE)).get("/api/v1/deliveries").status_code == 200
