"""Read-only views of documents for a tenant's administrators."""

from __future__ import annotations

from apps.core.admin import ReadOnlyAdmin, admin, tenant_site
from apps.documents.models import Document, DocumentLine, NumberSeries, Rendition


@admin.register(Document, site=tenant_site)
class DocumentAdmin(ReadOnlyAdmin):
    """Shows documents by month and subject."""

    list_display = ["__str__", "kind", "month", "subject_name", "total", "currency", "state"]
    list_filter = ["kind", "state", "month"]
    search_fields = ["number", "subject_code", "subject_name"]
    ordering = ["-month", "subject_code", "-id"]


@admin.register(DocumentLine, site=tenant_site)
class DocumentLineAdmin(ReadOnlyAdmin):
    """Shows printed lines."""

    list_display = ["document", "position", "section", "heading", "amount"]
    list_filter = ["section"]
    search_fields = ["heading", "document__number"]
    list_select_related = ["document"]
    ordering = ["-document_id", "position"]


@admin.register(NumberSeries, site=tenant_site)
class NumberSeriesAdmin(ReadOnlyAdmin):
    """Shows how far each series has come."""

    list_display = ["code", "last"]
    ordering = ["-code"]


@admin.register(Rendition, site=tenant_site)
class RenditionAdmin(ReadOnlyAdmin):
    """Shows stored files with their digests."""

    list_display = ["document", "format", "locale", "size", "sha256", "created_at"]
    list_filter = ["format", "locale"]
    list_select_related = ["document"]
    ordering = ["-id"]
