"""Shows requests and how they were approved to the tenant's administrators, read-only."""

from __future__ import annotations

from apps.core.admin import ReadOnlyAdmin, admin, tenant_site
from apps.experiments.models import (
    ApprovalPolicy,
    Attachment,
    Decision,
    Delegation,
    ExperimentRequest,
    LinkUse,
    OutcomeReport,
    Revision,
    Step,
    Submission,
)


@admin.register(ExperimentRequest, site=tenant_site)
class ExperimentRequestAdmin(ReadOnlyAdmin):
    """Every request."""

    list_display = ["code", "title", "team", "state", "amount", "currency", "starts_on", "ends_on"]
    list_filter = ["state", "team"]
    search_fields = ["code", "title", "owner"]
    ordering = ["-number"]


@admin.register(Revision, site=tenant_site)
class RevisionAdmin(ReadOnlyAdmin):
    """Every revision of every request."""

    list_display = ["request", "number", "amount", "currency", "created_by", "created_at"]
    ordering = ["-id"]


@admin.register(Submission, site=tenant_site)
class SubmissionAdmin(ReadOnlyAdmin):
    """Every round of approval."""

    list_display = ["request", "number", "policy", "amount", "state", "automatic", "submitted_at"]
    list_filter = ["state", "automatic"]
    ordering = ["-id"]


@admin.register(Step, site=tenant_site)
class StepAdmin(ReadOnlyAdmin):
    """Every step."""

    list_display = ["submission", "name", "order", "quorum", "state", "due_at"]
    list_filter = ["state"]
    ordering = ["-id"]


@admin.register(Decision, site=tenant_site)
class DecisionAdmin(ReadOnlyAdmin):
    """Every decision."""

    list_display = ["step", "verdict", "decided_by", "on_behalf_of", "via", "decided_at"]
    list_filter = ["verdict", "via"]
    ordering = ["-id"]


@admin.register(ApprovalPolicy, site=tenant_site)
class ApprovalPolicyAdmin(ReadOnlyAdmin):
    """Every version of the policy."""

    list_display = ["version", "note", "created_by", "created_at"]
    ordering = ["-version"]


@admin.register(Delegation, site=tenant_site)
class DelegationAdmin(ReadOnlyAdmin):
    """Every stand-in."""

    list_display = ["absent_email", "delegate_email", "starts_on", "ends_on", "ended_at"]
    ordering = ["-id"]


@admin.register(LinkUse, site=tenant_site)
class LinkUseAdmin(ReadOnlyAdmin):
    """Every link that was used."""

    list_display = ["digest", "decision", "used_at"]
    ordering = ["-id"]


@admin.register(Attachment, site=tenant_site)
class AttachmentAdmin(ReadOnlyAdmin):
    """Every file of a request."""

    list_display = ["request", "name", "size", "created_by", "created_at"]
    ordering = ["-id"]


@admin.register(OutcomeReport, site=tenant_site)
class OutcomeReportAdmin(ReadOnlyAdmin):
    """Every outcome report."""

    list_display = ["request", "number", "reason", "created_by", "created_at"]
    ordering = ["-id"]
