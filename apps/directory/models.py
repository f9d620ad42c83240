"""Who may own cost: the tree of cost centers, teams, products, features, customers, and rules.

Codes never change and entries are never deleted. What is effective-dated (parents, memberships,
rules) is also kept by the time we knew it: a row is superseded, not changed, so that a closed
month can be attributed again exactly as it was.
"""

from __future__ import annotations

import uuid
from datetime import date, datetime

from django.db import models
from django.db.models import F, Q

from apps.directory.domain.entries import CostCenterKind
from apps.directory.domain.rules import Rule, parse
from apps.directory.domain.spans import Span

ALWAYS = "empty: always has"
FOR_GOOD = "first day on which it no longer holds; empty: for good"


def _valid_in_order(model: str) -> models.CheckConstraint:
    return models.CheckConstraint(
        condition=Q(valid_from__isnull=True)
        | Q(valid_to__isnull=True)
        | Q(valid_from__lt=F("valid_to")),
        name=f"directory_{model}_valid_in_order",
    )


class _Entry(models.Model):
    public_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    code = models.CharField(max_length=64, unique=True, help_text="never changes")
    name = models.CharField(max_length=200)
    valid_from = models.DateField(null=True, blank=True, help_text=ALWAYS)
    valid_to = models.DateField(null=True, blank=True, help_text=FOR_GOOD)
    created_at = models.DateTimeField(help_text="when we came to know it")
    retired_at = models.DateTimeField(
        null=True, blank=True, help_text="when we came to know the end of its validity"
    )

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.code

    @property
    def days(self) -> Span:
        """Return on which days the code is valid."""
        return Span(self.valid_from, self.valid_to, self.code)

    def days_known_at(self, moment: datetime) -> Span:
        """Return on which days the code was valid as we knew it at a moment."""
        retired = self.retired_at is not None and self.retired_at <= moment
        return Span(self.valid_from, self.valid_to if retired else None, self.code)


class CostCenter(_Entry):
    """An accounting node with a statement, an owner and a general-ledger code.

    UNALLOCATED and MARKUP are always there; a trigger refuses to end them.
    """

    kind = models.CharField(
        max_length=16,
        choices=[(k.value, k.value) for k in CostCenterKind],
        default=CostCenterKind.ORDINARY.value,
    )
    owner_name = models.CharField(max_length=200, blank=True)
    owner_email = models.EmailField(blank=True)
    gl_code = models.CharField(max_length=200, blank=True, help_text="general-ledger account")

    class Meta:
        constraints = [
            _valid_in_order("costcenter"),
            models.CheckConstraint(
                condition=Q(kind__in=[k.value for k in CostCenterKind]),
                name="directory_costcenter_kind_known",
            ),
            models.UniqueConstraint(
                fields=["kind"],
                condition=~Q(kind="ordinary"),
                name="directory_costcenter_one_of_each_special_kind",
            ),
        ]


class Team(_Entry):
    """A team; it belongs to one cost center at a time (`Membership`)."""

    class Meta:
        constraints = [_valid_in_order("team")]


class Product(_Entry):
    """A product whose usage is shown together."""

    class Meta:
        constraints = [_valid_in_order("product")]


class Feature(_Entry):
    """A feature, of a product when one is named."""

    product = models.ForeignKey(Product, null=True, blank=True, on_delete=models.PROTECT)

    class Meta:
        constraints = [_valid_in_order("feature")]


class Customer(_Entry):
    """A customer whose use is followed to a margin or an invoice."""

    email = models.EmailField(blank=True)

    class Meta:
        constraints = [_valid_in_order("customer")]


class _Dated(models.Model):
    valid_from = models.DateField(null=True, blank=True, help_text=ALWAYS)
    valid_to = models.DateField(null=True, blank=True, help_text=FOR_GOOD)
    recorded_at = models.DateTimeField(help_text="when we came to know it")
    superseded_at = models.DateTimeField(
        null=True, blank=True, help_text="when we came to know better; empty: in force"
    )

    class Meta:
        abstract = True


class Placement(_Dated):
    """The parent of a cost center over some days; one at a time, without cycles (triggers)."""

    cost_center = models.ForeignKey(CostCenter, on_delete=models.PROTECT, related_name="placements")
    parent = models.ForeignKey(CostCenter, on_delete=models.PROTECT, related_name="children")

    class Meta:
        constraints = [
            _valid_in_order("placement"),
            models.CheckConstraint(
                condition=~Q(cost_center=F("parent")), name="directory_placement_not_own_parent"
            ),
        ]

    def __str__(self) -> str:
        return f"placement {self.pk}"


class Membership(_Dated):
    """The cost center of a team over some days; one at a time (EXCLUDE)."""

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="memberships")
    cost_center = models.ForeignKey(CostCenter, on_delete=models.PROTECT, related_name="members")

    class Meta:
        constraints = [_valid_in_order("membership")]

    def __str__(self) -> str:
        return f"membership {self.pk}"


class AttributionRule(models.Model):
    """A named rule; what it says at a time is a `RuleVersion`."""

    public_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=120, unique=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(name__gt=""), name="directory_attributionrule_named")
        ]

    def __str__(self) -> str:
        return self.name


class RuleVersion(_Dated):
    """What a rule says over some days; immutable but for being superseded."""

    rule = models.ForeignKey(AttributionRule, on_delete=models.PROTECT, related_name="versions")
    version = models.IntegerField(help_text="counts up from 1 within the rule")
    priority = models.IntegerField(help_text="the lowest is asked first")
    match = models.JSONField(help_text="patterns by provider, model and tag")
    sets = models.JSONField(help_text="dimension to code, or to the tag to copy")
    recorded_by = models.CharField(max_length=254)

    class Meta:
        constraints = [
            _valid_in_order("ruleversion"),
            models.UniqueConstraint(
                fields=["rule", "version"], name="directory_ruleversion_numbered"
            ),
            models.CheckConstraint(
                condition=Q(version__gte=1), name="directory_ruleversion_counts_from_one"
            ),
            models.CheckConstraint(
                condition=Q(priority__gte=0), name="directory_ruleversion_priority_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"version {self.version} of rule {self.rule_id}"

    @property
    def facts(self) -> Rule:
        """Return the version as a frozen value; reads `rule`, so select it along."""
        read = parse(match=self.match, sets=self.sets)
        return Rule(
            name=self.rule.name,
            priority=self.priority,
            match=read.match,
            sets=read.sets,
            valid_from=self.valid_from,
            valid_to=self.valid_to,
            version=self.version,
            public_id=self.rule.public_id,
        )


def in_force_at(moment: datetime | None) -> Q:
    """Return the condition for dated rows that are in force, now or as known at a moment."""
    if moment is None:
        return Q(superseded_at__isnull=True)
    return Q(recorded_at__lte=moment) & (
        Q(superseded_at__isnull=True) | Q(superseded_at__gt=moment)
    )


def valid_on(day: date) -> Q:
    """Return the condition for rows whose days hold a day."""
    return (Q(valid_from__isnull=True) | Q(valid_from__lte=day)) & (
        Q(valid_to__isnull=True) | Q(valid_to__gt=day)
    )
