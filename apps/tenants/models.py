"""Tenants and the hosts they answer on; both live in the public schema only."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db import models, transaction
from django.db.models import Q
from django_tenants.models import DomainMixin, TenantMixin

from apps.core.domain.limits import Limits
from apps.tenants import roster
from apps.tenants.domain.facts import TenantFacts, TenantStatus
from apps.tenants.domain.names import COLOR, TenantDraft


class Tenant(TenantMixin):
    """An organization: one schema, one base currency, one timezone."""

    auto_create_schema = False
    auto_drop_schema = False

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    slug = models.CharField(max_length=31, unique=True)
    name = models.CharField(max_length=120)
    status = models.CharField(
        max_length=12,
        choices=[(status.value, status.name.title()) for status in TenantStatus],
        default=TenantStatus.PROVISIONING.value,
    )
    base_currency = models.CharField(max_length=3, help_text="ISO 4217 code of all totals")
    timezone = models.CharField(max_length=64, help_text="IANA zone that bounds days and months")
    locale = models.CharField(max_length=16, default="en-US")
    brand_color = models.CharField(max_length=7, default="#066fd1")
    created_at = models.DateTimeField()
    suspended_at = models.DateTimeField(null=True)
    status_reason = models.CharField(
        max_length=500, blank=True, help_text="why it is suspended, or what broke provisioning off"
    )
    contact_email = models.EmailField(max_length=254, help_text="the first owner; told of changes")
    requests_per_second = models.PositiveIntegerField(
        null=True, help_text="API requests a second of all keys; empty: the platform's default"
    )
    events_per_second = models.PositiveIntegerField(
        null=True, help_text="events a second of all keys; empty: the platform's default"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=[status.value for status in TenantStatus]),
                name="tenants_tenant_status",
            ),
            models.CheckConstraint(
                condition=Q(base_currency__regex=r"^[A-Z]{3}$"), name="tenants_tenant_currency"
            ),
            models.CheckConstraint(
                condition=Q(slug__regex=r"^[a-z][a-z0-9-]{1,30}$")
                & ~Q(slug__in=["api", "www", "public", "admin"])
                & ~Q(slug__startswith="pg"),
                name="tenants_tenant_slug",
            ),
            models.CheckConstraint(
                condition=Q(brand_color__regex=COLOR), name="tenants_tenant_brand_color"
            ),
            models.CheckConstraint(
                condition=Q(status="suspended", suspended_at__isnull=False)
                | Q(~Q(status="suspended"), suspended_at__isnull=True),
                name="tenants_tenant_suspended_at",
            ),
            models.CheckConstraint(
                condition=Q(requests_per_second__isnull=True) | Q(requests_per_second__gte=1),
                name="tenants_tenant_requests",
            ),
            models.CheckConstraint(
                condition=Q(events_per_second__isnull=True) | Q(events_per_second__gte=1),
                name="tenants_tenant_events",
            ),
        ]

    def __str__(self) -> str:
        return self.slug

    @classmethod
    def from_draft(cls, draft: TenantDraft, *, now: datetime) -> Tenant:
        """Insert the row of a new tenant; its schema is made by provisioning."""
        tenant = cls(
            schema_name=draft.schema,
            slug=draft.slug,
            name=draft.name.strip(),
            base_currency=draft.currency,
            timezone=draft.timezone,
            locale=draft.locale,
            contact_email=draft.contact_email,
            created_at=now,
        )
        tenant.save(force_insert=True)
        return tenant

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        roster.forget()
        transaction.on_commit(roster.forget)

    def draft(self) -> TenantDraft:
        """Return what the row was made of."""
        return TenantDraft(
            slug=self.slug,
            name=self.name,
            currency=self.base_currency,
            timezone=self.timezone,
            locale=self.locale,
            contact_email=self.contact_email,
        )

    def switch(self, to: TenantStatus, *, reason: str, now: datetime) -> None:
        """Serve it, suspend it or resume it."""
        self.status = to.value
        self.suspended_at = now if to is TenantStatus.SUSPENDED else None
        self.status_reason = reason
        self.save(update_fields=["status", "suspended_at", "status_reason"])

    def facts(self) -> TenantFacts:
        """Return what others may know of it."""
        return TenantFacts(
            schema=self.schema_name,
            slug=self.slug,
            name=self.name,
            currency=self.base_currency,
            timezone=ZoneInfo(self.timezone),
            locale=self.locale,
            status=TenantStatus(self.status),
            brand_color=self.brand_color,
            limits=Limits(self.requests_per_second, self.events_per_second),
        )

    def limit(self, limits: Limits) -> None:
        """Hold it to other limits."""
        self.requests_per_second = limits.requests_per_second
        self.events_per_second = limits.events_per_second
        self.save(update_fields=["requests_per_second", "events_per_second"])


class Domain(DomainMixin):
    """A host name, without port, that serves one tenant."""

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="domains")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(domain__regex=r"^[a-z0-9.-]+$"), name="tenants_domain_lowercase"
            ),
            models.UniqueConstraint(
                fields=["tenant"], condition=Q(is_primary=True), name="tenants_domain_one_primary"
            ),
        ]

    def __str__(self) -> str:
        return str(self.domain)

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        roster.forget()
        transaction.on_commit(roster.forget)
