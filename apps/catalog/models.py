"""The public catalogue: providers, models, meters, and list prices in two times."""

from __future__ import annotations

import uuid

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
    window = models.CharField(
        max_length=200, blank=True, help_text="hours of days, mon-fri 16:30-00:30; empty: always"
    )
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
    source_hash = models.CharField(max_length=64, help_text="hash of what it came with")
    change = models.ForeignKey(
        "PriceChange",
        null=True,
        on_delete=models.PROTECT,
        related_name="list_prices",
        help_text="the change that published it; empty: taken over when there were no prices yet",
    )

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


class PriceImport(models.Model):
    """One reading of a source: what was read, when, by whom, and what became of it.

    Append-only. `not_taken` keeps what the source said and no price was made of, with the reason.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    source = models.CharField(max_length=30)
    release = models.CharField(max_length=60, help_text="version, or first digits of the digest")
    file_name = models.CharField(max_length=200, blank=True)
    digest = models.CharField(max_length=64, help_text="SHA-256 of what was read")
    read_at = models.DateTimeField()
    read_by = models.CharField(max_length=254)
    is_baseline = models.BooleanField(
        default=False, help_text="there were no prices, so that all of them were taken over"
    )
    prices = models.BigIntegerField(help_text="prices that the source stated")
    opened = models.BigIntegerField(help_text="statements that are new or differ")
    closed = models.BigIntegerField(help_text="statements that are no longer made")
    published = models.BigIntegerField(help_text="changes published at once")
    proposed = models.BigIntegerField(help_text="changes that wait for a person")
    superseded = models.BigIntegerField(help_text="waiting changes that became pointless")
    not_taken = models.JSONField(default=list, help_text="[entry, key, value, why] of each")

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["source", "-id"], name="catalog_priceimport_latest")]
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    prices__gte=0,
                    opened__gte=0,
                    closed__gte=0,
                    published__gte=0,
                    proposed__gte=0,
                    superseded__gte=0,
                ),
                name="catalog_priceimport_counts",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.release}"


class StatedTerms(models.Model):
    """For what a price is, under which conditions, and over which time."""

    subject = models.UUIDField(help_text="digest of provider, model, meter and conditions")
    provider = models.CharField(max_length=64)
    model = models.CharField(max_length=200)
    meter = models.CharField(max_length=64)
    service_tier = models.CharField(max_length=64, blank=True, help_text="empty: standard")
    batch = models.BooleanField(default=False)
    region = models.CharField(max_length=64, blank=True, help_text="empty: all regions")
    context_gt = models.BigIntegerField(default=0, help_text="tokens")
    window = models.CharField(max_length=200, blank=True, help_text="hours of days; empty: always")
    other = models.CharField(max_length=200, blank=True, help_text="never chosen by usage")
    unit_size = models.BigIntegerField(help_text="units that the amount is for; a power of ten")
    currency = models.CharField(max_length=3)
    valid_from = models.DateTimeField(null=True, help_text="empty: since ever")
    valid_to = models.DateTimeField(null=True, help_text="empty: until further notice")

    class Meta:
        abstract = True


class PriceObservation(StatedTerms):
    """What a source says a price is, in two times; append-only but for `known_to`, once.

    An observation prices nothing: list prices do, and they come of published changes.
    """

    source = models.CharField(max_length=30)
    amount = models.DecimalField(
        max_digits=30, decimal_places=18, help_text="in `currency`, for `unit_size` units"
    )
    stated_as = models.CharField(max_length=300, blank=True, help_text="the source's own name")
    note = models.CharField(max_length=500, blank=True)
    known_from = models.DateTimeField()
    known_to = models.DateTimeField(null=True, help_text="empty: the source still says so")
    reading = models.ForeignKey(
        PriceImport,
        to_field="public_id",
        db_column="reading",
        on_delete=models.PROTECT,
        related_name="observations",
        db_index=False,
    )

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(
                fields=["provider", "model"],
                condition=Q(known_to__isnull=True),
                name="catalog_priceobservation_model",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["subject", "source", "valid_from"],
                condition=Q(known_to__isnull=True),
                nulls_distinct=False,
                name="catalog_priceobservation_one",
            ),
            models.CheckConstraint(
                condition=Q(amount__gte=0), name="catalog_priceobservation_amount"
            ),
            models.CheckConstraint(
                condition=Q(unit_size__in=UNIT_SIZES), name="catalog_priceobservation_size"
            ),
            models.CheckConstraint(
                condition=Q(currency__regex="^[A-Z]{3}$"), name="catalog_priceobservation_money"
            ),
            models.CheckConstraint(
                condition=Q(valid_to__isnull=True)
                | Q(valid_from__isnull=True)
                | Q(valid_to__gt=F("valid_from")),
                name="catalog_priceobservation_validity",
            ),
            models.CheckConstraint(
                condition=Q(known_to__isnull=True) | Q(known_to__gt=F("known_from")),
                name="catalog_priceobservation_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source}: {self.provider} {self.model} {self.meter} {self.amount}"


class PriceChange(StatedTerms):
    """A change of the list prices that a source calls for, and what became of it.

    Over its validity the price is to be `amount`, or none when that is empty. It is published
    because the sources that know the price agree, or because as many people as `approvers`
    approved; a trigger counts them. Once settled it never changes.
    """

    class State(models.TextChoices):
        """Where a change is; only a proposed one can move."""

        PROPOSED = "proposed"
        PUBLISHED = "published"
        REJECTED = "rejected"
        SUPERSEDED = "superseded"

    class Kind(models.TextChoices):
        """What a change does to the list."""

        CHANGED = "changed"
        NEW_PRICE = "new_price"
        NEW_MODEL = "new_model"
        WITHDRAWN = "withdrawn"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    source = models.CharField(max_length=30)
    source_label = models.CharField(max_length=60)
    source_hash = models.CharField(max_length=64)
    reading = models.ForeignKey(
        PriceImport,
        to_field="public_id",
        db_column="reading",
        on_delete=models.PROTECT,
        related_name="changes",
        db_index=False,
    )
    kind = models.CharField(max_length=10, choices=Kind.choices)
    amount = models.DecimalField(
        max_digits=30,
        decimal_places=18,
        null=True,
        help_text="in `currency`, for `unit_size` units; empty: no price any more",
    )
    old_amount = models.DecimalField(
        max_digits=30, decimal_places=18, null=True, help_text="listed when it was proposed"
    )
    old_unit_size = models.BigIntegerField(null=True, help_text="units of the old amount")
    old_currency = models.CharField(max_length=3, blank=True)
    agreeing = models.IntegerField(default=0, help_text="sources that state it, within 1 %")
    differing = models.IntegerField(default=0, help_text="sources that state another price")
    approvers = models.IntegerField(default=1, help_text="people that must approve")
    caution = models.CharField(max_length=300, blank=True, help_text="why two people must approve")
    note = models.CharField(max_length=500, blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.PROPOSED)
    basis = models.CharField(max_length=10, blank=True, help_text="agreement or person")
    proposed_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(
                fields=["kind", "provider", "model", "meter", "id"],
                condition=Q(state="proposed"),
                name="catalog_pricechange_waiting",
            ),
            models.Index(fields=["subject"], name="catalog_pricechange_subject"),
            models.Index(fields=["-settled_at", "-id"], name="catalog_pricechange_settled"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state="proposed", settled_at__isnull=True, basis="")
                | Q(
                    state="published",
                    settled_at__isnull=False,
                    basis__in=["agreement", "person"],
                )
                | Q(state__in=["rejected", "superseded"], settled_at__isnull=False, basis=""),
                name="catalog_pricechange_state",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["changed", "new_price", "new_model", "withdrawn"]),
                name="catalog_pricechange_kind",
            ),
            models.CheckConstraint(
                condition=Q(kind="withdrawn", amount__isnull=True)
                | (~Q(kind="withdrawn") & Q(amount__gte=0)),
                name="catalog_pricechange_amount",
            ),
            models.CheckConstraint(
                condition=Q(approvers__in=[1, 2]), name="catalog_pricechange_approvers"
            ),
            models.CheckConstraint(
                condition=Q(unit_size__in=UNIT_SIZES), name="catalog_pricechange_size"
            ),
            models.CheckConstraint(
                condition=Q(currency__regex="^[A-Z]{3}$"), name="catalog_pricechange_money"
            ),
            models.CheckConstraint(
                condition=Q(valid_to__isnull=True)
                | Q(valid_from__isnull=True)
                | Q(valid_to__gt=F("valid_from")),
                name="catalog_pricechange_validity",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.model} {self.meter}: {self.amount} ({self.state})"


class PriceDecision(models.Model):
    """What one person said of a change, once and for good; the second approver is another."""

    change = models.ForeignKey(
        PriceChange, on_delete=models.PROTECT, related_name="decisions", db_index=False
    )
    user = models.ForeignKey(
        "accounts.User", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    decided_by = models.CharField(max_length=254, help_text="the person's name as of then")
    verdict = models.CharField(max_length=7, help_text="approve or reject")
    reason = models.CharField(max_length=500, blank=True)
    decided_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["change", "user"], name="catalog_pricedecision_one_a_person"
            ),
            models.CheckConstraint(
                condition=Q(verdict="approve") | (Q(verdict="reject") & ~Q(reason="")),
                name="catalog_pricedecision_verdict",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.decided_by}: {self.verdict}"
