"""Receipts, imports and corrections, to look at."""

from __future__ import annotations

from apps.core.admin import ReadOnlyAdmin, admin, tenant_site
from apps.ingest import models


@admin.register(models.IngestBatch, site=tenant_site)
class IngestBatchAdmin(ReadOnlyAdmin):
    """Receipts of batches."""

    list_display = (
        "public_id",
        "received_at",
        "received_from",
        "accepted",
        "duplicates",
        "conflicts",
        "rejected",
        "unpriced",
    )
    ordering = ("-id",)


@admin.register(models.Import, site=tenant_site)
class ImportAdmin(ReadOnlyAdmin):
    """Imports of files."""

    list_display = ("name", "kind", "state", "rows_done", "accepted", "rejected", "created_at")
    ordering = ("-id",)


@admin.register(models.Correction, site=tenant_site)
class CorrectionAdmin(ReadOnlyAdmin):
    """Voids, amendments and reverts."""

    list_display = ("source", "event_id", "kind", "reason", "made_by", "made_at")
    search_fields = ("source", "event_id")
    ordering = ("-id",)


@admin.register(models.EventMapping, site=tenant_site)
class EventMappingAdmin(ReadOnlyAdmin):
    """What events of other vocabularies mean."""

    list_display = ("door", "name", "created_by", "created_at", "retired_at")
    search_fields = ("name",)
    ordering = ("door", "name", "-id")


@admin.register(models.Backfill, site=tenant_site)
class BackfillAdmin(ReadOnlyAdmin):
    """Scopes of usage that were replaced."""

    list_display = ("source", "starts_at", "ends_at", "state", "reason", "opened_by", "opened_at")
    list_filter = ("state",)
    search_fields = ("source", "reason")
    ordering = ("-id",)


@admin.register(models.BackfillEvent, site=tenant_site)
class BackfillEventAdmin(ReadOnlyAdmin):
    """What was posted into backfills."""

    list_display = ("backfill", "event_id", "posted_by", "posted_at")
    list_select_related = ("backfill",)
    exclude = ("payload",)
    ordering = ("-id",)


@admin.register(models.BackfillChange, site=tenant_site)
class BackfillChangeAdmin(ReadOnlyAdmin):
    """What closing backfills did to events."""

    list_display = ("backfill", "event_id", "kind", "from_revision", "to_revision")
    list_select_related = ("backfill",)
    list_filter = ("kind",)
    ordering = ("-id",)


@admin.register(models.ImportProblem, site=tenant_site)
class ImportProblemAdmin(ReadOnlyAdmin):
    """Rows of files that were not stored."""

    list_display = ("of_import", "row", "event_id", "code", "field", "message")
    list_select_related = ("of_import",)
    ordering = ("-of_import", "row")


@admin.register(models.SpanTotal, site=tenant_site)
class SpanTotalAdmin(ReadOnlyAdmin):
    """Totals of spans around others."""

    list_display = ("trace_id", "span_id", "parent_id", "name", "counts", "received_at")
    search_fields = ("trace_id", "span_id", "name")
    ordering = ("-id",)
