"""Shows a tenant's prices to its owners and finance people."""

from __future__ import annotations

from apps.core.admin import ReadOnlyAdmin, admin, tenant_site
from apps.rating.models import (
    Commitment,
    CommitmentLevel,
    CommitmentTerm,
    ContractPrice,
    CostModel,
    CurrentVersion,
    Discount,
    ModelMapping,
    Price,
    PriceBookVersion,
)

_TERMS = [
    "provider",
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
]


@admin.register(ContractPrice, site=tenant_site)
class ContractPriceAdmin(ReadOnlyAdmin):
    """Contract prices in both times."""

    list_display = [*_TERMS, "known_from", "known_to", "created_by"]
    list_filter = ["provider", "meter"]
    search_fields = ["provider", "model", "note"]


@admin.register(ModelMapping, site=tenant_site)
class ModelMappingAdmin(ReadOnlyAdmin):
    """What sent models mean, in both times."""

    list_display = [
        "sent_provider",
        "sent_model",
        "provider",
        "model",
        "valid_from",
        "valid_to",
        "known_from",
        "known_to",
        "created_by",
    ]
    list_filter = ["provider"]
    search_fields = ["sent_provider", "sent_model", "provider", "model", "note"]


@admin.register(Price, site=tenant_site)
class PriceAdmin(ReadOnlyAdmin):
    """Prices that usage was charged by."""

    list_display = [*_TERMS, "kind", "source"]
    list_filter = ["kind", "provider", "meter"]
    search_fields = ["provider", "model", "key"]


@admin.register(PriceBookVersion, site=tenant_site)
class PriceBookVersionAdmin(ReadOnlyAdmin):
    """Versions of the price book."""

    list_display = ["id", "catalog_known_at", "contract_known_at", "adopted_at", "adopted_by"]


@admin.register(CurrentVersion, site=tenant_site)
class CurrentVersionAdmin(ReadOnlyAdmin):
    """Which version is in force."""

    list_display = ["id", "version"]


_SCOPE = ["provider", "family", "model", "meter"]
_TIMES = ["valid_from", "valid_to", "known_from", "known_to", "created_by"]


@admin.register(Discount, site=tenant_site)
class DiscountAdmin(ReadOnlyAdmin):
    """Discounts off list prices, in both times."""

    list_display = ["percent", *_SCOPE, "service_tier", "batch", *_TIMES]
    list_filter = ["provider", "meter"]
    search_fields = ["provider", "family", "model", "note"]


@admin.register(Commitment, site=tenant_site)
class CommitmentAdmin(ReadOnlyAdmin):
    """Agreements with committed levels."""

    list_display = ["name", *_SCOPE, "measure", "currency", "created_at", "created_by"]
    search_fields = ["name", "provider", "model"]


@admin.register(CommitmentLevel, site=tenant_site)
class CommitmentLevelAdmin(ReadOnlyAdmin):
    """Levels of commitments."""

    list_display = ["commitment", "position", "commit", "percent", "amount", "unit_size"]


@admin.register(CommitmentTerm, site=tenant_site)
class CommitmentTermAdmin(ReadOnlyAdmin):
    """Which level is in force when, in both times."""

    list_display = ["commitment", "level", *_TIMES]


@admin.register(CostModel, site=tenant_site)
class CostModelAdmin(ReadOnlyAdmin):
    """How prices of self-hosted models were derived."""

    list_display = ["name", "created_at", "created_by"]
    search_fields = ["name"]
