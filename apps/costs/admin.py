"""Provider accounts, bills and reconciliations, to look at."""

from __future__ import annotations

from apps.core.admin import ReadOnlyAdmin, admin, tenant_site
from apps.costs import models


@admin.register(models.ProviderAccount, site=tenant_site)
class ProviderAccountAdmin(ReadOnlyAdmin):
    """Provider accounts."""

    list_display = ("code", "name", "provider", "account")
    search_fields = ("code", "name", "provider", "account")


@admin.register(models.AccountTruth, site=tenant_site)
class AccountTruthAdmin(ReadOnlyAdmin):
    """Whose amounts count, from which month on."""

    list_display = ("provider_account", "from_month", "truth", "feed", "recorded_by")
    list_select_related = ("provider_account",)


@admin.register(models.ModelFeed, site=tenant_site)
class ModelFeedAdmin(ReadOnlyAdmin):
    """Which feed of a model counts, from which month on."""

    list_display = ("provider_account", "model", "from_month", "feed", "reason", "recorded_by")
    list_select_related = ("provider_account",)


@admin.register(models.Bill, site=tenant_site)
class BillAdmin(ReadOnlyAdmin):
    """Bills, all versions."""

    list_display = ("provider_account", "billing_month", "period", "version", "row_count")
    list_select_related = ("provider_account",)
    ordering = ("-imported_at",)


@admin.register(models.Reconciliation, site=tenant_site)
class ReconciliationAdmin(ReadOnlyAdmin):
    """What comparing metering and bills found."""

    list_display = ("period", "provider_account", "currency", "metered", "billed", "found_at")
    list_select_related = ("provider_account",)
