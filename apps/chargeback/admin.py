"""Read-only views of statements and their terms for a tenant's administrators."""

from __future__ import annotations

from apps.chargeback.models import (
    AcceptancePolicy,
    Attachment,
    Export,
    Journal,
    JournalFile,
    JournalLayout,
    JournalLine,
    JournalMapping,
    JournalPosting,
    Resolution,
    Responder,
    Response,
    Rollup,
    Statement,
    StatementTerms,
)
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


@admin.register(Response, site=tenant_site)
class ResponseAdmin(ReadOnlyAdmin):
    """Shows what was said to statements."""

    list_display = ["created_at", "statement", "verdict", "position", "created_by"]
    list_filter = ["verdict"]
    list_select_related = ["statement"]
    ordering = ["-id"]


@admin.register(Resolution, site=tenant_site)
class ResolutionAdmin(ReadOnlyAdmin):
    """Shows how disputes ended."""

    list_display = ["created_at", "response", "outcome", "reference", "created_by"]
    list_filter = ["outcome"]
    list_select_related = ["response"]
    ordering = ["-id"]


@admin.register(Attachment, site=tenant_site)
class AttachmentAdmin(ReadOnlyAdmin):
    """Shows which files came with disputes."""

    list_display = ["created_at", "name", "media_type", "size", "sha256"]
    ordering = ["-id"]


@admin.register(Responder, site=tenant_site)
class ResponderAdmin(ReadOnlyAdmin):
    """Shows whom finance named to answer."""

    list_display = ["created_at", "cost_center", "email", "is_named", "created_by"]
    search_fields = ["cost_center", "email"]
    ordering = ["-id"]


@admin.register(AcceptancePolicy, site=tenant_site)
class AcceptancePolicyAdmin(ReadOnlyAdmin):
    """Shows what silence means and meant before."""

    list_display = ["created_at", "lapse", "reminder_days", "created_by"]
    ordering = ["-id"]


@admin.register(Journal, site=tenant_site)
class JournalAdmin(ReadOnlyAdmin):
    """Shows what closed months book."""

    list_display = ["batch", "month", "kind", "total", "currency", "created_by"]
    list_filter = ["kind", "month"]
    ordering = ["-id"]


@admin.register(JournalLine, site=tenant_site)
class JournalLineAdmin(ReadOnlyAdmin):
    """Shows debits and credits."""

    list_display = ["journal", "position", "account", "cost_center", "debit", "credit"]
    search_fields = ["account", "cost_center"]
    list_select_related = ["journal"]
    ordering = ["-journal_id", "position"]


@admin.register(JournalMapping, site=tenant_site)
class JournalMappingAdmin(ReadOnlyAdmin):
    """Shows which account holds from when."""

    list_display = ["kind", "key", "account", "target", "valid_from", "created_by"]
    list_filter = ["kind"]
    ordering = ["-id"]


@admin.register(JournalLayout, site=tenant_site)
class JournalLayoutAdmin(ReadOnlyAdmin):
    """Shows the columns of files, and what they were before."""

    list_display = ["created_at", "preset", "company", "created_by"]
    ordering = ["-id"]


@admin.register(JournalFile, site=tenant_site)
class JournalFileAdmin(ReadOnlyAdmin):
    """Shows which bytes were handed out."""

    list_display = ["journal", "format", "sha256", "created_at"]
    list_select_related = ["journal"]
    ordering = ["-id"]


@admin.register(JournalPosting, site=tenant_site)
class JournalPostingAdmin(ReadOnlyAdmin):
    """Shows what the ledger took."""

    list_display = ["journal", "reference", "posted_on", "created_by"]
    list_select_related = ["journal"]
    ordering = ["-id"]


@admin.register(Export, site=tenant_site)
class ExportAdmin(ReadOnlyAdmin):
    """Shows what was exported."""

    list_display = ["requested_at", "month", "dataset", "version", "format", "state", "size"]
    list_filter = ["dataset", "state"]
    ordering = ["-id"]


@admin.register(Rollup, site=tenant_site)
class RollupAdmin(ReadOnlyAdmin):
    """Shows which document puts which statements of a run together."""

    list_display = ["month", "kind", "code", "document", "run", "created_by"]
    list_filter = ["kind", "month"]
    search_fields = ["code", "document__number"]
    list_select_related = ["document"]
    ordering = ["-month", "kind", "code", "-id"]
