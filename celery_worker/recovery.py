"""Gives tasks of a killed worker back at once instead of after the visibility timeout.

Valkey and Redis forget a message that is on its way to a worker in the very moment it is killed:
it has left the queue and nobody has noted it yet. So whatever must happen has a row of its own that
says how far it came, and somebody who looks for unfinished rows; the message only wakes a worker.
"""

from __future__ import annotations

import os
from typing import Any

import structlog
from celery import Celery, signals

log = structlog.get_logger(__name__)

# Set by the embedded supervisor for its one worker, and only by it: where several workers share a
# broker, the tasks of a living one would be handed out a second time.
SOLE_WORKER = "FINOPS_SOLE_WORKER"


@signals.celeryd_init.connect
def recover(conf: Any = None, instance: Any = None, **_: Any) -> None:
    """Run once, before the worker takes its first task."""
    if os.environ.get(SOLE_WORKER) == "1" and instance is not None:
        restored = restore_unacknowledged(instance.app)
        if restored:
            log.warning("tasks of a stopped worker were given back", count=restored)


def restore_unacknowledged(app: Celery) -> int:
    """Put every delivered but unfinished task back in front of its queue; return how many.

    Only Valkey and Redis keep such a list; other brokers do this by themselves.
    """
    with app.connection_for_read() as connection:
        if connection.transport.driver_type != "redis":
            return 0
        channel = connection.default_channel
        with channel.conn_or_acquire() as client:
            tags = [tag.decode() for tag in client.hkeys(channel.unacked_key)]
        for tag in tags:
            channel.qos.restore_by_tag(tag, leftmost=True)
    return len(tags)
