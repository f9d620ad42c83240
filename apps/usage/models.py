"""Events and what is kept of them: keys, tag sets, SKUs, rollups, outcomes, price corrections.

Events, their keys and rollups are written and read by statements in `store` and the selectors;
their models describe the tables that the migration makes (`sql.py`). No foreign keys lead from
them: a check a row would cost more than the row, and what they name is never deleted.
"""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q


class TagSet(models.Model):
    """A distinct combination of tags, account, credential and operation; never changes."""

    digest = models.BinaryField(unique=True, max_length=16)
    tags = models.JSONField(help_text="key to value, as sent or filled in from the key")
    account = models.TextField(blank=True)
    credential = models.TextField(blank=True)
    operation = models.TextField(blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(tags__isnull=False), name="usage_tagset_tags_present"
            ),
        ]

    def __str__(self) -> str:
        return ", ".join(f"{key}={value}" for key, value in sorted(self.tags.items())) or "no tags"


class SentSku(models.Model):
    """What was used, as a sender wrote it; rating starts from it whenever prices change.

    A generic service has no provider, and its name as model.
    """

    provider = models.TextField(blank=True)
    model = models.TextField()
    service_tier = models.TextField(blank=True)
    batch = models.BooleanField()
    region = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "model", "service_tier", "batch", "region"],
                name="usage_sentsku_once",
            ),
            models.CheckConstraint(condition=Q(model__gt=""), name="usage_sentsku_named"),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.model}".strip()


class Sku(models.Model):
    """What a provider sells, by canonical names; unknown ones keep the name that was sent."""

    provider = models.TextField(blank=True)
    model = models.TextField()
    service_tier = models.TextField(blank=True)
    batch = models.BooleanField()
    region = models.TextField(blank=True)
    context_tier = models.TextField(
        blank=True, help_text="lower bound of the context tier, in tokens"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "model", "service_tier", "batch", "region", "context_tier"],
                name="usage_sku_once",
            ),
            models.CheckConstraint(condition=Q(model__gt=""), name="usage_sku_named"),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.model}".strip()


class InternCount(models.Model):
    """How many tag sets and sent SKUs a month brought that were new; capped (rule 6)."""

    month = models.DateField(unique=True, help_text="first day of the month, in UTC")
    tag_sets = models.BigIntegerField(default=0)
    sent_skus = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(tag_sets__gte=0, tag_sets__lte=100_000),
                name="usage_interncount_tag_set_limit",
            ),
            models.CheckConstraint(
                condition=Q(sent_skus__gte=0, sent_skus__lte=10_000),
                name="usage_interncount_sku_limit",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}"


class EventKey(models.Model):
    """The identity of an event for ever: (source, event id), and the digest it first came with.

    The time is no part of it. Neither void nor amend frees an id.
    """

    pk = models.CompositePrimaryKey("source", "event_id")
    source = models.TextField(help_text="at most 200 bytes")
    event_id = models.TextField(help_text="at most 200 bytes")
    key = models.BigIntegerField(help_text="number that the event's rows carry")
    digest = models.BinaryField(max_length=16)
    digest_version = models.SmallIntegerField()
    occurred_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "usage_eventkey"

    def __str__(self) -> str:
        return f"{self.source}/{self.event_id}"


class EventDigest(models.Model):
    """A further digest that an id had, after an amendment: replaying it is a duplicate."""

    key = models.BigIntegerField(help_text="EventKey.key")
    digest = models.BinaryField(max_length=16)
    digest_version = models.SmallIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key", "digest"], name="usage_eventdigest_once"),
        ]

    def __str__(self) -> str:
        return f"{self.key}"


class Event(models.Model):
    """One signed revision of an event, in the accounting month that it is booked in.

    A void appends the last revision with sign -1; an amendment that and the next revision.
    `requests` is not among the meters: every row counts one. `booked` fixes SKU and prices of a
    reversal whose original lies in a closed month; all other rows are rated by the price book.
    """

    pk = models.CompositePrimaryKey("period", "key", "revision", "sign")
    period = models.DateField(help_text="first day of the accounting month")
    key = models.BigIntegerField()
    revision = models.SmallIntegerField(help_text="0 is what came first")
    sign = models.SmallIntegerField(help_text="1 or -1")
    source = models.TextField()
    event_id = models.TextField()
    original_period = models.DateField(help_text="first day of the month of use")
    occurred_at = models.DateTimeField(help_text="when it was used")
    received_at = models.DateTimeField(help_text="when it came to our door")
    batch = models.UUIDField()
    tag_set = models.BigIntegerField()
    sent_sku = models.BigIntegerField()
    feed = models.TextField(help_text="request or bucket")
    context_tokens = models.BigIntegerField(help_text="tokens of the whole context")
    meters = models.JSONField(help_text="meter code to quantity, disjoint")
    reasoning_tokens = models.BigIntegerField(null=True, help_text="tokens, inside the output")
    trace_id = models.TextField(null=True)
    end_user = models.BinaryField(null=True, help_text="tenant-keyed hash")
    status = models.TextField()
    reported_amount = models.DecimalField(
        null=True,
        max_digits=44,
        decimal_places=24,
        help_text="the client's, in its currency",
    )
    reported_currency = models.TextField(null=True)
    hold = models.UUIDField(null=True)
    booked = models.JSONField(null=True, help_text="fixed SKU and prices of a reversal")

    class Meta:
        managed = False
        db_table = "usage_event"

    def __str__(self) -> str:
        return f"{self.source}/{self.event_id} #{self.revision} {self.sign:+d}"


class RawUsage(models.Model):
    """The usage object that an event came with, as its provider wrote it; append-only.

    Only events that came with one have a row, so that the table of all events stays narrow.
    """

    pk = models.CompositePrimaryKey("key", "revision")
    key = models.BigIntegerField(help_text="EventKey.key")
    revision = models.SmallIntegerField(help_text="revision of the event that came with it")
    raw = models.JSONField(help_text="the provider's own usage object")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(revision__gte=0), name="usage_rawusage_revision"),
        ]

    def __str__(self) -> str:
        return f"{self.key} #{self.revision}"


class Rollup(models.Model):
    """Quantity and cost of one cell (rule 3), kept in the transaction of its events."""

    pk = models.CompositePrimaryKey(
        "period", "day", "utc_day", "tag_set", "sku", "meter", "price", "feed"
    )
    period = models.DateField(help_text="first day of the accounting month")
    day = models.DateField(help_text="day of use in the tenant's timezone")
    utc_day = models.DateField(help_text="day of use in UTC")
    tag_set = models.BigIntegerField()
    sku = models.BigIntegerField()
    price = models.BigIntegerField(help_text="rating.Price; 0 is unpriced")
    meter = models.TextField()
    feed = models.TextField(help_text="request or bucket")
    quantity = models.DecimalField(max_digits=28, decimal_places=6, help_text="in the meter's unit")
    cost = models.DecimalField(
        null=True, max_digits=44, decimal_places=24, help_text="in `currency`; NULL is unpriced"
    )
    currency = models.TextField(help_text="of the price; empty when unpriced")

    class Meta:
        managed = False
        db_table = "usage_rollup"

    def __str__(self) -> str:
        return f"{self.day} {self.meter}"


class PriceCorrection(models.Model):
    """A price put right after its month closed: -quantity at the old, +quantity at the new."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    period = models.DateField(help_text="first day of the month it is booked in")
    original_period = models.DateField(help_text="first day of the closed month")
    day = models.DateField(help_text="day of use in the tenant's timezone")
    utc_day = models.DateField(help_text="day of use in UTC")
    tag_set = models.BigIntegerField()
    meter = models.TextField()
    feed = models.TextField(help_text="request or bucket")
    old_sku = models.BigIntegerField()
    old_price = models.BigIntegerField(help_text="rating.Price; 0 was unpriced")
    new_sku = models.BigIntegerField()
    new_price = models.BigIntegerField(help_text="rating.Price; 0 is unpriced")
    quantity = models.DecimalField(max_digits=28, decimal_places=6, help_text="in the meter's unit")
    price_book_version = models.BigIntegerField(help_text="version of the new price")
    reason = models.TextField()
    created_by = models.TextField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(original_period__lt=models.F("period")),
                name="usage_pricecorrection_later",
            ),
            models.CheckConstraint(
                condition=~Q(quantity=0), name="usage_pricecorrection_of_something"
            ),
            models.CheckConstraint(condition=Q(reason__gt=""), name="usage_pricecorrection_reason"),
        ]
        indexes = [models.Index(fields=["period"], name="usage_pricecorrection_period")]

    def __str__(self) -> str:
        return f"{self.original_period:%Y-%m} {self.meter} in {self.period:%Y-%m}"


class Outcome(models.Model):
    """What came of a use: with the event, or later by event, trace or experiment."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    digest = models.BinaryField(unique=True, max_length=16)
    source = models.TextField(blank=True)
    event_id = models.TextField(blank=True)
    trace_id = models.TextField(blank=True)
    experiment = models.TextField(blank=True)
    name = models.TextField()
    success = models.BooleanField(null=True)
    value = models.DecimalField(
        null=True, max_digits=44, decimal_places=24, help_text="in units of the outcome"
    )
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(event_id__gt="", source__gt="")
                | Q(trace_id__gt="")
                | Q(experiment__gt=""),
                name="usage_outcome_refers_to_something",
            ),
            models.CheckConstraint(condition=Q(name__gt=""), name="usage_outcome_named"),
        ]
        indexes = [
            models.Index(fields=["trace_id"], name="usage_outcome_trace"),
            models.Index(fields=["source", "event_id"], name="usage_outcome_event"),
            models.Index(fields=["occurred_at"], name="usage_outcome_occurred"),
            models.Index(
                fields=["experiment"],
                condition=Q(experiment__gt=""),
                name="usage_outcome_experiment",
            ),
        ]

    def __str__(self) -> str:
        return self.name
