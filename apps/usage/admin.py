"""Tag sets, SKUs, outcomes and price corrections, to look at; events have pages of their own."""

from __future__ import annotations

from apps.core.admin import ReadOnlyAdmin, admin, tenant_site
from apps.usage import models


@admin.register(models.TagSet, site=tenant_site)
class TagSetAdmin(ReadOnlyAdmin):
    """Distinct combinations of tags."""

    list_display = ("id", "__str__", "account", "credential", "operation", "created_at")
    search_fields = ("account", "credential", "operation")
    ordering = ("-id",)


@admin.register(models.Sku, site=tenant_site)
class SkuAdmin(ReadOnlyAdmin):
    """SKUs by canonical names."""

    list_display = ("provider", "model", "service_tier", "batch", "region", "context_tier")
    search_fields = ("provider", "model")
    ordering = ("provider", "model", "id")


@admin.register(models.SentSku, site=tenant_site)
class SentSkuAdmin(ReadOnlyAdmin):
    """SKUs as senders wrote them."""

    list_display = ("provider", "model", "service_tier", "batch", "region")
    search_fields = ("provider", "model")
    ordering = ("provider", "model", "id")


@admin.register(models.Outcome, site=tenant_site)
class OutcomeAdmin(ReadOnlyAdmin):
    """What came of uses."""

    list_display = ("name", "success", "value", "source", "event_id", "trace_id", "occurred_at")
    search_fields = ("name", "event_id", "trace_id", "experiment")
    ordering = ("-id",)


@admin.register(models.PriceCorrection, site=tenant_site)
class PriceCorrectionAdmin(ReadOnlyAdmin):
    """Prices put right after their month closed."""

    list_display = ("original_period", "period", "day", "meter", "quantity", "reason")
    ordering = ("-id",)
