"""Shows tenants and their hosts to the platform's operator."""

from __future__ import annotations

from apps.core.admin import ReadOnlyAdmin, admin, operator_site
from apps.tenants.models import Domain, Tenant


@admin.register(Tenant, site=operator_site)
class TenantAdmin(ReadOnlyAdmin):
    """The organizations."""

    list_display = (
        "slug",
        "name",
        "status",
        "base_currency",
        "timezone",
        "requests_per_second",
        "events_per_second",
        "created_at",
    )
    list_filter = ("status", "base_currency")
    search_fields = ("slug", "name")
    ordering = ("slug",)


@admin.register(Domain, site=operator_site)
class DomainAdmin(ReadOnlyAdmin):
    """The hosts they answer on."""

    list_display = ("domain", "tenant", "is_primary")
    list_select_related = ("tenant",)
    search_fields = ("domain",)
    ordering = ("domain",)
