"""Rules, driver values, and runs with their sources, reasons and lines.

Money is in the tenant's currency at 1e-12 (rule 14). Rows under a run are written by COPY in the
transaction that publishes it; their foreign keys carry no constraint of their own, because the
trigger that publishes the run checks them all at once (docs/allocation.md).
"""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db import models
from django.db.models import Q

from apps.allocation.domain.rules import Axis, Method, ZeroPolicy

_AXES = [(axis.value, axis.value) for axis in Axis]


class RunState(models.TextChoices):
    """How far a run has come; from published on nothing in it changes.

    A what-if run is kept beside them and never published.
    """

    DRAFT = "draft"
    PUBLISHED = "published"
    SUPERSEDED = "superseded"
    WHAT_IF = "what_if"


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


class AdjustmentState(models.TextChoices):
    """How far an adjustment has come; only an approved one is booked."""

    REQUESTED = "requested"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


class Adjustment(models.Model):
    """An amount moved by hand from one receiver to another (rule 17), by two people.

    Booked by every run of its month once approved, as lines of a kind of their own that sum to
    zero. Decided once; what is asked for never changes.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    code = models.CharField(max_length=64, unique=True, help_text="adj-2026-10-1")
    month = models.DateField(help_text="first day of the month it is booked in")
    axis = models.CharField(max_length=16, choices=_AXES)
    sender = models.CharField(max_length=64, help_text="who bears less")
    receiver = models.CharField(max_length=64, help_text="who bears more")
    amount = models.DecimalField(
        max_digits=30, decimal_places=12, help_text="in `currency`, a whole of its minor unit"
    )
    currency = models.CharField(max_length=3, help_text="ISO 4217, the tenant's")
    reason = models.TextField()
    reference = models.CharField(max_length=200, blank=True, help_text="what it answers")
    state = models.CharField(
        max_length=16, choices=AdjustmentState.choices, default=AdjustmentState.REQUESTED
    )
    requested_by = models.CharField(max_length=254)
    requested_by_user = models.BigIntegerField(null=True, help_text="id of the person, if one")
    requested_at = models.DateTimeField()
    decided_by = models.CharField(max_length=254, blank=True)
    decided_by_user = models.BigIntegerField(null=True, help_text="id of the person, if one")
    decided_at = models.DateTimeField(null=True)
    comment = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(amount__gt=0) & Q(reason__gt="") & Q(code__gt=""),
                name="allocation_adjustment_says_what",
            ),
            models.CheckConstraint(
                condition=Q(month__day=1) & Q(axis__in=[a.value for a in Axis]),
                name="allocation_adjustment_place",
            ),
            models.CheckConstraint(
                condition=~Q(sender=models.F("receiver")), name="allocation_adjustment_moves"
            ),
            models.CheckConstraint(
                condition=Q(state="requested", decided_at__isnull=True, decided_by="")
                | Q(state__in=["approved", "rejected", "withdrawn"], decided_at__isnull=False),
                name="allocation_adjustment_decided",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["approved", "rejected"])
                | Q(decided_by_user__isnull=False)
                & ~Q(decided_by=models.F("requested_by"))
                & (
                    Q(requested_by_user__isnull=True)
                    | ~Q(decided_by_user=models.F("requested_by_user"))
                ),
                name="allocation_adjustment_two_people",
            ),
        ]
        indexes = [models.Index(fields=["month", "-id"], name="allocation_adjustment_month")]

    def __str__(self) -> str:
        return self.code

    # Mutators

    def decide(
        self, state: AdjustmentState, *, by: str, user: int | None, at: datetime, comment: str
    ) -> None:
        """End the request, well or not."""
        self.state = state.value
        self.decided_by, self.decided_by_user = by, user
        self.decided_at, self.comment = at, comment
        self.save(update_fields=["state", "decided_by", "decided_by_user", "decided_at", "comment"])


class AdjustmentFile(models.Model):
    """A file that came with a request for an adjustment; bytes lie with documents; append-only."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    adjustment = models.ForeignKey(Adjustment, on_delete=models.PROTECT, related_name="files")
    name = models.CharField(max_length=120)
    media_type = models.CharField(max_length=100)
    size = models.IntegerField(help_text="bytes")
    sha256 = models.CharField(max_length=64)
    storage_key = models.CharField(max_length=500, unique=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(size__gt=0), name="allocation_adjustmentfile_is_not_empty"
            )
        ]

    def __str__(self) -> str:
        return self.name


class Run(models.Model):
    """One execution of the allocation of a month.

    The database publishes it only when, per axis and metric, lines minus sources is exactly zero;
    from then on it only ever changes to superseded, together with its successor's publication.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    month = models.DateField(help_text="first day of the month")
    state = models.CharField(max_length=16, choices=RunState.choices, default=RunState.DRAFT)
    currency = models.CharField(max_length=3, help_text="ISO 4217, the tenant's")
    input_hash = models.CharField(max_length=64, help_text="SHA-256 of all inputs")
    output_hash = models.CharField(max_length=64, help_text="SHA-256 of all lines")
    sources_hash = models.CharField(max_length=64, help_text="SHA-256 of the cost base copied")
    engine_version = models.CharField(max_length=16)
    source_count = models.BigIntegerField(help_text="rows in allocation.Source")
    line_count = models.BigIntegerField(help_text="rows in allocation.Line, both axes")
    billed = models.DecimalField(
        max_digits=44, decimal_places=12, help_text="sum of the sources, tenant's currency"
    )
    effective = models.DecimalField(
        max_digits=44, decimal_places=12, help_text="sum of the sources, tenant's currency"
    )
    rounding = models.DecimalField(
        max_digits=44,
        decimal_places=30,
        help_text="effective cost base minus sources, tenant's currency; within half of 1e-12",
    )
    is_what_if = models.BooleanField(
        default=False, help_text="run by rules that are not in force; never published"
    )
    name = models.CharField(max_length=200, blank=True, help_text="what a what-if run supposes")
    provisional_fx = models.BooleanField(help_text="converted at budget rates")
    rules = models.JSONField(help_text="the rule versions applied; frozen")
    drivers = models.JSONField(help_text="the driver values used, by axis; frozen")
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=254)
    published_at = models.DateTimeField(null=True, blank=True)
    superseded_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["month"],
                condition=Q(state="published"),
                name="allocation_run_one_published_a_month",
            ),
            models.CheckConstraint(
                condition=Q(state__in=RunState.values), name="allocation_run_state_known"
            ),
            models.CheckConstraint(
                condition=Q(month__day=1), name="allocation_run_month_is_a_first_day"
            ),
            models.CheckConstraint(
                condition=Q(state="draft", published_at__isnull=True, superseded_at__isnull=True)
                | Q(state="published", published_at__isnull=False, superseded_at__isnull=True)
                | Q(state="superseded", published_at__isnull=False, superseded_at__isnull=False)
                | Q(state="what_if", published_at__isnull=True, superseded_at__isnull=True),
                name="allocation_run_times_fit_state",
            ),
            models.CheckConstraint(
                condition=Q(is_what_if=True, name__gt="", state__in=["draft", "what_if"])
                | Q(is_what_if=False, state__in=["draft", "published", "superseded"]),
                name="allocation_run_what_if_is_never_published",
            ),
        ]
        indexes = [models.Index(fields=["month", "-id"], name="allocation_run_by_month")]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m} {self.public_id}"

    # Mutators

    def publish(self, *, at: datetime) -> None:
        """Make this the published run of its month; the database checks conservation."""
        self.state, self.published_at = RunState.PUBLISHED.value, at
        self.save(update_fields=["state", "published_at"])

    def keep(self) -> None:
        """Keep this what-if run for good; the database checks it like one that is published."""
        self.state = RunState.WHAT_IF.value
        self.save(update_fields=["state"])

    def supersede(self, *, at: datetime) -> None:
        """Give way to a newer run of the month."""
        self.state, self.superseded_at = RunState.SUPERSEDED.value, at
        self.save(update_fields=["state", "superseded_at"])


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
