"""Makes a tenant from nothing: row, schema, tables, first owner, calendar."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django.conf import settings
from django.core.management import call_command
from django.db import connection, transaction
from django_tenants.utils import schema_context

from apps.accounts import services as accounts
from apps.audit import services as audit
from apps.core.db import as_owner
from apps.core.domain.access import Actor
from apps.core.domain.months import Month
from apps.costs import services as costs
from apps.periods import services as periods
from apps.tenants import services as tenants
from apps.tenants.selectors import TenantFacts
from apps.usage import services as usage

MONTHS_BACK: Final = 13
MONTHS_AHEAD: Final = 6
"""Rule 7: a tenant's first period is 13 months back, partitions exist 6 months ahead."""


@dataclass(frozen=True, slots=True)
class ProvisionedTenant:
    """A tenant that is being served, and its first owner's random password, kept nowhere else."""

    schema: str
    slug: str
    admin_email: str
    admin_password: str = field(repr=False)


def provision_tenant(
    *,
    actor: Actor,
    slug: str,
    name: str,
    base_currency: str,
    timezone: str,
    locale: str,
    admin_email: str,
    now: datetime,
) -> ProvisionedTenant:
    """Register a tenant, make its schema as the owner of all tables, and seed it.

    Needs the owner's database role and no open transaction. The tenant answers only once it is
    complete; a provisioning that broke off is finished by calling this again with the same values.

    :raises TenantNotValid: when a field is wrong.
    :raises TenantExists: when the slug or its host is taken.
    :raises PersonNotValid: when the admin's address is none; nothing was made then.
    """
    draft = draft_of(
        slug=slug,
        name=name,
        base_currency=base_currency,
        timezone=timezone,
        locale=locale,
        admin_email=admin_email,
    )
    host = host_of(slug)
    with schema_context(settings.PUBLIC_SCHEMA_NAME):
        tenant = tenants.register(actor=actor, draft=draft, host=host, now=now)
        first, last = _horizon(tenant, now)
        _make_schema(tenant, first=first, last=last)
        password = secrets.token_urlsafe(15)
        _seed(
            tenant,
            actor=actor,
            admin=(draft.contact_email, password),
            months=(first, last),
            now=now,
        )
    return ProvisionedTenant(tenant.schema, tenant.slug, draft.contact_email, password)


def extend_months(*, tenant: TenantFacts, now: datetime) -> tuple[Month, ...]:
    """Keep a tenant's partitions and calendar six months ahead; return the months now opened.

    Partitions come first: a month without them could not take an event. Safe to repeat.
    """
    present = Month.of(now.astimezone(tenant.timezone).date())
    with schema_context(tenant.schema):
        with as_owner():
            _make_partitions(first=present, last=present + MONTHS_AHEAD)
        return periods.extend_calendar(now=now)


def draft_of(
    *, slug: str, name: str, base_currency: str, timezone: str, locale: str, admin_email: str
) -> tenants.TenantDraft:
    """Return the draft of a tenant, its e-mail address checked.

    :raises PersonNotValid: when the address is none.
    """
    address = accounts.check_address(admin_email, field="admin_email")
    return tenants.TenantDraft(slug, name.strip(), base_currency, timezone, locale, address)


def host_of(slug: str) -> str:
    """Return the host on which a new tenant answers."""
    return f"{slug}.{settings.TENANT_BASE_DOMAIN}"


def _horizon(tenant: TenantFacts, now: datetime) -> tuple[Month, Month]:
    present = Month.of(now.astimezone(tenant.timezone).date())
    return present + -MONTHS_BACK, present + MONTHS_AHEAD


def _make_schema(tenant: TenantFacts, *, first: Month, last: Month) -> None:
    with as_owner():
        with connection.cursor() as cursor:
            name = connection.ops.quote_name(tenant.schema)
            cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {name}")
        call_command(
            "migrate_schemas",
            tenant=True,
            schema_name=tenant.schema,
            interactive=False,
            verbosity=0,
        )
        with schema_context(tenant.schema):
            _make_partitions(first=first, last=last)


def _make_partitions(*, first: Month, last: Month) -> None:
    usage.ensure_partitions(first=first, last=last)
    costs.ensure_partitions(first=first, last=last)


def _seed(
    tenant: TenantFacts,
    *,
    actor: Actor,
    admin: tuple[str, str],
    months: tuple[Month, Month],
    now: datetime,
) -> None:
    email, password = admin
    with transaction.atomic():
        with schema_context(tenant.schema):
            periods.open_calendar(first=months[0], last=months[1])
            accounts.found_owner(
                actor=actor, email=email, name="", password=password, is_operator=False, now=now
            )
            audit.record(
                actor=actor,
                action="tenant.provisioned",
                subject="tenant",
                subject_id=tenant.slug,
                detail={"first": str(months[0]), "last": str(months[1]), "admin": email},
                at=now,
            )
        tenants.activate(actor=actor, slug=tenant.slug, now=now)
