"""Follows up statements, rolls them up, writes exports; twice gives the same as once."""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID

from celery import shared_task
from django.utils import timezone
from django_tenants.utils import schema_context

from apps.chargeback import selectors, services
from apps.core.domain.access import system_actor
from apps.core.domain.months import Month
from apps.tenants import selectors as tenants

SILENCE: Final = timedelta(hours=1)
"""An export that is not done this long after it was asked for is written again."""

ROLLED_UP: Final = 3
"""How many months back statements without roll-ups are looked for."""

_ROBOT: Final = system_actor("rollups")


@shared_task(queue="insights", acks_late=True)
def write_export(*, schema: str, export: str) -> None:
    """Write one export of one tenant; doing it twice does it once."""
    with schema_context(schema):
        services.write_export(id=UUID(export), now=timezone.now())


@shared_task(queue="insights", acks_late=True)
def roll_up(*, schema: str, month: str) -> None:
    """Roll up the issued statements of a month of one tenant; doing it twice does it once."""
    with schema_context(schema):
        services.roll_up(month=Month.parse(month), actor=_ROBOT, now=timezone.now())


@shared_task
def follow_up(*, schema: str) -> None:
    """Remind one tenant's owners, let silence count, take up what a worker left undone."""
    with schema_context(schema):
        since = Month.of(timezone.now().date()) - ROLLED_UP
        for month in selectors.months_to_roll_up(first=since):
            roll_up.delay(schema=schema, month=str(month))
        services.remind(now=timezone.now())
        services.lapse_overdue(now=timezone.now())
        left = selectors.unfinished_exports(before=timezone.now() - SILENCE)
    for export in left:
        write_export.delay(schema=schema, export=str(export))


@shared_task
def follow_up_everywhere() -> None:
    """Follow up statements of every active tenant, each by a task of its own."""
    for tenant in tenants.active():
        follow_up.delay(schema=tenant.schema)
