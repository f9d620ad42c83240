"""Budgets, holds, decisions and policies, to look at."""

from __future__ import annotations

from apps.budgets import models
from apps.core.admin import ReadOnlyAdmin, admin, tenant_site


@admin.register(models.Budget, site=tenant_site)
class BudgetAdmin(ReadOnlyAdmin):
    """Budgets, and the grants of experiments."""

    list_display = ("name", "window", "amount", "currency", "limit", "is_grant", "retired_at")
    search_fields = ("name",)


@admin.register(models.BudgetWindow, site=tenant_site)
class BudgetWindowAdmin(ReadOnlyAdmin):
    """Counters of windows."""

    list_display = ("budget", "starts_on", "ends_on", "spent", "held", "overrun")
    list_select_related = ("budget",)


@admin.register(models.BudgetRaise, site=tenant_site)
class BudgetRaiseAdmin(ReadOnlyAdmin):
    """Temporary raises."""

    list_display = ("budget", "amount", "expires_at", "reason", "created_by")
    list_select_related = ("budget",)


@admin.register(models.Hold, site=tenant_site)
class HoldAdmin(ReadOnlyAdmin):
    """Holds."""

    list_display = ("public_id", "state", "amount", "currency", "made_by", "expires_at")
    search_fields = ("public_id",)


@admin.register(models.GuardrailDecision, site=tenant_site)
class GuardrailDecisionAdmin(ReadOnlyAdmin):
    """Decisions that were given."""

    list_display = ("at", "verdict", "amount", "currency", "actor", "hold")


@admin.register(models.ModelPolicy, site=tenant_site)
class ModelPolicyAdmin(ReadOnlyAdmin):
    """Model policies."""

    list_display = ("name", "verdict", "valid_from", "valid_to", "retired_at")


@admin.register(models.Justification, site=tenant_site)
class JustificationAdmin(ReadOnlyAdmin):
    """Justifications of ultra-large contexts."""

    list_display = ("reason", "valid_from", "valid_to", "created_by")


@admin.register(models.Alert, site=tenant_site)
class AlertAdmin(ReadOnlyAdmin):
    """Alerts that were told."""

    list_display = ("window", "basis", "percent", "step", "amount", "fired_at")
    list_select_related = ("window",)


@admin.register(models.Snooze, site=tenant_site)
class SnoozeAdmin(ReadOnlyAdmin):
    """Alerts that are held back."""

    list_display = ("budget", "until", "reason", "created_by")
    list_select_related = ("budget",)


@admin.register(models.ExperimentTag, site=tenant_site)
class ExperimentTagAdmin(ReadOnlyAdmin):
    """Tags of experiments, and whether their requests are approved."""

    list_display = ("experiment", "state", "changed_at")
    search_fields = ("experiment",)
