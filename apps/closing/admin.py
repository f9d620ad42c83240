"""Shows closes and approvals to the tenant's administrators, read-only."""

from __future__ import annotations

from apps.closing.models import Approval, ClosePolicy, CloseRun, ReopenRequest
from apps.core.admin import ReadOnlyAdmin, admin, tenant_site


@admin.register(CloseRun, site=tenant_site)
class CloseRunAdmin(ReadOnlyAdmin):
    """Every close of every month."""

    list_display = ["month", "public_id", "state", "started_by", "started_at", "finished_at"]
    list_filter = ["state"]
    ordering = ["-id"]


@admin.register(Approval, site=tenant_site)
class ApprovalAdmin(ReadOnlyAdmin):
    """Every approval with what exactly was approved."""

    list_display = ["run", "preparer", "approver", "via", "created_at"]
    ordering = ["-id"]


@admin.register(ClosePolicy, site=tenant_site)
class ClosePolicyAdmin(ReadOnlyAdmin):
    """Every schedule and set of limits that was ever in force."""

    list_display = ["created_at", "created_by", "is_on", "working_day", "at", "due_working_day"]
    ordering = ["-id"]


@admin.register(ReopenRequest, site=tenant_site)
class ReopenRequestAdmin(ReadOnlyAdmin):
    """Every request to reopen a month."""

    list_display = ["month", "state", "requested_by", "decided_by", "requested_at"]
    ordering = ["-id"]
