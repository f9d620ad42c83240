"""Housekeeping across tenants; what belongs to one app lives in that app's tasks."""

from __future__ import annotations

from datetime import datetime

from celery import shared_task
from django.contrib.sessions.models import Session
from django.utils import timezone
from django_tenants.utils import get_public_schema_name, get_tenant_model, schema_context


@shared_task
def clear_expired_sessions() -> int:
    """Delete sessions that ended, in every schema; return how many. Twice gives the same."""
    now = timezone.now()
    return sum(_clear_sessions(schema=schema, now=now) for schema in _schemas())


def _schemas() -> list[str]:
    public = get_public_schema_name()
    tenants = get_tenant_model().objects.exclude(schema_name=public).order_by("schema_name")
    return [public, *tenants.values_list("schema_name", flat=True)]


def _clear_sessions(*, schema: str, now: datetime) -> int:
    with schema_context(schema):
        deleted, _ = Session.objects.filter(expire_date__lt=now).delete()
    return deleted
