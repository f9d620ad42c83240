"""The directory, to look at; every change goes through a service."""

from __future__ import annotations

from apps.core.admin import ReadOnlyAdmin, admin, tenant_site
from apps.directory import models


@admin.register(models.CostCenter, site=tenant_site)
class CostCenterAdmin(ReadOnlyAdmin):
    """Cost centers."""

    list_display = ("code", "name", "kind", "owner_name", "owner_email", "gl_code")
    list_filter = ("kind",)
    search_fields = ("code", "name", "owner_name", "owner_email")


@admin.register(models.Team, models.Product, site=tenant_site)
class NamedAdmin(ReadOnlyAdmin):
    """Teams and products."""

    list_display = ("code", "name", "valid_from", "valid_to")
    search_fields = ("code", "name")


@admin.register(models.Feature, site=tenant_site)
class FeatureAdmin(ReadOnlyAdmin):
    """Features."""

    list_display = ("code", "name", "product")
    list_select_related = ("product",)
    search_fields = ("code", "name")


@admin.register(models.Customer, site=tenant_site)
class CustomerAdmin(ReadOnlyAdmin):
    """Customers."""

    list_display = ("code", "name", "email")
    search_fields = ("code", "name", "email")


@admin.register(models.Membership, site=tenant_site)
class MembershipAdmin(ReadOnlyAdmin):
    """To which cost center teams belong, and belonged."""

    list_display = ("team", "cost_center", "valid_from", "valid_to", "recorded_at", "superseded_at")
    list_select_related = ("team", "cost_center")


@admin.register(models.Placement, site=tenant_site)
class PlacementAdmin(ReadOnlyAdmin):
    """Under whom cost centers stand, and stood."""

    list_display = ("cost_center", "parent", "valid_from", "valid_to", "recorded_at")
    list_select_related = ("cost_center", "parent")


@admin.register(models.RuleVersion, site=tenant_site)
class RuleVersionAdmin(ReadOnlyAdmin):
    """What attribution rules say, and said."""

    list_display = ("rule", "version", "priority", "valid_from", "valid_to", "superseded_at")
    list_select_related = ("rule",)
    search_fields = ("rule__name",)
