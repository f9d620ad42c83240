"""Holds, decisions, and the policies of models."""

from __future__ import annotations

import uuid
from enum import StrEnum

from django.db import models
from django.db.models import F, Q

from apps.budgets.domain.budgets import OnFailure
from apps.budgets.domain.decisions import Verdict
from apps.budgets.domain.policies import PolicyFacts
from apps.budgets.domain.tags import TagState
from apps.budgets.models.budgets import BudgetWindow


class State(StrEnum):
    """Where a hold stands: only an open or a settled one holds money."""

    OPEN = "open"
    SETTLED = "settled"
    USED = "used"
    VOID = "void"
    EXPIRED = "expired"


class GuardrailDecision(models.Model):
    """What was answered to one authorization, with every reason; append-only."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    at = models.DateTimeField()
    actor = models.CharField(max_length=254)
    request = models.JSONField(help_text="what was asked")
    verdict = models.CharField(max_length=16, choices=[(one.value, one.value) for one in Verdict])
    reasons = models.JSONField(default=list)
    amount = models.DecimalField(
        null=True, max_digits=60, decimal_places=36, help_text="estimate; NULL is unpriced"
    )
    currency = models.CharField(max_length=3, blank=True)
    hold = models.UUIDField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(verdict__in=[one.value for one in Verdict]),
                name="budgets_guardraildecision_verdict",
            ),
            models.CheckConstraint(
                condition=Q(hold__isnull=True) | Q(verdict__in=["allow", "warn"]),
                name="budgets_guardraildecision_holds_what_it_allows",
            ),
        ]
        indexes = [models.Index(fields=["at"], name="budgets_decision_at")]

    def __str__(self) -> str:
        return f"{self.verdict} at {self.at}"


class Hold(models.Model):
    """Money set aside by an authorization, until its event comes, it is voided, or it expires."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    state = models.CharField(
        max_length=8, choices=[(one.value, one.value) for one in State], default=State.OPEN.value
    )
    scope = models.JSONField(help_text="tags it was authorized for")
    provider = models.TextField(blank=True)
    model = models.TextField(blank=True)
    amount = models.DecimalField(max_digits=60, decimal_places=36, help_text="in `currency`")
    currency = models.CharField(max_length=3)
    settled_amount = models.DecimalField(
        null=True, max_digits=60, decimal_places=36, help_text="what it was resized to"
    )
    made_by = models.CharField(max_length=254)
    made_by_identity = models.CharField(max_length=254)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(help_text="an open hold is released then")
    ended_at = models.DateTimeField(null=True, blank=True)
    event_ref = models.TextField(blank=True, help_text="JSON: source and id of its event")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=[one.value for one in State]), name="budgets_hold_state"
            ),
            models.CheckConstraint(condition=Q(amount__gte=0), name="budgets_hold_amount"),
            models.CheckConstraint(
                condition=Q(state__in=["open", "settled"], ended_at__isnull=True)
                | Q(state__in=["used", "void", "expired"], ended_at__isnull=False),
                name="budgets_hold_ended",
            ),
        ]
        indexes = [
            models.Index(
                fields=["expires_at"],
                condition=Q(state__in=["open", "settled"]),
                name="budgets_hold_live",
            )
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.currency} {self.state}"


class HoldPart(models.Model):
    """What a hold sets aside in one window, in that budget's currency."""

    pk = models.CompositePrimaryKey("hold_id", "window_id")
    hold = models.ForeignKey(Hold, models.PROTECT, related_name="parts", db_index=False)
    window = models.ForeignKey(BudgetWindow, on_delete=models.PROTECT, related_name="holds")
    amount = models.DecimalField(max_digits=60, decimal_places=36, help_text="held now")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(amount__gte=0), name="budgets_holdpart_amount"),
        ]

    def __str__(self) -> str:
        return f"{self.amount} in {self.window_id}"


class ModelPolicy(models.Model):
    """Which models may be used, how far, when and where; a change is a new row."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=200)
    scope = models.JSONField(default=dict, help_text="whose use; empty is everybody's")
    rules = models.JSONField(help_text="what is allowed, see docs/guardrails.md")
    verdict = models.CharField(max_length=16, choices=[(one.value, one.value) for one in Verdict])
    on_failure = models.CharField(
        max_length=8, choices=[(one.value, one.value) for one in OnFailure]
    )
    valid_from = models.DateField(help_text="first day it holds")
    valid_to = models.DateField(null=True, blank=True, help_text="first day it does not")
    created_by = models.CharField(max_length=254)
    created_at = models.DateTimeField()
    retired_by = models.CharField(max_length=254, blank=True)
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(name__gt=""), name="budgets_modelpolicy_named"),
            models.CheckConstraint(
                condition=Q(verdict__in=["deny", "needs_approval", "warn"]),
                name="budgets_modelpolicy_verdict",
            ),
            models.CheckConstraint(
                condition=Q(on_failure__in=[one.value for one in OnFailure]),
                name="budgets_modelpolicy_on_failure",
            ),
            models.CheckConstraint(
                condition=Q(valid_to__isnull=True) | Q(valid_to__gt=F("valid_from")),
                name="budgets_modelpolicy_days",
            ),
            models.CheckConstraint(
                condition=Q(retired_at__isnull=True, retired_by="")
                | Q(retired_at__isnull=False, retired_by__gt=""),
                name="budgets_modelpolicy_retired_by_somebody",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def facts(self) -> PolicyFacts:
        """Return the row as a frozen value."""
        return PolicyFacts.of(
            id=self.public_id,
            name=self.name,
            scope=dict(self.scope),
            rules=self.rules,
            verdict=Verdict(self.verdict),
            on_failure=OnFailure(self.on_failure),
            valid_from=self.valid_from,
            valid_to=self.valid_to,
        )


class Justification(models.Model):
    """Why a scope may use ultra-large contexts for a while: the return that is expected."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    scope = models.JSONField(default=dict)
    reason = models.TextField(help_text="expected return on investment")
    valid_from = models.DateField()
    valid_to = models.DateField(help_text="first day it does not hold")
    created_by = models.CharField(max_length=254)
    created_at = models.DateTimeField()
    retired_by = models.CharField(max_length=254, blank=True)
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(reason__gt="") & Q(valid_to__gt=F("valid_from")),
                name="budgets_justification_of_something",
            ),
        ]

    def __str__(self) -> str:
        return self.reason[:80]


class ExperimentTag(models.Model):
    """Whether the request behind a tag `experiment` is approved, as its app announces it."""

    experiment = models.CharField(max_length=64, unique=True, help_text="the tag, as exp-42")
    state = models.CharField(max_length=12, choices=[(one.value, one.value) for one in TagState])
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ["experiment"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=[one.value for one in TagState], experiment__gt=""),
                name="budgets_experimenttag_state",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.experiment} {self.state}"
