"""What runs by the clock; beat copies it to the database, where an operator may change times."""

from __future__ import annotations

from typing import Any

from celery.schedules import crontab

# Every entry names a task that is safe to run twice: beat may start late, twice or not at all.
TIMETABLE: dict[str, dict[str, Any]] = {
    "clear expired sessions": {
        "task": "finops_platform.tasks.clear_sessions_everywhere",
        "schedule": crontab(hour="3", minute="17"),
        "options": {"queue": "insights", "expires": 12 * 60 * 60},
    },
    "forget answers to idempotency keys": {
        "task": "finops_platform.tasks.forget_answers_everywhere",
        "schedule": crontab(hour="3", minute="37"),
        "options": {"queue": "insights", "expires": 12 * 60 * 60},
    },
    "keep months ahead": {
        "task": "finops_platform.tasks.provision_months_everywhere",
        "schedule": crontab(hour="2", minute="27"),
        "options": {"queue": "provision", "expires": 12 * 60 * 60},
    },
    "sync list prices": {
        "task": "apps.catalog.tasks.sync_prices",
        "schedule": crontab(hour="4", minute="7"),
        "options": {"queue": "connectors", "expires": 12 * 60 * 60},
    },
    "adopt prices": {
        "task": "apps.rating.tasks.adopt_everywhere",
        "schedule": crontab(hour="4", minute="37"),
        "options": {"queue": "insights", "expires": 12 * 60 * 60},
    },
    "witness events in the audit chain": {
        "task": "apps.ingest.tasks.witness_everywhere",
        "schedule": crontab(minute="47"),
        "options": {"queue": "insights", "expires": 50 * 60},
    },
    "take up imports whose worker died": {
        "task": "apps.ingest.tasks.take_up_imports_everywhere",
        "schedule": crontab(minute="*/5"),
        "options": {"queue": "ingest", "expires": 4 * 60},
    },
    "tend budgets": {
        "task": "apps.budgets.tasks.tend_everywhere",
        "schedule": crontab(),
        "options": {"queue": "notify", "expires": 50},
    },
    "witness decisions in the audit chain": {
        "task": "apps.budgets.tasks.witness_everywhere",
        "schedule": crontab(minute="53"),
        "options": {"queue": "insights", "expires": 50 * 60},
    },
    "take up closes whose worker died": {
        "task": "apps.closing.tasks.take_up_stalled_everywhere",
        "schedule": crontab(),
        "options": {"queue": "close", "expires": 50},
    },
    "follow schedules of closes": {
        "task": "apps.closing.tasks.follow_schedules_everywhere",
        "schedule": crontab(minute="*/5"),
        "options": {"queue": "close", "expires": 4 * 60},
    },
    "follow up statements": {
        "task": "apps.chargeback.tasks.follow_up_everywhere",
        "schedule": crontab(minute="13"),
        "options": {"queue": "close", "expires": 50 * 60},
    },
    "send daily digests": {
        "task": "apps.notifications.tasks.digest_everywhere",
        "schedule": crontab(minute="3"),
        "options": {"queue": "notify", "expires": 50 * 60},
    },
    "follow up experiments": {
        "task": "apps.experiments.tasks.follow_up_everywhere",
        "schedule": crontab(minute="*/10"),
        "options": {"queue": "insights", "expires": 9 * 60},
    },
    "deliver outboxes": {
        "task": "apps.notifications.tasks.deliver_everywhere",
        "schedule": crontab(),
        "options": {"queue": "notify", "expires": 50},
    },
}
