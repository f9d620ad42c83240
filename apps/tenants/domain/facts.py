"""What the rest of the platform may know of a tenant."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from zoneinfo import ZoneInfo

from apps.core.domain.limits import Limits


class TenantStatus(StrEnum):
    """Whether a tenant is served; `provisioning` until its schema is complete."""

    PROVISIONING = "provisioning"
    ACTIVE = "active"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class TenantFacts:
    """A tenant as read at one moment; safe to keep and to share between threads."""

    schema: str
    slug: str
    name: str
    currency: str
    timezone: ZoneInfo
    locale: str
    status: TenantStatus
    brand_color: str
    limits: Limits

    @property
    def schema_name(self) -> str:
        """Return the schema under the name by which django-tenants asks for it."""
        return self.schema

    @property
    def is_active(self) -> bool:
        """Tell whether the tenant is served."""
        return self.status is TenantStatus.ACTIVE

    @property
    def has_schema(self) -> bool:
        """Tell whether the schema is complete, served or not."""
        return self.status is not TenantStatus.PROVISIONING
