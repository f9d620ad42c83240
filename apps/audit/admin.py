"""Shows the trail on both admin sites."""

from __future__ import annotations

from apps.audit.models import AuditRecord
from apps.core.admin import ReadOnlyAdmin, admin, operator_site, tenant_site


@admin.register(AuditRecord, site=tenant_site)
@admin.register(AuditRecord, site=operator_site)
class AuditRecordAdmin(ReadOnlyAdmin):
    """Who changed what."""

    list_display = ("sequence", "at", "actor", "action", "subject", "subject_id")
    list_filter = ("action", "actor_kind")
    search_fields = ("actor", "action", "subject_id")
    ordering = ("-sequence",)
