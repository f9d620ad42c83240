"""The Celery application: limits under which a killed worker costs time and never a result."""

from __future__ import annotations

import os

from celery import Celery
from kombu.entity import Exchange, Queue

from celery_worker.queues import DEFAULT_QUEUE, QUEUES, ROUTES
from celery_worker.timetable import TIMETABLE

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "finops_platform.settings.embedded")

SOFT_LIMIT = 55 * 60
HARD_LIMIT = 60 * 60
# A broker without acknowledgements of its own gives an unfinished task to another worker after this
# time. It must exceed the longest task, or two workers would run it at once.
VISIBILITY_TIMEOUT = 2 * HARD_LIMIT


def _queue(name: str) -> Queue:
    """Give each queue an exchange of its own: on a shared one each task would reach all queues."""
    exchange = Exchange(name)  # type: ignore[no-untyped-call]
    return Queue(name, exchange, routing_key=name)  # type: ignore[no-untyped-call]


app = Celery("finops")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    task_queues=[_queue(name) for name in QUEUES],
    task_default_queue=DEFAULT_QUEUE,
    task_create_missing_queues=False,
    task_routes=ROUTES,
    # The task is acknowledged when it is done: a worker that dies leaves it for another one.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    worker_cancel_long_running_tasks_on_connection_loss=True,
    task_soft_time_limit=SOFT_LIMIT,
    task_time_limit=HARD_LIMIT,
    broker_transport_options={"visibility_timeout": VISIBILITY_TIMEOUT},
    broker_connection_retry_on_startup=True,
    # State and progress are rows of the apps, in the tenant's schema; the broker keeps no results.
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    timezone="UTC",
    enable_utc=True,
    worker_hijack_root_logger=False,
    worker_max_tasks_per_child=500,
    worker_send_task_events=False,
    beat_schedule=TIMETABLE,
    beat_scheduler="django_celery_beat.schedulers:DatabaseScheduler",
)
app.autodiscover_tasks()

from celery_worker import context, recovery  # noqa: E402, F401 (connects its signals)
