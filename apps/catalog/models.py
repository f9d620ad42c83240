"""The public catalogue: providers, models, meters, and list prices in two times."""

from __future__ import annotations

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import F, Func, Q

UNIT_SIZES = [10**power for power in range(19)]


class Moments(Func):
    """The half-open range between two moments; a null bound is unbounded."""

    function = "TSTZRANGE"
    output_field = DateTimeRangeField()


class Provider(models.Model):
    """Who sells models. `match` recognizes its other names, `fallbacks` whose models it resells."""

    code = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=200)
    match = models.JSONField(null=True, help_text="rule that recognizes a sender's provider name")
    fallbacks = models.JSONField(default=list, help_text="codes of providers it resells")
    pricing_url = models.CharField(max_length=500, blank=True)
    position = models.IntegerField(help_text="rules are tried in this order")

    class Meta:
        ordering = ["position", "id"]

    def __str__(self) -> str:
        return self.name


class AiModel(models.Model):
    """A model of a provider. `match` recognizes its other names: aliases, snapshots, dates.

    A model that its source no longer lists keeps its prices, and its rule is tried last.
    """

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="models")
    code = models.CharField(max_length=200)
    name = models.CharField(max_length=300)
    family = models.CharField(max_length=200, help_text="groups models for reading; never rates")
    match = models.JSONField(help_text="rule that recognizes a sender's model name")
    position = models.IntegerField(help_text="rules of a provider are tried in this order")
    context_window = models.BigIntegerField(null=True, help_text="tokens that fit in one request")
    deprecated = models.BooleanField(default=False)
    source = models.CharField(max_length=60)
    source_hash = models.CharField(max_length=64, help_text="SHA-256 of everything published")
    delisted_at = models.DateTimeField(null=True, help_text="when its source stopped listing it")

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["provider", "code"], name="catalog_aimodel_code"),
        ]

    def __str__(self) -> str:
        return self.name


class Recognition(models.Model):
    """How a provider and its models are recognized, as we knew it over a time.

    Kept whole and for ever, so that an old price book still reads a sender's names as it did.
    """

    provider = models.ForeignKey(
        Provider, on_delete=models.PROTECT, related_name="recognitions", db_index=False
    )
    position = models.IntegerField(help_text="providers are tried in this order")
    match = models.JSONField(null=True)
    fallbacks = models.JSONField(default=list)
    rules = models.JSONField(help_text="[code, rule] of each model, in the order they are tried")
    digest = models.CharField(max_length=64, help_text="SHA-256 of all of the above")
    known_from = models.DateTimeField()
    known_to = models.DateTimeField(null=True, help_text="empty: still believed")

    class Meta:
        ordering = ["id"]
        constraints = [
            ExclusionConstraint(
                name="catalog_recognition_one_at_a_time",
                expressions=[
                    ("provider", RangeOperators.EQUAL),
                    (Moments("known_from", "known_to"), RangeOperators.OVERLAPS),
                ],
            ),
        ]

    def __str__(self) -> str:
        return f"recognition {self.pk} of provider {self.provider_id}"


class Meter(models.Model):
    """What is counted: a code, its unit, and the unit size its prices usually carry."""

    code = models.CharField(max_length=64, unique=True)
    unit = models.CharField(max_length=32, help_text="what one of its quantity is")
    label = models.CharField(max_length=100)
    size = models.BigIntegerField(help_text="units that one price is usually for")

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=Q(size__in=UNIT_SIZES), name="catalog_meter_size"),
        ]

    def __str__(self) -> str:
        return self.label


class ListPrice(models.Model):
    """What a provider lists for one meter of a model under conditions, in two times.

    `valid_*` say when the price applies, `known_*` since and until when we believed so. A row
    is never changed but for `known_to`, once; a corrected price is a new row.
    """

    model = models.ForeignKey(
        AiModel, on_delete=models.PROTECT, related_name="prices", db_index=False
    )
    meter = models.ForeignKey(
        Meter,
        to_field="code",
        db_column="meter",
        on_delete=models.PROTECT,
        related_name="prices",
        db_index=False,
    )
    service_tier = models.CharField(max_length=64, blank=True, help_text="empty: standard")
    batch = models.BooleanField(default=False)
    region = models.CharField(max_length=64, blank=True, help_text="empty: all regions")
    context_gt = models.BigIntegerField(
        default=0, help_text="holds for requests with a context of more tokens than this"
    )
    window = models.CharField(max_length=32, blank=True, help_text="daily UTC window, 01:00-04:00")
    other = models.CharField(
        max_length=200, blank=True, help_text="conditions that usage does not carry: never chosen"
    )
    amount = models.DecimalField(
        max_digits=30, decimal_places=18, help_text="in `currency`, for `unit_size` units"
    )
    unit_size = models.BigIntegerField(help_text="units that the amount is for; a power of ten")
    currency = models.CharField(max_length=3)
    valid_from = models.DateTimeField(null=True, help_text="empty: since ever")
    valid_to = models.DateTimeField(null=True, help_text="empty: until further notice")
    known_from = models.DateTimeField()
    known_to = models.DateTimeField(null=True, help_text="empty: still believed")
    source = models.CharField(max_length=60)
    source_hash = models.CharField(max_length=64, help_text="hash of the model it came with")

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["model", "meter", "known_from"], name="catalog_listprice_by_model")
        ]
        constraints = [
            models.CheckConstraint(condition=Q(amount__gte=0), name="catalog_listprice_amount"),
            models.CheckConstraint(
                condition=Q(unit_size__in=UNIT_SIZES), name="catalog_listprice_unit_size"
            ),
            models.CheckConstraint(
                condition=Q(currency__regex="^[A-Z]{3}$"), name="catalog_listprice_currency"
            ),
            models.CheckConstraint(
                condition=Q(context_gt__gte=0), name="catalog_listprice_context_gt"
            ),
            models.CheckConstraint(
                condition=Q(valid_to__isnull=True)
                | Q(valid_from__isnull=True)
                | Q(valid_to__gt=F("valid_from")),
                name="catalog_listprice_validity",
            ),
            models.CheckConstraint(
                condition=Q(known_to__isnull=True) | Q(known_to__gt=F("known_from")),
                name="catalog_listprice_known",
            ),
            ExclusionConstraint(
                name="catalog_listprice_one_at_a_time",
                expressions=[
                    ("model", RangeOperators.EQUAL),
                    (Moments("valid_from", "valid_to"), RangeOperators.OVERLAPS),
                    (Moments("known_from", "known_to"), RangeOperators.OVERLAPS),
                    ("meter", RangeOperators.EQUAL),
                    ("service_tier", RangeOperators.EQUAL),
                    ("batch", RangeOperators.EQUAL),
                    ("region", RangeOperators.EQUAL),
                    ("context_gt", RangeOperators.EQUAL),
                    ("window", RangeOperators.EQUAL),
                    ("other", RangeOperators.EQUAL),
                ],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model_id} {self.meter_id} {self.amount} {self.currency}"
