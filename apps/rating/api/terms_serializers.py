"""Shapes of discounts, commitments, cost models and explained prices at the API."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from rest_framework import serializers

from apps.catalog.domain.meters import meter_facts, plural, unit_in_words
from apps.core import presentation
from apps.core.api.fields import ExactDecimal, KnownFields
from apps.core.domain.canonical import plain_decimal
from apps.rating import selectors
from apps.rating.api.serializers import ConditionsOutput, WhenField
from apps.rating.domain.cost_models import CostModelDraft
from apps.rating.domain.prices import BEGINNING, FOREVER, PriceRow
from apps.rating.domain.terms import CommitmentDraft, DiscountDraft, LevelDraft, Scope
from apps.rating.services import Priced

_SCOPE = ("provider", "family", "model", "meter")


class ScopeInput(KnownFields):
    """What a term is about; an empty field leaves it open."""

    provider = serializers.CharField(max_length=64, allow_blank=True, default="")
    family = serializers.CharField(max_length=200, allow_blank=True, default="")
    model = serializers.CharField(
        max_length=200, allow_blank=True, default="", help_text='code, alias, or prefix with "*"'
    )
    meter = serializers.CharField(max_length=64, allow_blank=True, default="")


class DiscountInput(ScopeInput):
    """A discount to record: `percent` off the list prices of a scope."""

    percent = ExactDecimal(max_digits=9, decimal_places=6, help_text="15 for 15 % off list")
    valid_from = WhenField()
    valid_to = WhenField(required=False, allow_null=True, default=None)
    service_tier = serializers.CharField(
        max_length=64, allow_blank=True, default="", help_text='empty: every tier; or "standard"'
    )
    batch = serializers.BooleanField(default=None, allow_null=True, help_text="null: both")
    region = serializers.CharField(max_length=64, allow_blank=True, default="")
    context_gt = serializers.IntegerField(
        default=None, allow_null=True, help_text="the list price of that context tier; null: all"
    )
    note = serializers.CharField(max_length=500, allow_blank=True, default="")
    replaces = serializers.UUIDField(required=False, allow_null=True, default=None)

    def to_draft(self) -> DiscountDraft:
        """Return the discount as the service takes it."""
        values = dict(self.validated_data)
        scope = Scope(**{name: values.pop(name) for name in _SCOPE})
        return DiscountDraft(scope=scope, **values)


class KnownOnQuery(KnownFields):
    """As of when terms are asked for."""

    on = WhenField(required=False, default=None, help_text="those that apply at this moment")
    as_known_on = WhenField(required=False, default=None, help_text="as they were known then")


class LevelInput(KnownFields):
    """A level: `commit` a month, for a percent off list or a price."""

    commit = ExactDecimal(max_digits=34, decimal_places=12)
    percent = ExactDecimal(max_digits=9, decimal_places=6, default=None, allow_null=True)
    amount = ExactDecimal(max_digits=30, decimal_places=18, default=None, allow_null=True)
    unit_size = serializers.IntegerField(default=None, allow_null=True)


class CommitmentInput(ScopeInput):
    """An agreement with its levels, from low to high."""

    name = serializers.CharField(max_length=200)
    measure = serializers.ChoiceField(choices=["spend", "quantity"])
    currency = serializers.CharField(max_length=3)
    levels = LevelInput(many=True)
    note = serializers.CharField(max_length=500, allow_blank=True, default="")

    def to_draft(self) -> CommitmentDraft:
        """Return the commitment as the service takes it."""
        values = dict(self.validated_data)
        scope = Scope(**{name: values.pop(name) for name in _SCOPE})
        levels = tuple(LevelDraft(**level) for level in values.pop("levels"))
        return CommitmentDraft(scope=scope, levels=levels, **values)


class LevelInForceInput(KnownFields):
    """Which level is in force over which time."""

    level = serializers.IntegerField(min_value=1, max_value=50, help_text="1 is the lowest")
    valid_from = WhenField()
    valid_to = WhenField(required=False, allow_null=True, default=None)
    note = serializers.CharField(max_length=500, allow_blank=True, default="")


class CostModelInput(KnownFields):
    """What a self-hosted model runs on, how fast and how busy; prices follow from it."""

    name = serializers.CharField(max_length=200)
    provider = serializers.CharField(max_length=64, allow_blank=True, default="")
    model = serializers.CharField(max_length=200)
    gpu_hourly_rate = ExactDecimal(max_digits=30, decimal_places=12)
    gpus = ExactDecimal(max_digits=20, decimal_places=6)
    currency = serializers.CharField(max_length=3)
    throughput = serializers.DictField(
        child=ExactDecimal(max_digits=24, decimal_places=6),
        help_text="tokens a second of the whole fleet at full load, by meter",
    )
    utilization = ExactDecimal(
        max_digits=20, decimal_places=18, default=None, allow_null=True, help_text="0.6 for 60 %"
    )
    measured = serializers.DictField(
        child=ExactDecimal(max_digits=24, decimal_places=6),
        default=dict,
        help_text="tokens by meter that it made in `hours`, instead of the utilization",
    )
    hours = ExactDecimal(max_digits=20, decimal_places=6, default=None, allow_null=True)
    valid_from = WhenField()
    valid_to = WhenField(required=False, allow_null=True, default=None)
    note = serializers.CharField(max_length=500, allow_blank=True, default="")

    def to_draft(self) -> CostModelDraft:
        """Return the inputs as the service takes them."""
        asked = self.validated_data
        names = ("name", "gpu_hourly_rate", "gpus", "currency", "throughput", "utilization")
        more = ("measured", "hours")
        return CostModelDraft(**{name: asked[name] for name in (*names, *more)})

    def to_priced(self) -> Priced:
        """Return for what and when the prices hold."""
        asked = self.validated_data
        names = ("provider", "model", "valid_from", "valid_to", "note")
        return Priced(**{name: asked[name] for name in names})


class UseQuery(KnownFields):
    """A use whose price is asked for."""

    provider = serializers.CharField(max_length=200, allow_blank=True, default="")
    model = serializers.CharField(max_length=200)
    meter = serializers.CharField(max_length=64)
    at = WhenField(required=False, default=None, help_text="when it is used; empty: now")
    service_tier = serializers.CharField(max_length=64, allow_blank=True, default="")
    batch = serializers.BooleanField(default=False)
    region = serializers.CharField(max_length=64, allow_blank=True, default="")
    context_tokens = serializers.IntegerField(min_value=0, max_value=10**12, default=0)
    as_known_on = WhenField(
        required=False, default=None, help_text="as it was known then; empty: the book in force"
    )


class _Scoped(serializers.Serializer[Any]):
    """The scope of a term, flat."""

    provider = serializers.CharField(source="scope.provider")
    family = serializers.CharField(source="scope.family")
    model = serializers.CharField(source="scope.model")
    meter = serializers.CharField(source="scope.meter")


class DiscountOutput(_Scoped):
    """A discount in both times; `adopted` tells that the price book in force knows it."""

    id = serializers.UUIDField()
    percent = ExactDecimal(max_digits=9, decimal_places=6)
    service_tier = serializers.CharField()
    batch = serializers.BooleanField(allow_null=True)
    region = serializers.CharField()
    context_gt = serializers.IntegerField(allow_null=True)
    valid_from = WhenField()
    valid_to = WhenField(allow_null=True)
    known_from = WhenField()
    known_to = WhenField(allow_null=True)
    note = serializers.CharField()
    created_by = serializers.CharField()
    adopted = serializers.BooleanField()
    replaces = serializers.UUIDField(allow_null=True)


class DiscountRecorded(DiscountOutput):
    """A discount that was just recorded, with how many list prices it reaches now."""

    reaches = serializers.SerializerMethodField()

    def get_reaches(self, found: selectors.DiscountFacts) -> int:
        """Return the number of list prices in the scope; 0 is worth a second look."""
        return selectors.reach(found.scope)

    warnings = serializers.SerializerMethodField()

    def get_warnings(self, found: selectors.DiscountFacts) -> list[str]:
        """Return what is worth a second look: that it reaches nothing, or ties with another."""
        return selectors.cautions(discount=found.id)


class DiscountsOutput(serializers.Serializer[Any]):
    """All discounts."""

    results = DiscountOutput(many=True)


class LevelOutput(serializers.Serializer[Any]):
    """A level of a commitment."""

    position = serializers.IntegerField()
    commit = ExactDecimal(max_digits=34, decimal_places=12)
    percent = ExactDecimal(max_digits=9, decimal_places=6, allow_null=True)
    amount = ExactDecimal(max_digits=30, decimal_places=18, allow_null=True)
    unit_size = serializers.IntegerField(allow_null=True)


class TermOutput(serializers.Serializer[Any]):
    """Which level is in force over which time."""

    id = serializers.UUIDField()
    level = serializers.IntegerField(source="level.position")
    valid_from = WhenField()
    valid_to = WhenField(allow_null=True)
    known_from = WhenField()
    note = serializers.CharField()
    created_by = serializers.CharField()
    adopted = serializers.BooleanField()


class CommitmentOutput(_Scoped):
    """A commitment with its levels and the terms believed now."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    measure = serializers.CharField()
    currency = serializers.CharField()
    note = serializers.CharField()
    created_by = serializers.CharField()
    created_at = WhenField()
    levels = LevelOutput(many=True)
    terms = TermOutput(many=True)


class CommitmentsOutput(serializers.Serializer[Any]):
    """All commitments."""

    results = CommitmentOutput(many=True)


class CostModelOutput(serializers.Serializer[Any]):
    """How derived prices came about, step by step, and the contract prices that rest on it."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    inputs = serializers.DictField()
    derivation = serializers.DictField()
    created_by = serializers.CharField()
    created_at = WhenField()
    prices = serializers.ListField(child=serializers.UUIDField())


class CostModelsOutput(serializers.Serializer[Any]):
    """All cost models."""

    results = CostModelOutput(many=True)


class AppliedOutput(serializers.Serializer[Any]):
    """The discount behind a price."""

    percent = serializers.CharField()
    list_amount = serializers.CharField()
    list_unit_size = serializers.IntegerField()
    name = serializers.CharField()


class BookPriceOutput(serializers.Serializer[Any]):
    """One price of the book, with what it was made of."""

    kind = serializers.ChoiceField(choices=["contract", "discount", "list"])
    provider = serializers.CharField()
    model = serializers.CharField()
    meter = serializers.CharField()
    conditions = ConditionsOutput()
    amount = serializers.CharField()
    unit_size = serializers.IntegerField()
    currency = serializers.CharField()
    unit = serializers.CharField()
    price = serializers.CharField()
    valid_from = WhenField(allow_null=True)
    valid_to = WhenField(allow_null=True)
    source = serializers.CharField()  # type: ignore[assignment]
    discount = AppliedOutput(allow_null=True)


class ExplainedOutput(serializers.Serializer[Any]):
    """Which price holds for a use, what ties when none does, and what it goes over."""

    provider = serializers.CharField()
    model = serializers.CharField()
    context_tier = serializers.CharField(help_text="tokens that the context is over; empty: none")
    meter = serializers.CharField()
    at = WhenField()
    as_known_on = WhenField(allow_null=True)
    price = BookPriceOutput(allow_null=True)
    unpriced = serializers.CharField(allow_null=True, help_text="why there is no price")
    rivals = BookPriceOutput(many=True)
    beneath = BookPriceOutput(many=True)


def price_body(row: PriceRow) -> dict[str, Any]:
    """Return a price of the book as the API shows it."""
    unit = meter_facts(row.meter).unit
    words = presentation.UnitPrice(row.amount, row.currency, row.unit_size, plural(unit))
    applied = row.applied
    return {
        "kind": row.kind,
        "provider": row.provider,
        "model": row.model,
        "meter": row.meter,
        "conditions": row.conditions._asdict(),
        "amount": plain_decimal(row.amount),
        "unit_size": row.unit_size,
        "currency": row.currency,
        "unit": unit_in_words(unit_size=row.unit_size, unit=unit),
        "price": presentation.unit_price(words).replace(presentation.NBSP, " "),
        "valid_from": None if row.valid_from == BEGINNING else row.valid_from,
        "valid_to": None if row.valid_to == FOREVER else row.valid_to,
        "source": row.source,
        "discount": None
        if applied is None
        else {
            "percent": _plain(applied.percent),
            "list_amount": _plain(applied.list_amount),
            "list_unit_size": applied.list_unit_size,
            "name": applied.name,
        },
    }


def _plain(value: Decimal) -> str:
    return plain_decimal(value)
