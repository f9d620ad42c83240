"""A tenant's own prices, the prices it was charged by, and the versions of its price book."""

from __future__ import annotations

import uuid

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import F, Func, Q

from apps.catalog.domain.conditions import Conditions

UNIT_SIZES = [10**power for power in range(19)]
KINDS = ("contract", "discount", "list")


class Moments(Func):
    """The half-open range between two moments; a null bound is unbounded."""

    function = "TSTZRANGE"
    output_field = DateTimeRangeField()


class PriceTerms(models.Model):
    """What every price row says: for what, under which conditions, how much for how many units."""

    provider = models.CharField(max_length=64, blank=True, help_text="canonical provider code")
    model = models.CharField(max_length=200, help_text="canonical model code, or prefix with *")
    meter = models.CharField(max_length=64)
    service_tier = models.CharField(max_length=64, blank=True, help_text="empty: standard")
    batch = models.BooleanField(default=False)
    region = models.CharField(max_length=64, blank=True, help_text="empty: all regions")
    context_gt = models.BigIntegerField(
        default=0, help_text="holds for requests with a context of more tokens than this"
    )
    window = models.CharField(
        max_length=200, blank=True, help_text="hours of days, mon-fri 16:30-00:30; empty: always"
    )
    amount = models.DecimalField(
        max_digits=30, decimal_places=18, help_text="in `currency`, for `unit_size` units"
    )
    unit_size = models.BigIntegerField(help_text="units that the amount is for; a power of ten")
    currency = models.CharField(max_length=3, help_text="ISO 4217 code")

    class Meta:
        abstract = True

    @property
    def conditions(self) -> Conditions:
        """Return the request conditions as one value."""
        return Conditions(
            service_tier=self.service_tier,
            batch=self.batch,
            region=self.region,
            context_gt=self.context_gt,
            window=self.window,
        )


class ContractPrice(PriceTerms):
    """A price that the tenant negotiated; it goes over the list price of the same conditions.

    Bitemporal: it applies over [valid_from, valid_to), and we believed so over [known_from,
    known_to). The only change a trigger lets through is `known_to`, once; ending or correcting a
    price closes the row and opens another.
    """

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
    cost_model = models.ForeignKey(
        "CostModel", null=True, on_delete=models.PROTECT, related_name="prices", db_index=False
    )

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=Q(amount__gte=0), name="rating_contractprice_amount"),
            models.CheckConstraint(
                condition=Q(unit_size__in=UNIT_SIZES), name="rating_contractprice_unit_size"
            ),
            models.CheckConstraint(
                condition=Q(currency__regex="^[A-Z]{3}$"), name="rating_contractprice_currency"
            ),
            models.CheckConstraint(
                condition=Q(model__regex=r"^[^*]*\*?$", model__gt=""),
                name="rating_contractprice_model",
            ),
            models.CheckConstraint(
                condition=Q(context_gt__gte=0), name="rating_contractprice_context_gt"
            ),
            models.CheckConstraint(
                condition=Q(valid_to__isnull=True) | Q(valid_to__gt=F("valid_from")),
                name="rating_contractprice_validity",
            ),
            models.CheckConstraint(
                condition=Q(known_to__isnull=True) | Q(known_to__gte=F("known_from")),
                name="rating_contractprice_known",
            ),
            ExclusionConstraint(
                name="rating_contractprice_no_overlap",
                expressions=[
                    ("provider", RangeOperators.EQUAL),
                    ("model", RangeOperators.EQUAL),
                    (Moments("valid_from", "valid_to"), RangeOperators.OVERLAPS),
                    (Moments("known_from", "known_to"), RangeOperators.OVERLAPS),
                    ("meter", RangeOperators.EQUAL),
                    ("service_tier", RangeOperators.EQUAL),
                    ("batch", RangeOperators.EQUAL),
                    ("region", RangeOperators.EQUAL),
                    ("context_gt", RangeOperators.EQUAL),
                    ("window", RangeOperators.EQUAL),
                ],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.model} {self.meter} {self.amount} {self.currency}"


class ModelMapping(models.Model):
    """What a sent provider and model means in the catalogue, as the tenant says.

    Bitemporal like a contract price, and held by the same trigger: it applies over [valid_from,
    valid_to), we believed so over [known_from, known_to), and only `known_to` ever changes, once.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    sent_provider = models.CharField(
        max_length=200, blank=True, help_text="as usage names it, in lower case; empty: a service"
    )
    sent_model = models.CharField(max_length=200, help_text="as usage names it, in lower case")
    provider = models.CharField(max_length=64, blank=True, help_text="canonical provider code")
    model = models.CharField(max_length=200, help_text="canonical model code")
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField(null=True, help_text="empty: until further notice")
    known_from = models.DateTimeField()
    known_to = models.DateTimeField(null=True, help_text="empty: still believed")
    note = models.CharField(max_length=500, blank=True, help_text="why it means that")
    created_by = models.CharField(max_length=254)
    replaces = models.ForeignKey(
        "self", null=True, on_delete=models.PROTECT, related_name="replaced_by", db_index=False
    )

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(sent_model__gt="", model__gt=""), name="rating_modelmapping_named"
            ),
            models.CheckConstraint(
                condition=~Q(sent_provider=F("provider"), sent_model=F("model")),
                name="rating_modelmapping_says_something",
            ),
            models.CheckConstraint(
                condition=Q(valid_to__isnull=True) | Q(valid_to__gt=F("valid_from")),
                name="rating_modelmapping_validity",
            ),
            models.CheckConstraint(
                condition=Q(known_to__isnull=True) | Q(known_to__gte=F("known_from")),
                name="rating_modelmapping_known",
            ),
            ExclusionConstraint(
                name="rating_modelmapping_no_overlap",
                expressions=[
                    ("sent_provider", RangeOperators.EQUAL),
                    ("sent_model", RangeOperators.EQUAL),
                    (Moments("valid_from", "valid_to"), RangeOperators.OVERLAPS),
                    (Moments("known_from", "known_to"), RangeOperators.OVERLAPS),
                ],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.sent_provider} {self.sent_model} is {self.provider} {self.model}".strip()


class Price(PriceTerms):
    """A price as it was used: copied from the catalogue or a contract when first charged by.

    Rollups name these rows, so that no later change of a catalogue can alter what a month cost.
    Append-only. `key` is the content's digest; its validity is what was known at first use.
    """

    key = models.CharField(max_length=32, unique=True, help_text="digest of kind, terms and start")
    kind = models.CharField(max_length=8, choices=[(kind, kind) for kind in KINDS])
    valid_from = models.DateTimeField(null=True, help_text="empty: since ever")
    valid_to = models.DateTimeField(null=True, help_text="empty: until further notice")
    source = models.CharField(max_length=100, help_text="where the price comes from")
    list_amount = models.DecimalField(
        max_digits=30, decimal_places=18, null=True, help_text="the list price of a discounted one"
    )
    list_unit_size = models.BigIntegerField(null=True)
    percent = models.DecimalField(
        max_digits=9, decimal_places=6, null=True, help_text="off the list price"
    )

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=Q(amount__gte=0), name="rating_price_amount"),
            models.CheckConstraint(
                condition=Q(unit_size__in=UNIT_SIZES), name="rating_price_unit_size"
            ),
            models.CheckConstraint(condition=Q(kind__in=KINDS), name="rating_price_kind"),
            models.CheckConstraint(
                condition=Q(
                    kind="discount",
                    list_amount__isnull=False,
                    list_unit_size__in=UNIT_SIZES,
                    percent__gt=0,
                    percent__lte=100,
                )
                | ~Q(kind="discount")
                & Q(list_amount__isnull=True, list_unit_size__isnull=True, percent__isnull=True),
                name="rating_price_discounted",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.model} {self.meter} {self.amount} {self.currency}"


class PriceBookVersion(models.Model):
    """What was known when this version of the price book was adopted; its id is the version.

    Append-only. The same version always gives the same quotes, as both tables it reads keep what
    was known at every moment.
    """

    catalog_known_at = models.DateTimeField(help_text="list prices as known at this moment")
    contract_known_at = models.DateTimeField(help_text="contract prices as known at this moment")
    adopted_at = models.DateTimeField()
    adopted_by = models.CharField(max_length=254)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"version {self.pk}"


class CurrentVersion(models.Model):
    """The one row that says which version is in force.

    Ingest reads it FOR SHARE, so that no price moves under a batch; adopting a version takes it
    FOR UPDATE (rules 5 and 9).
    """

    id = models.SmallIntegerField(primary_key=True, default=1)
    version = models.ForeignKey(PriceBookVersion, on_delete=models.PROTECT, db_index=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="rating_currentversion_single"),
        ]

    def __str__(self) -> str:
        return f"in force: {self.version_id}"
