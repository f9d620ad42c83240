"""Budgets, the counters of their windows, and what was told of them."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import F, Q

from apps.budgets.domain.budgets import (
    Basis,
    BudgetDraft,
    BudgetFacts,
    OnFailure,
    Threshold,
    Unpriced,
)
from apps.budgets.domain.limits import Counters, Limit, Rollover
from apps.budgets.domain.windows import Days, Window, WindowRule
from apps.core.domain.money import EXACT


def _amount(help_text: str, **options: Any) -> models.DecimalField[Any, Any]:
    return models.DecimalField(max_digits=30, decimal_places=12, help_text=help_text, **options)


def _counter(help_text: str) -> models.DecimalField[Any, Any]:
    """Return a field that takes a cost of 24 decimals at a rate of 12 without rounding."""
    return models.DecimalField(max_digits=60, decimal_places=36, default=0, help_text=help_text)


class Registry(models.Model):
    """The one row that says which budgets there are: drawers hold it, whoever changes moves it.

    `basis` is a digest of what decides which usage draws what: attribution, rates, declared feeds.
    """

    version = models.UUIDField()
    basis = models.TextField(blank=True, help_text="digest of attribution, rates and feeds")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="budgets_registry_one_row"),
        ]

    def __str__(self) -> str:
        return str(self.version)


class Budget(models.Model):
    """A limit on a scope and a window; a grant is the budget of an experiment."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=200)
    scope = models.JSONField(default=dict, help_text="codes by key; empty is everything")
    window = models.CharField(max_length=8, choices=[(w.value, w.value) for w in Window])
    starts_on = models.DateField(help_text="first day that counts, in the tenant's timezone")
    ends_on = models.DateField(null=True, blank=True, help_text="last day of a fixed window")
    days = models.IntegerField(null=True, blank=True, help_text="days that a rolling window counts")
    amount = _amount("per window, in `currency`")
    currency = models.CharField(max_length=3)
    limit = models.CharField(max_length=4, choices=[(one.value, one.value) for one in Limit])
    unused_cap = _amount("of unused money, carried over at most", null=True, blank=True)
    carry_overspend = models.BooleanField(default=False)
    thresholds = models.JSONField(default=list, help_text="percent of the limit, and of what")
    owners = models.JSONField(default=list, help_text="e-mail addresses that alerts go to")
    unpriced = models.CharField(max_length=16, choices=[(one.value, one.value) for one in Unpriced])
    on_failure = models.CharField(
        max_length=8, choices=[(one.value, one.value) for one in OnFailure]
    )
    is_grant = models.BooleanField(default=False)
    team = models.CharField(max_length=256, blank=True, help_text="whose grant it is")
    created_by = models.CharField(max_length=254)
    created_at = models.DateTimeField()
    retired_by = models.CharField(max_length=254, blank=True)
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(name__gt=""), name="budgets_budget_named"),
            models.CheckConstraint(condition=Q(amount__gte=0), name="budgets_budget_amount"),
            models.CheckConstraint(
                condition=Q(currency__regex="^[A-Z]{3}$"), name="budgets_budget_currency"
            ),
            models.CheckConstraint(
                condition=Q(limit__in=[one.value for one in Limit]), name="budgets_budget_limit"
            ),
            models.CheckConstraint(
                condition=Q(window="fixed", ends_on__gte=F("starts_on"))
                | (~Q(window="fixed") & Q(ends_on__isnull=True)),
                name="budgets_budget_fixed_ends",
            ),
            models.CheckConstraint(
                condition=Q(window="rolling", days__gt=0)
                | (Q(window__in=["month", "quarter", "year", "fixed"]) & Q(days__isnull=True)),
                name="budgets_budget_rolling_counts_days",
            ),
            models.CheckConstraint(
                condition=Q(unused_cap__isnull=True) | Q(unused_cap__gte=0),
                name="budgets_budget_unused_cap",
            ),
            models.CheckConstraint(
                condition=(Q(unused_cap__isnull=True) & Q(carry_overspend=False))
                | Q(window__in=["month", "quarter", "year"]),
                name="budgets_budget_carries_between_windows",
            ),
            models.CheckConstraint(
                condition=Q(unpriced__in=[one.value for one in Unpriced])
                & Q(on_failure__in=[one.value for one in OnFailure]),
                name="budgets_budget_policies_known",
            ),
            models.CheckConstraint(
                condition=Q(retired_at__isnull=True, retired_by="")
                | Q(retired_at__isnull=False, retired_by__gt=""),
                name="budgets_budget_retired_by_somebody",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    # Mutators

    def take(self, draft: BudgetDraft, rule: WindowRule) -> None:
        """Take what a draft says; the caller saves."""
        self.name = draft.name.strip()
        self.scope = dict(draft.scope)
        self.window, self.starts_on = rule.kind.value, rule.starts_on
        self.ends_on, self.days = rule.ends_on, rule.days
        self.amount, self.currency = draft.amount, draft.currency
        self.limit = draft.limit.value
        self.unused_cap = draft.rollover.unused_cap
        self.carry_overspend = draft.rollover.overspend
        self.thresholds = [one.as_json() for one in sorted(draft.thresholds)]
        self.owners = list(dict.fromkeys(draft.owners))
        self.unpriced, self.on_failure = draft.unpriced.value, draft.on_failure.value

    def retire(self, *, by: str, at: datetime) -> None:
        """Count no more from now on; what was counted stays."""
        self.retired_by, self.retired_at = by, at
        self.save()

    # Queries

    @property
    def facts(self) -> BudgetFacts:
        """Return the row as a frozen value."""
        return BudgetFacts(
            key=self.pk,
            id=self.public_id,
            name=self.name,
            scope=dict(self.scope),
            rule=WindowRule(Window(self.window), self.starts_on, self.ends_on, self.days),
            amount=self.amount,
            currency=self.currency,
            limit=Limit(self.limit),
            rollover=Rollover(self.unused_cap, self.carry_overspend),
            thresholds=tuple(Threshold.of(one) for one in self.thresholds),
            owners=tuple(self.owners),
            unpriced=Unpriced(self.unpriced),
            on_failure=OnFailure(self.on_failure),
            is_grant=self.is_grant,
            team=self.team,
            created_at=self.created_at,
            created_by=self.created_by,
            retired_at=self.retired_at,
        )


class BudgetWindow(models.Model):
    """The counters of one window, moved in the transaction of what they count (rule 12).

    `spent` is rated usage, `held` is set aside, `overrun` is what use took above a hard limit: an
    authorization never raises it (trigger), so it never passes the limit.
    """

    budget = models.ForeignKey(Budget, on_delete=models.PROTECT, related_name="windows")
    starts_on = models.DateField(help_text="first day")
    ends_on = models.DateField(null=True, help_text="first day after it; NULL: rolling")
    amount = _amount("in the budget's currency")
    carried = models.DecimalField(
        max_digits=60, decimal_places=36, default=0, help_text="from the window before; may be < 0"
    )
    raised = models.DecimalField(
        max_digits=30, decimal_places=12, default=0, help_text="by raises that are in force"
    )
    is_hard = models.BooleanField()
    spent = _counter("rated usage, in the budget's currency")
    held = _counter("set aside by holds")
    overrun = _counter("used above a hard limit")
    as_of = models.DateField(null=True, help_text="last day that counts of a rolling window")
    lacks_rates = models.TextField(
        blank=True, default="", help_text="currencies used that the month has no budget rate of"
    )

    class Meta:
        ordering = ["budget", "starts_on"]
        constraints = [
            models.UniqueConstraint(
                fields=["budget", "starts_on"], name="budgets_budgetwindow_once"
            ),
            models.CheckConstraint(
                condition=Q(is_hard=False)
                | Q(spent__lte=F("amount") + F("carried") + F("raised") + F("overrun") - F("held")),
                name="budgets_budgetwindow_within_limit",
            ),
            models.CheckConstraint(
                condition=Q(held__gte=0, overrun__gte=0), name="budgets_budgetwindow_no_debt"
            ),
            models.CheckConstraint(
                condition=Q(ends_on__isnull=True, as_of__isnull=False)
                | Q(ends_on__gt=F("starts_on"), as_of__isnull=True),
                name="budgets_budgetwindow_ends",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.budget_id} from {self.starts_on}"

    @property
    def days(self) -> Days:
        """Return the days of the window."""
        return Days(self.starts_on, self.ends_on)

    @property
    def counters(self) -> Counters:
        """Return the money of the window."""
        limit = EXACT.add(EXACT.add(self.amount, self.carried), self.raised)
        return Counters(limit, self.spent, self.held, self.overrun)


class DailySpend(models.Model):
    """What a rolling budget spent on one day; summed under its window's lock."""

    pk = models.CompositePrimaryKey("budget_id", "day")
    budget = models.ForeignKey(Budget, on_delete=models.PROTECT, related_name="daily")
    day = models.DateField(help_text="day of use in the tenant's timezone")
    spent = _counter("rated usage, in the budget's currency")

    def __str__(self) -> str:
        return f"{self.budget_id} on {self.day}"


class BudgetRaise(models.Model):
    """More money for a while: added to the limit until it expires; append-only."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    budget = models.ForeignKey(Budget, on_delete=models.PROTECT, related_name="raises")
    amount = _amount("added to the limit, in the budget's currency")
    expires_at = models.DateTimeField(help_text="from then on it does not count")
    reason = models.TextField()
    created_by = models.CharField(max_length=254)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(amount__gt=0, reason__gt="") & Q(expires_at__gt=F("created_at")),
                name="budgets_budgetraise_of_something",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount} until {self.expires_at}"


class Alert(models.Model):
    """A threshold that a window crossed: told once, then once more to those above; append-only."""

    window = models.ForeignKey(BudgetWindow, on_delete=models.PROTECT, related_name="alerts")
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    basis = models.CharField(max_length=8, choices=[(one.value, one.value) for one in Basis])
    percent = models.DecimalField(max_digits=6, decimal_places=2, help_text="of the limit")
    step = models.IntegerField(default=0, help_text="0 told to the owners, 1 escalated")
    opened_on = models.DateField(help_text="first day of the window, or of the rolling stretch")
    amount = models.DecimalField(max_digits=60, decimal_places=36, help_text="what crossed it")
    fired_at = models.DateTimeField()

    class Meta:
        ordering = ["-fired_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["window", "opened_on", "basis", "percent", "step"],
                name="budgets_alert_once",
            ),
            models.CheckConstraint(
                condition=Q(step__in=[0, 1]) & Q(basis__in=[one.value for one in Basis]),
                name="budgets_alert_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.percent}% {self.basis}"


class Snooze(models.Model):
    """Alerts of a budget are held back until a moment, for a reason; append-only."""

    budget = models.ForeignKey(Budget, on_delete=models.PROTECT, related_name="snoozes")
    until = models.DateTimeField()
    reason = models.TextField()
    created_by = models.CharField(max_length=254)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(reason__gt="") & Q(until__gt=F("created_at")),
                name="budgets_snooze_for_a_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"until {self.until}"
