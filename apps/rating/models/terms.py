"""What a tenant negotiated beside fixed prices: discounts, commitments, and cost models."""

from __future__ import annotations

import uuid

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import RangeOperators
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Cast, Coalesce

from apps.rating.models.prices import UNIT_SIZES, Moments


class Scoped(models.Model):
    """Which list prices a discount or commitment is about; an empty field leaves it open."""

    provider = models.CharField(max_length=64, blank=True, help_text="empty: every provider")
    family = models.CharField(max_length=200, blank=True, help_text="empty: every family")
    model = models.CharField(max_length=200, blank=True, help_text="code, or prefix with *")
    meter = models.CharField(max_length=64, blank=True, help_text="empty: every meter")

    class Meta:
        abstract = True


class Believed(models.Model):
    """A term in two times; a trigger lets `known_to` change once, and nothing else."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField(null=True, help_text="empty: until further notice")
    known_from = models.DateTimeField()
    known_to = models.DateTimeField(null=True, help_text="empty: still believed")
    note = models.CharField(max_length=500, blank=True, help_text="contract, amendment, reason")
    created_by = models.CharField(max_length=254)
    replaces = models.ForeignKey(
        "self", null=True, on_delete=models.PROTECT, related_name="replaced_by", db_index=False
    )

    class Meta:
        abstract = True


class Discount(Scoped, Believed):
    """A share off the list prices of a scope, under conditions that narrow it further."""

    service_tier = models.CharField(max_length=64, blank=True, help_text="empty: every tier")
    batch = models.BooleanField(null=True, help_text="empty: batch and other requests")
    region = models.CharField(max_length=64, blank=True, help_text="empty: every region")
    context_gt = models.BigIntegerField(null=True, help_text="context tier; empty: every one")
    percent = models.DecimalField(max_digits=9, decimal_places=6, help_text="off the list price")

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(percent__gt=0, percent__lte=100), name="rating_discount_percent"
            ),
            models.CheckConstraint(
                condition=Q(family="") | Q(model=""), name="rating_discount_family_or_model"
            ),
            models.CheckConstraint(
                condition=Q(model__regex=r"^[^*]*\*?$"), name="rating_discount_model"
            ),
            models.CheckConstraint(
                condition=Q(valid_to__isnull=True) | Q(valid_to__gt=F("valid_from")),
                name="rating_discount_validity",
            ),
            models.CheckConstraint(
                condition=Q(known_to__isnull=True) | Q(known_to__gte=F("known_from")),
                name="rating_discount_known",
            ),
            ExclusionConstraint(
                name="rating_discount_no_overlap",
                expressions=[
                    ("provider", RangeOperators.EQUAL),
                    ("family", RangeOperators.EQUAL),
                    ("model", RangeOperators.EQUAL),
                    ("meter", RangeOperators.EQUAL),
                    ("service_tier", RangeOperators.EQUAL),
                    ("region", RangeOperators.EQUAL),
                    (Coalesce(Cast("batch", models.IntegerField()), -1), RangeOperators.EQUAL),
                    (Coalesce("context_gt", -1), RangeOperators.EQUAL),
                    (Moments("valid_from", "valid_to"), RangeOperators.OVERLAPS),
                    (Moments("known_from", "known_to"), RangeOperators.OVERLAPS),
                ],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.percent} % off {self.provider} {self.family}{self.model} {self.meter}"


class Commitment(Scoped):
    """An agreement with levels: commit so much a month, get that price or discount."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=200, unique=True)
    measure = models.CharField(max_length=8, choices=[("spend", "spend"), ("quantity", "quantity")])
    currency = models.CharField(max_length=3, help_text="of spend and of prices; ISO 4217")
    note = models.CharField(max_length=500, blank=True)
    created_by = models.CharField(max_length=254)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(measure="spend") | Q(measure="quantity", meter__gt=""),
                name="rating_commitment_measure",
            ),
            models.CheckConstraint(
                condition=Q(family="") | Q(model=""), name="rating_commitment_family_or_model"
            ),
            models.CheckConstraint(
                condition=Q(model__regex=r"^[^*]*\*?$"), name="rating_commitment_model"
            ),
            models.CheckConstraint(
                condition=Q(currency__regex="^[A-Z]{3}$"), name="rating_commitment_currency"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class CommitmentLevel(models.Model):
    """One level: what is committed a month, and the discount or the price that it gives."""

    commitment = models.ForeignKey(
        Commitment, on_delete=models.PROTECT, related_name="levels", db_index=False
    )
    position = models.IntegerField(help_text="1 is the lowest")
    commit = models.DecimalField(
        max_digits=34, decimal_places=12, help_text="a month; money, or units of the meter"
    )
    percent = models.DecimalField(max_digits=9, decimal_places=6, null=True)
    amount = models.DecimalField(max_digits=30, decimal_places=18, null=True)
    unit_size = models.BigIntegerField(null=True, help_text="units that the amount is for")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["commitment", "position"], name="rating_commitmentlevel_once"
            ),
            models.UniqueConstraint(
                fields=["id", "commitment"], name="rating_commitmentlevel_of_commitment"
            ),
            models.CheckConstraint(
                condition=Q(position__gte=1, commit__gt=0), name="rating_commitmentlevel_commit"
            ),
            models.CheckConstraint(
                condition=Q(
                    percent__gt=0, percent__lte=100, amount__isnull=True, unit_size__isnull=True
                )
                | Q(percent__isnull=True, amount__gte=0, unit_size__in=UNIT_SIZES),
                name="rating_commitmentlevel_gives",
            ),
        ]

    def __str__(self) -> str:
        return f"level {self.position} of {self.commitment_id}"


class CommitmentTerm(Believed):
    """Which level of a commitment is in force, over which time."""

    commitment = models.ForeignKey(
        Commitment, on_delete=models.PROTECT, related_name="terms", db_index=False
    )
    level = models.ForeignKey(
        CommitmentLevel, on_delete=models.PROTECT, related_name="terms", db_index=False
    )

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(valid_to__isnull=True) | Q(valid_to__gt=F("valid_from")),
                name="rating_commitmentterm_validity",
            ),
            models.CheckConstraint(
                condition=Q(known_to__isnull=True) | Q(known_to__gte=F("known_from")),
                name="rating_commitmentterm_known",
            ),
            ExclusionConstraint(
                name="rating_commitmentterm_no_overlap",
                expressions=[
                    ("commitment", RangeOperators.EQUAL),
                    (Moments("valid_from", "valid_to"), RangeOperators.OVERLAPS),
                    (Moments("known_from", "known_to"), RangeOperators.OVERLAPS),
                ],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.commitment_id} at {self.level_id} from {self.valid_from:%Y-%m-%d}"


class CostModel(models.Model):
    """How the prices per token of a self-hosted model were derived; append-only.

    `inputs` are what was entered, `derivation` every step to each price, both as decimal texts.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=200)
    inputs = models.JSONField()
    derivation = models.JSONField()
    created_by = models.CharField(max_length=254)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.name
