"""The two questions that health and metrics ask the broker, whichever kind it is."""

from __future__ import annotations

from django.conf import settings
from kombu.connection import Connection

PATIENCE = 2  # seconds: a probe that hangs is as bad as one that fails


class BrokerUnavailable(Exception):
    """The broker does not answer; each transport raises errors of its own, this one names them."""


def ping() -> None:
    """Connect and leave.

    :raises BrokerUnavailable: when the broker does not answer within two seconds.
    """
    try:
        with _connect() as broker:
            broker.ensure_connection(max_retries=1, timeout=PATIENCE)
    except Exception as error:
        raise BrokerUnavailable(str(error)) from error


def depths(queues: list[str]) -> dict[str, int]:
    """Return how many tasks wait in each queue.

    :raises BrokerUnavailable: when the broker does not answer.
    """
    try:
        with _connect() as broker:
            channel = broker.default_channel
            return {name: int(channel.queue_declare(queue=name).message_count) for name in queues}
    except Exception as error:
        raise BrokerUnavailable(str(error)) from error


def _connect() -> Connection:
    return Connection(settings.BROKER_URL, connect_timeout=PATIENCE)  # type: ignore[no-untyped-call]
