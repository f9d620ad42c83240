"""Shows the catalogue to the operator."""

from __future__ import annotations

from apps.catalog.models import (
    AiModel,
    ListPrice,
    Meter,
    PriceChange,
    PriceDecision,
    PriceImport,
    PriceObservation,
    Provider,
)
from apps.core.admin import ReadOnlyAdmin, admin, operator_site


@admin.register(Provider, site=operator_site)
class ProviderAdmin(ReadOnlyAdmin):
    """Providers in the order in which their rules are tried."""

    list_display = ["code", "name", "pricing_url"]
    search_fields = ["code", "name"]


@admin.register(AiModel, site=operator_site)
class AiModelAdmin(ReadOnlyAdmin):
    """Models with their recognition rules."""

    list_display = ["code", "provider", "name", "family", "context_window", "delisted_at"]
    list_filter = ["provider", "deprecated"]
    list_select_related = ["provider"]
    search_fields = ["code", "name"]


@admin.register(Meter, site=operator_site)
class MeterAdmin(ReadOnlyAdmin):
    """Meters and the units they count."""

    list_display = ["code", "label", "unit", "size"]


@admin.register(ListPrice, site=operator_site)
class ListPriceAdmin(ReadOnlyAdmin):
    """List prices in both times."""

    list_display = [
        "model",
        "meter",
        "service_tier",
        "batch",
        "context_gt",
        "amount",
        "unit_size",
        "currency",
        "valid_from",
        "valid_to",
        "known_from",
        "known_to",
    ]
    list_filter = ["meter", "batch", "service_tier"]
    list_select_related = ["model"]
    search_fields = ["model__code", "model__name"]


@admin.register(PriceImport, site=operator_site)
class PriceImportAdmin(ReadOnlyAdmin):
    """Readings of sources and what became of them."""

    list_display = ["source", "release", "read_at", "prices", "published", "proposed"]
    list_filter = ["source"]


@admin.register(PriceObservation, site=operator_site)
class PriceObservationAdmin(ReadOnlyAdmin):
    """What sources say, in both times."""

    list_display = ["source", "provider", "model", "meter", "amount", "valid_from", "known_to"]
    list_filter = ["source"]
    search_fields = ["provider", "model", "meter"]


@admin.register(PriceChange, site=operator_site)
class PriceChangeAdmin(ReadOnlyAdmin):
    """Changes of prices; they are decided on the page of prices."""

    list_display = ["provider", "model", "meter", "kind", "old_amount", "amount", "state", "basis"]
    list_filter = ["state", "kind", "source", "approvers"]
    search_fields = ["provider", "model", "meter"]


@admin.register(PriceDecision, site=operator_site)
class PriceDecisionAdmin(ReadOnlyAdmin):
    """What people decided."""

    list_display = ["change", "decided_by", "verdict", "reason", "decided_at"]
    list_filter = ["verdict"]
    list_select_related = ["change"]
