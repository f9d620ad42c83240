"""Carries the request id into tasks, and puts task id and tenant on every line they log."""

from __future__ import annotations

from typing import Any

import structlog
from celery import Task, signals

log = structlog.get_logger(__name__)

HEADER = "finops_request_id"


@signals.before_task_publish.connect
def send_request_id(headers: dict[str, Any] | None = None, **_: Any) -> None:
    """Send the id of the request (or task) that enqueues along with the task."""
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    if headers is not None and request_id:
        headers[HEADER] = request_id


@signals.task_prerun.connect
def bind(task_id: str, task: Task, kwargs: dict[str, Any], **_: Any) -> None:
    """Bind what every log line of this task shall carry."""
    names = {"task_id": task_id, "task": task.name}
    if schema := kwargs.get("schema"):
        names["tenant"] = schema
    if not task.request.is_eager:
        structlog.contextvars.clear_contextvars()
        if request_id := (task.request.get(HEADER) or (task.request.headers or {}).get(HEADER)):
            names["request_id"] = request_id
    structlog.contextvars.bind_contextvars(**names)


@signals.task_postrun.connect
def unbind(task: Task, **_: Any) -> None:
    """Forget them; an eager task leaves the ids of the request around it alone."""
    if task.request.is_eager:
        structlog.contextvars.unbind_contextvars("task_id", "task", "tenant")
    else:
        structlog.contextvars.clear_contextvars()


@signals.setup_logging.connect
def use_django_logging(**_: Any) -> None:
    """Keep Celery from installing its own handlers over ours."""
    import logging.config

    from django.conf import settings

    logging.config.dictConfig(settings.LOGGING)
