"""What a run holds: its sources, its reasons and its lines.

Rows under a run are written by COPY in the transaction that publishes it; their foreign keys carry
no constraint of their own, because the trigger that publishes the run checks them all at once
(docs/allocation.md).
"""

from __future__ import annotations

from django.db import models

from apps.allocation.domain.rules import Axis
from apps.allocation.models.runs import Run

_AXES = [(axis.value, axis.value) for axis in Axis]


class Source(models.Model):
    """One line of the cost base as the run saw it, with its owner; sealed with the run."""

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(
        Run,
        on_delete=models.PROTECT,
        related_name="sources",
        db_constraint=False,
        db_index=False,
    )
    key = models.TextField(help_text="stable key of the cost line")
    origin = models.CharField(max_length=16, help_text="usage or bill")
    basis = models.CharField(
        max_length=16, help_text="metered, accrued, billed, true_up or reversed"
    )
    provider_account = models.TextField(blank=True)
    original_month = models.CharField(
        max_length=7, blank=True, help_text="month of a late bill or reversal, as 2026-09"
    )
    tags = models.JSONField(help_text="frozen")
    tag_set = models.BigIntegerField(null=True, help_text="id of the interned tag set")
    account = models.TextField(blank=True)
    provider = models.TextField(blank=True)
    service = models.TextField(blank=True)
    model = models.TextField(blank=True)
    sku = models.TextField(blank=True)
    meter = models.TextField(blank=True)
    charge_category = models.TextField(blank=True)
    quantity = models.DecimalField(
        max_digits=60, decimal_places=30, null=True, help_text="in `unit`"
    )
    unit = models.TextField(blank=True)
    unit_price = models.DecimalField(
        max_digits=48, decimal_places=18, null=True, help_text="original currency per unit_size"
    )
    unit_size = models.BigIntegerField(null=True, help_text="units that unit_price buys")
    price_source = models.TextField(blank=True)
    price = models.BigIntegerField(null=True, help_text="id of rating.Price")
    billed = models.DecimalField(max_digits=44, decimal_places=12, help_text="tenant's currency")
    effective = models.DecimalField(max_digits=44, decimal_places=12, help_text="tenant's currency")
    saving = models.DecimalField(
        max_digits=44,
        decimal_places=12,
        default=0,
        help_text="tenant's currency; contracted minus effective cost of a commitment's use",
    )
    original_currency = models.CharField(max_length=3)
    original_amount = models.DecimalField(
        max_digits=60, decimal_places=30, null=True, help_text="original_currency, unrounded"
    )
    fx_rate = models.DecimalField(
        max_digits=30, decimal_places=18, null=True, help_text="tenant's currency per original unit"
    )
    first_day = models.DateField(null=True, help_text="first day of use")
    last_day = models.DateField(null=True, help_text="last day of use")
    team = models.TextField(blank=True)
    cost_center = models.TextField()
    product = models.TextField(blank=True)
    feature = models.TextField(blank=True)
    customer = models.TextField(blank=True)
    experiment = models.TextField(blank=True)
    environment = models.TextField(blank=True)
    attribution = models.TextField(blank=True, help_text="attribution rule that decided")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "key"], name="allocation_source_one_per_key"),
        ]

    def __str__(self) -> str:
        return self.key


class Basis(models.Model):
    """Why a receiver bears a share of the sources that go the same way; sealed with the run."""

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(
        Run, on_delete=models.PROTECT, related_name="bases", db_constraint=False, db_index=False
    )
    axis = models.CharField(max_length=16, choices=_AXES)
    receiver = models.TextField()
    kind = models.CharField(max_length=16)
    rule = models.CharField(max_length=64, blank=True)
    method = models.CharField(max_length=16, blank=True)
    driver = models.CharField(max_length=64, blank=True)
    measure = models.TextField(blank=True, help_text="where the weights come from")
    driver_value = models.DecimalField(
        max_digits=60, decimal_places=30, help_text="of the receiver, in the driver's unit"
    )
    driver_total = models.DecimalField(
        max_digits=60, decimal_places=30, help_text="of all receivers, in the driver's unit"
    )
    share = models.DecimalField(
        max_digits=20, decimal_places=18, help_text="rounded for display; `share_exact` counts"
    )
    share_exact = models.TextField(help_text="numerator/denominator")
    hops = models.JSONField(help_text="every step on the way; explains, is never summed; frozen")

    class Meta:
        indexes = [models.Index(fields=["run", "axis"], name="allocation_basis_by_run")]

    def __str__(self) -> str:
        return f"{self.axis} {self.receiver} {self.share}"


class Line(models.Model):
    """What one receiver bears of one source on one axis; sealed with the run."""

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(
        Run, on_delete=models.PROTECT, related_name="lines", db_constraint=False, db_index=False
    )
    axis = models.CharField(max_length=16, choices=_AXES)
    source = models.ForeignKey(
        Source,
        on_delete=models.PROTECT,
        null=True,
        related_name="lines",
        db_constraint=False,
        db_index=False,
        help_text="none on a markup",
    )
    basis = models.ForeignKey(
        Basis, on_delete=models.PROTECT, related_name="lines", db_constraint=False, db_index=False
    )
    receiver = models.TextField()
    cost_center = models.TextField()
    kind = models.CharField(max_length=16)
    billed = models.DecimalField(max_digits=44, decimal_places=12, help_text="tenant's currency")
    effective = models.DecimalField(max_digits=44, decimal_places=12, help_text="tenant's currency")

    class Meta:
        indexes = [
            models.Index(fields=["run", "axis", "receiver"], name="allocation_line_by_receiver")
        ]

    def __str__(self) -> str:
        return f"{self.axis} {self.receiver} {self.effective}"
