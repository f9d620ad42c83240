"""Queues by kind of work, so that a burst of one kind never delays another, and who goes where."""

from __future__ import annotations

from typing import Any

QUEUES: dict[str, str] = {
    "ingest": "imports and settlement of usage",
    "connectors": "pulling from clouds and providers, price lists",
    "close": "steps of the month close",
    "render": "PDF and other renditions of documents",
    "notify": "mail, chat and webhooks",
    "insights": "forecasts, anomalies, housekeeping: whatever may wait",
    "provision": "creating and changing schemas; its worker knows the owner's password",
}
DEFAULT_QUEUE = "insights"

# First match wins. Apps of the same kind of work share a queue.
ROUTES: dict[str, dict[str, Any]] = {
    "apps.ingest.tasks.*": {"queue": "ingest"},
    "apps.usage.tasks.*": {"queue": "ingest"},
    "apps.connectors.tasks.*": {"queue": "connectors"},
    "apps.catalog.tasks.*": {"queue": "connectors"},
    "apps.costs.tasks.*": {"queue": "connectors"},
    "apps.closing.tasks.*": {"queue": "close"},
    "apps.allocation.tasks.*": {"queue": "close"},
    "apps.chargeback.tasks.*": {"queue": "close"},
    "apps.documents.tasks.*": {"queue": "render"},
    "apps.notifications.tasks.*": {"queue": "notify"},
    "apps.budgets.tasks.*": {"queue": "notify"},
    "finops_platform.tasks.provision_*": {"queue": "provision"},
}
