"""The probes: who gets which answer, and what stays hidden."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from celery_worker import broker

pytestmark = pytest.mark.usefixtures("committed_db")


@pytest.fixture
def no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise broker.BrokerUnavailable("gone")

    monkeypatch.setattr(broker, "ping", refuse)
    monkeypatch.setattr(broker, "depths", refuse)


@pytest.mark.parametrize("host", ["testserver", "10.0.0.7", "nobody.localhost", "evil.example"])
def test_alive_at_any_address(client: Client, host: str) -> None:
    answer = client.get("/healthz", headers={"host": host})
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert answer["Cache-Control"] == "no-store"


def test_ready_when_database_and_broker_answer(client: Client) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["checks"] == {"database": "ok", "broker": "ok"}


def test_not_ready_without_a_broker(client: Client, no_broker: None) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"] == {"database": "ok", "broker": "unavailable"}


def test_probes_are_read_only(client: Client) -> None:
    answer = client.post("/readyz")
    assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD")


def test_metrics_for_the_operator_on_this_machine(client: Client) -> None:
    client.get("/nowhere/", headers={"host": "acme.localhost"})
    answer = client.get("/metrics", headers={"host": "127.0.0.1:8000"})
    assert answer.status_code == 200
    text = answer.content.decode()
    assert 'finops_queue_tasks{queue="close"} 0.0' in text
    assert 'finops_http_requests_total{method="GET",status="4xx",tenant="t_acme"}' in text


def test_metrics_survive_a_broker_that_is_gone(client: Client, no_broker: None) -> None:
    answer = client.get("/metrics", headers={"host": "localhost"})
    assert answer.status_code == 200
    assert "finops_queue_tasks{" not in answer.content.decode()


@pytest.mark.parametrize(
    ("headers", "peer"),
    [
        ({"host": "acme.localhost"}, "127.0.0.1"),  # a tenant's own host
        ({"host": "evil.example"}, "127.0.0.1"),  # a foreign name that points at us
        ({"x-forwarded-for": "203.0.113.9"}, "127.0.0.1"),  # through a proxy on this machine
        ({"forwarded": "for=203.0.113.9"}, "127.0.0.1"),
        ({}, "203.0.113.9"),
        ({}, ""),
        ({"authorization": "Bearer wrong"}, "203.0.113.9"),
    ],
)
def test_metrics_do_not_exist_for_others(
    client: Client, settings: Any, headers: dict[str, str], peer: str
) -> None:
    settings.METRICS_TOKEN = "right"
    assert client.get("/metrics", headers=headers, REMOTE_ADDR=peer).status_code == 404


def test_metrics_by_token_from_anywhere(client: Client, settings: Any) -> None:
    settings.METRICS_TOKEN = "right"
    settings.METRICS_FROM_LOOPBACK = False
    assert client.get("/metrics").status_code == 404
    headers = {"authorization": "Bearer right", "host": "10.0.0.7"}
    assert client.get("/metrics", headers=headers, REMOTE_ADDR="203.0.113.9").status_code == 200


def test_no_token_set_means_no_token_works(client: Client, settings: Any) -> None:
    settings.METRICS_TOKEN = None
    settings.METRICS_FROM_LOOPBACK = False
    for sent in ("Bearer ", "Bearer None", "Basic Og=="):
        assert client.get("/metrics", headers={"authorization": sent}).status_code == 404
