"""Read-only views of statements and their terms for a tenant's administrators."""

from __future__ import annotations

from apps.chargeback.models import Statement, StatementTerms
from apps.core.admin import ReadOnlyAdmin, admin, tenant_site


@admin.register(Statement, site=tenant_site)
class StatementAdmin(ReadOnlyAdmin):
    """Shows which document states which run's charge of which cost center."""

    list_display = ["month", "cost_center", "document", "billed", "run", "created_by"]
    list_filter = ["month"]
    search_fields = ["cost_center", "document__number"]
    list_select_related = ["document"]
    ordering = ["-month", "cost_center", "-id"]


@admin.register(StatementTerms, site=tenant_site)
class StatementTermsAdmin(ReadOnlyAdmin):
    """Shows the terms and what they were before."""

    list_display = [
        "created_at",
        "created_by",
        "dispute_contact",
        "dispute_days",
        "recovery_account",
    ]
    ordering = ["-id"]
