"""The calendar and its rates, to look at."""

from __future__ import annotations

from apps.core.admin import ReadOnlyAdmin, admin, tenant_site
from apps.periods.models import FxRate, GuardedTable, Period


@admin.register(Period, site=tenant_site)
class PeriodAdmin(ReadOnlyAdmin):
    """Accounting months."""

    list_display = ("month", "state", "frozen_at", "closed_at", "closed_by", "approved_by")
    list_filter = ("state",)
    ordering = ("-month",)


@admin.register(FxRate, site=tenant_site)
class FxRateAdmin(ReadOnlyAdmin):
    """Entered exchange rates, all revisions."""

    list_display = ("month", "base", "quote", "kind", "rate", "revision", "source", "rate_on")
    list_filter = ("kind", "base", "quote")
    ordering = ("-month", "base", "quote", "kind", "-revision")


@admin.register(GuardedTable, site=tenant_site)
class GuardedTableAdmin(ReadOnlyAdmin):
    """Tables whose rows belong to a month."""

    list_display = ("table_name", "column_name")
