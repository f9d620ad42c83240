"""The Celery application: where tasks go, what they carry, what a dead worker leaves behind."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import structlog
from django.contrib.sessions.models import Session
from django.utils import timezone
from django_tenants.utils import schema_context

from celery_worker import app
from celery_worker.app import HARD_LIMIT, SOFT_LIMIT, VISIBILITY_TIMEOUT
from celery_worker.context import HEADER, send_request_id
from celery_worker.queues import QUEUES, ROUTES
from celery_worker.recovery import restore_unacknowledged
from finops_platform.tasks import clear_sessions_everywhere


@app.task(name="tests.context")
def seen_context(*, schema: str) -> dict[str, Any]:
    return structlog.contextvars.get_contextvars()


@pytest.mark.parametrize(
    ("task", "queue"),
    [
        ("apps.ingest.tasks.settle", "ingest"),
        ("apps.catalog.tasks.sync_prices_everywhere", "connectors"),
        ("apps.closing.tasks.run_step", "close"),
        ("apps.documents.tasks.render", "render"),
        ("apps.notifications.tasks.deliver", "notify"),
        ("finops_platform.tasks.provision_tenant", "provision"),
        ("finops_platform.tasks.clear_sessions_everywhere", "insights"),
    ],
)
def test_a_task_reaches_one_queue_only(task: str, queue: str) -> None:
    target = app.amqp.router.route({}, task)["queue"]
    assert target.name == queue
    listening = [
        other.name
        for other in app.amqp.queues.values()
        if (other.exchange.name, other.routing_key) == (target.exchange.name, target.routing_key)
    ]
    assert listening == [queue]


def test_every_route_leads_to_a_queue() -> None:
    assert {route["queue"] for route in ROUTES.values()} <= set(QUEUES)
    assert set(app.amqp.queues) == set(QUEUES)


def test_a_killed_worker_loses_no_task() -> None:
    assert app.conf.task_acks_late is True
    assert app.conf.task_reject_on_worker_lost is True
    assert app.conf.worker_prefetch_multiplier == 1
    assert SOFT_LIMIT < HARD_LIMIT < VISIBILITY_TIMEOUT
    assert app.conf.broker_transport_options["visibility_timeout"] == VISIBILITY_TIMEOUT


def test_the_timetable_names_tasks_that_exist() -> None:
    app.loader.import_default_modules()
    assert {entry["task"] for entry in app.conf.beat_schedule.values()} <= set(app.tasks)


def test_a_task_logs_its_id_and_tenant_and_the_request_keeps_its_own() -> None:
    structlog.contextvars.bind_contextvars(request_id="r-12345678")
    result = seen_context.delay(schema="t_acme")
    bound = result.get()
    assert bound == {
        "request_id": "r-12345678",
        "task_id": result.id,
        "task": "tests.context",
        "tenant": "t_acme",
    }
    assert structlog.contextvars.get_contextvars() == {"request_id": "r-12345678"}
    structlog.contextvars.clear_contextvars()


def test_the_request_id_travels_in_the_headers() -> None:
    headers: dict[str, Any] = {}
    send_request_id(headers=headers)
    assert headers == {}
    with structlog.contextvars.bound_contextvars(request_id="r-12345678"):
        send_request_id(headers=headers)
    assert headers == {HEADER: "r-12345678"}


def test_expired_sessions_go_in_every_schema(acme: Any) -> None:
    now = timezone.now()
    for schema in ("public", "t_acme", "t_globex"):
        with schema_context(schema):
            Session.objects.create(
                session_key="old", session_data="", expire_date=now - timedelta(hours=1)
            )
            Session.objects.create(
                session_key="new", session_data="", expire_date=now + timedelta(hours=1)
            )
    assert clear_sessions_everywhere() == 3
    assert clear_sessions_everywhere() == 0
    for schema in ("public", "t_acme", "t_globex"):
        with schema_context(schema):
            assert list(Session.objects.values_list("session_key", flat=True)) == ["new"]


def test_tasks_of_a_killed_worker_are_given_back(committed_db: None) -> None:
    """Take a message without acknowledging it, as a worker that is killed does."""
    with app.connection_for_write() as connection:
        channel = connection.channel()
        queue = app.amqp.queues["render"](channel)
        queue.declare()
        queue.purge()
        app.amqp.producer_pool.acquire(block=True).publish(
            {"n": 1}, exchange=queue.exchange, routing_key="render", serializer="json"
        )
        assert queue.get() is not None
        assert queue.get() is None
        channel.qos._delivered.clear()  # the worker dies: nobody restores or acknowledges
        channel.qos._dirty.clear()
        assert restore_unacknowledged(app) == 1
        again = queue.get()
        assert again is not None
        again.ack()
    assert restore_unacknowledged(app) == 0
