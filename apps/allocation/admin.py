"""Shows rules, drivers and runs to the tenant's administrators, read-only."""

from __future__ import annotations

from apps.allocation.models import Adjustment, AdjustmentFile, AllocationRule, Driver, Run
from apps.core.admin import ReadOnlyAdmin, admin, tenant_site


@admin.register(AllocationRule, site=tenant_site)
class AllocationRuleAdmin(ReadOnlyAdmin):
    """Every version of every rule."""

    list_display = ["code", "version", "axis", "level", "method", "driver", "valid_from"]
    list_filter = ["axis", "method"]
    search_fields = ["code", "name"]
    ordering = ["code", "-version"]


@admin.register(Driver, site=tenant_site)
class DriverAdmin(ReadOnlyAdmin):
    """Every entered driver value."""

    list_display = ["code", "axis", "month", "receiver", "value", "revision", "created_by"]
    list_filter = ["axis", "code"]
    ordering = ["-month", "code", "receiver", "-revision"]


@admin.register(Adjustment, site=tenant_site)
class AdjustmentAdmin(ReadOnlyAdmin):
    """Every adjustment and who decided it."""

    list_display = ["code", "axis", "sender", "receiver", "amount", "currency", "state"]
    list_filter = ["state", "axis"]
    search_fields = ["code", "reason", "reference"]
    ordering = ["-id"]


@admin.register(AdjustmentFile, site=tenant_site)
class AdjustmentFileAdmin(ReadOnlyAdmin):
    """What came with requests for adjustments."""

    list_display = ["name", "adjustment", "media_type", "size", "created_at"]
    ordering = ["-id"]


@admin.register(Run, site=tenant_site)
class RunAdmin(ReadOnlyAdmin):
    """Every run with its hashes."""

    list_display = ["month", "public_id", "state", "currency", "effective", "created_at"]
    list_filter = ["state"]
    ordering = ["-id"]
