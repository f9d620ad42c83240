"""Housekeeping across tenants; what belongs to one app lives in that app's tasks."""

from __future__ import annotations

from datetime import datetime

import structlog
from celery import shared_task
from django.contrib.sessions.models import Session
from django.utils import timezone
from django_tenants.utils import get_public_schema_name, schema_context

from apps.accounts import selectors as accounts
from apps.accounts import services as account_services
from apps.accounts.services import LinkPurpose
from apps.accounts.tasks import mail_password_link
from apps.tenants import selectors as tenants
from apps.tenants import services as tenant_services
from finops_platform.provisioning import extend_months, provision_tenant

log = structlog.get_logger(__name__)


@shared_task
def clear_sessions_everywhere() -> int:
    """Delete sessions that ended, in every schema; return how many. Twice gives the same."""
    now = timezone.now()
    return sum(_clear_sessions(schema=schema, now=now) for schema in _schemas())


@shared_task
def forget_answers_everywhere() -> int:
    """Forget answers to Idempotency-Keys that are too old, in every schema; return how many."""
    now = timezone.now()
    return sum(_forget_answers(schema=schema, now=now) for schema in _schemas())


def _forget_answers(*, schema: str, now: datetime) -> int:
    with schema_context(schema):
        return account_services.forget_answers(now=now)


def _schemas() -> list[str]:
    public = get_public_schema_name()
    return [public, *(tenant.schema for tenant in tenants.every() if tenant.has_schema)]


def _clear_sessions(*, schema: str, now: datetime) -> int:
    with schema_context(schema):
        deleted, _ = Session.objects.filter(expire_date__lt=now).delete()
    return deleted


@shared_task(queue="provision")
def provision_registered_tenant(*, slug: str, operator: str) -> None:
    """Finish the provisioning of a registered tenant and mail its first owner an invitation.

    Runs where the owner's role is known. What breaks it off is kept for the operator's page, from
    where it can be started again; a second run of a finished one does nothing.
    """
    tenant = tenants.fresh(slug=slug)
    if tenant.status is not tenants.TenantStatus.PROVISIONING:
        return
    draft = tenants.draft(slug=slug)
    try:
        done = provision_tenant(
            actor=accounts.actor_of_person(operator),
            slug=draft.slug,
            name=draft.name,
            base_currency=draft.currency,
            timezone=draft.timezone,
            locale=draft.locale,
            admin_email=draft.contact_email,
            now=timezone.now(),
        )
    except Exception as error:
        tenant_services.note_failure(slug=slug, reason=f"{type(error).__name__}: {error}")
        raise
    mail_password_link.delay(
        schema=done.schema, email=done.admin_email, purpose=LinkPurpose.INVITE.value
    )


@shared_task(queue="provision")
def provision_months_everywhere() -> int:
    """Keep every tenant's partitions and calendar six months ahead; return how many months opened.

    A tenant that fails does not keep the others waiting; the first failure is raised at the end.
    """
    now = timezone.now()
    opened, failures = 0, []
    for tenant in tenants.every():
        if not tenant.has_schema:
            continue
        try:
            opened += len(extend_months(tenant=tenant, now=now))
        except Exception as error:
            log.exception("months not extended", tenant=tenant.schema)
            failures.append(error)
    if failures:
        raise failures[0]
    return opened
