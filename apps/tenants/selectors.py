"""Questions about tenants; answers are frozen and up to 30 seconds old unless said otherwise."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings

from apps.core.db import current_schema
from apps.core.domain.errors import Forbidden, Missing
from apps.tenants import roster
from apps.tenants.domain.facts import TenantFacts, TenantStatus
from apps.tenants.domain.names import TenantDraft, slug_problem
from apps.tenants.models import Domain, Tenant

__all__ = [
    "NoTenant",
    "TenantFacts",
    "TenantStatus",
    "TenantSuspended",
    "active",
    "base_url",
    "by_slug",
    "current",
    "domains",
    "draft",
    "every",
    "fresh",
    "on_public",
    "serves_still",
    "serving",
    "status_reason",
    "suspended",
]


class TenantSuspended(Forbidden):
    """The tenant is suspended, or not yet ready to be served."""

    default_code = "tenant_suspended"


class NoTenant(Missing):
    """There is no such tenant."""

    default_code = "tenant_not_found"


def current() -> TenantFacts:
    """Return the tenant whose schema the connection is on.

    :raises NoTenant: when the connection is on the public schema or an unregistered one.
    """
    schema = current_schema()
    facts = roster.by_schema.get(schema, lambda: _facts(schema_name=schema))
    if facts is None:
        raise NoTenant(f"The schema {schema!r} belongs to no tenant.")
    return facts


def on_public() -> bool:
    """Tell whether the connection is on the public schema."""
    return current_schema() == settings.PUBLIC_SCHEMA_NAME


def by_slug(*, slug: str) -> TenantFacts:
    """Return the tenant of a slug, suspended or not.

    :raises NoTenant: when there is none.
    """
    facts = None
    if slug_problem(slug) is None:
        facts = roster.by_slug.get(slug, lambda: _facts(slug=slug))
    if facts is None:
        raise NoTenant(f"There is no tenant {slug!r}.")
    return facts


def serving(*, host: str) -> TenantFacts | None:
    """Return the tenant that a host name (lower case, no port) serves, suspended or not."""
    return roster.by_host.get(host, lambda: _of_host(host))


def serves_still(*, host: str, facts: TenantFacts) -> bool:
    """Tell whether a host is known to serve a tenant whose facts are still these; no query."""
    return roster.by_host.peek(host) is facts or roster.by_schema.peek(facts.schema) is facts


def active() -> list[TenantFacts]:
    """Return the active tenants by slug, read from the database."""
    rows = Tenant.objects.filter(status=TenantStatus.ACTIVE.value).order_by("slug")
    return [tenant.facts() for tenant in rows]


def every() -> list[TenantFacts]:
    """Return all tenants by slug, suspended ones too, read from the database."""
    return [tenant.facts() for tenant in Tenant.objects.order_by("slug")]


def fresh(*, slug: str) -> TenantFacts:
    """Return a tenant as it is this moment, read from the database.

    :raises NoTenant: when there is none.
    """
    facts = _facts(slug=slug)
    if facts is None:
        raise NoTenant(f"There is no tenant {slug!r}.")
    return facts


def status_reason(*, slug: str) -> str:
    """Return why a tenant is suspended or what broke its provisioning off; empty otherwise."""
    return Tenant.objects.filter(slug=slug).values_list("status_reason", flat=True).first() or ""


def draft(*, slug: str) -> TenantDraft:
    """Return what a tenant was made of, to finish a provisioning.

    :raises NoTenant: when there is none.
    """
    row: Tenant | None = Tenant.objects.filter(slug=slug).first()
    if row is None:
        raise NoTenant(f"There is no tenant {slug!r}.")
    return row.draft()


def domains(*, slug: str) -> list[str]:
    """Return the host names of a tenant, the primary one first."""
    rows = Domain.objects.filter(tenant__slug=slug).order_by("-is_primary", "domain")
    return [str(domain) for domain in rows.values_list("domain", flat=True)]


def suspended(tenant: TenantFacts) -> TenantSuspended:
    """Return the refusal of a tenant that is not active."""
    if tenant.status is TenantStatus.PROVISIONING:
        return TenantSuspended(
            "This organization is being set up. Try again in a minute.", code="tenant_provisioning"
        )
    return TenantSuspended(
        "This organization is suspended. Nothing is lost; the operator of the platform can resume "
        "it."
    )


def base_url(*, slug: str) -> str:
    """Return where people reach a tenant: its primary host, scheme and port as in PUBLIC_URL.

    :raises NoTenant: when it has no host.
    """
    hosts = domains(slug=slug)
    if not hosts:
        raise NoTenant(f"The tenant {slug!r} has no host.")
    public = urlsplit(settings.PUBLIC_URL)
    port = f":{public.port}" if public.port else ""
    return f"{public.scheme}://{hosts[0]}{port}"


def _facts(**condition: str) -> TenantFacts | None:
    tenant = Tenant.objects.filter(**condition).first()
    return tenant.facts() if tenant else None


def _of_host(host: str) -> TenantFacts | None:
    domain = Domain.objects.filter(domain=host).select_related("tenant").first()
    return domain.tenant.facts() if domain else None
