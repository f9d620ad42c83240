"""Versions of rules, and revisions of uploaded driver values."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q

from apps.allocation.domain.rules import Axis, Method, ZeroPolicy

_AXES = [(axis.value, axis.value) for axis in Axis]


class AllocationRule(models.Model):
    """One version of one rule; append-only, a change or an end is a new version."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    code = models.CharField(max_length=64)
    version = models.IntegerField(help_text="counts from 1 within a code")
    name = models.CharField(max_length=200)
    axis = models.CharField(max_length=16, choices=_AXES)
    level = models.IntegerField(help_text="lower levels run first; later ones may pick up")
    priority = models.IntegerField(help_text="within a level the smallest picks first")
    method = models.CharField(max_length=16, choices=[(m.value, m.value) for m in Method])
    scope = models.JSONField(help_text="which cost the rule picks up; frozen")
    receivers = models.JSONField(help_text="who shares, in percent for fixed splits; frozen")
    driver = models.CharField(max_length=64, blank=True)
    zero_policy = models.CharField(max_length=16, choices=[(z.value, z.value) for z in ZeroPolicy])
    final_only = models.BooleanField(help_text="leave out receivers that pass their cost on")
    percent = models.DecimalField(
        max_digits=12, decimal_places=6, help_text="markup in percent of what is charged"
    )
    tiers = models.JSONField(default=list, help_text="bands of a tiered driver; frozen")
    minimum_share = models.DecimalField(
        max_digits=9, decimal_places=6, default=0, help_text="least share of a receiver, percent"
    )
    maximum_share = models.DecimalField(
        max_digits=9, decimal_places=6, default=100, help_text="most share of a receiver, percent"
    )
    valid_from = models.DateField(help_text="first day of the first month it applies to")
    valid_to = models.DateField(
        null=True, blank=True, help_text="first day of the first month it no longer applies to"
    )
    is_ended = models.BooleanField(default=False, help_text="this version ends the rule")
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=254)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["code", "version"], name="allocation_rule_one_per_version"
            ),
            models.CheckConstraint(
                condition=Q(version__gte=1) & Q(level__gte=1) & Q(level__lte=100),
                name="allocation_rule_numbers_in_range",
            ),
            models.CheckConstraint(
                condition=Q(axis__in=[a.value for a in Axis])
                & Q(method__in=[m.value for m in Method])
                & Q(zero_policy__in=[z.value for z in ZeroPolicy]),
                name="allocation_rule_words_known",
            ),
            models.CheckConstraint(
                condition=Q(code__gt="") & Q(percent__gte=-100), name="allocation_rule_named"
            ),
            models.CheckConstraint(
                condition=Q(minimum_share__gte=0)
                & Q(minimum_share__lte=models.F("maximum_share"))
                & Q(maximum_share__gt=0)
                & Q(maximum_share__lte=100),
                name="allocation_rule_shares_in_order",
            ),
            models.CheckConstraint(
                condition=Q(valid_from__day=1)
                & (
                    Q(valid_to__isnull=True)
                    | Q(valid_to__day=1, valid_to__gt=models.F("valid_from"))
                ),
                name="allocation_rule_months_in_order",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} v{self.version}"


class Driver(models.Model):
    """One uploaded driver value of a receiver in a month; append-only, the last revision counts."""

    code = models.CharField(max_length=64, help_text="headcount, gpu_hours, ...")
    axis = models.CharField(max_length=16, choices=_AXES)
    month = models.DateField(help_text="first day of the month")
    receiver = models.CharField(max_length=64)
    revision = models.IntegerField()
    value = models.DecimalField(
        max_digits=28, decimal_places=6, help_text="in the driver's own unit; zero withdraws it"
    )
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=254)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["code", "axis", "month", "receiver", "revision"],
                name="allocation_driver_one_per_revision",
            ),
            models.CheckConstraint(
                condition=Q(value__gte=0), name="allocation_driver_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(month__day=1), name="allocation_driver_month_is_a_first_day"
            ),
            models.CheckConstraint(
                condition=Q(axis__in=[a.value for a in Axis]), name="allocation_driver_axis_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.month:%Y-%m} {self.receiver} #{self.revision}"
