"""Shapes of prices at the API."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, Final

from django.utils.dateparse import parse_date, parse_datetime
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.catalog.domain.conditions import Conditions
from apps.catalog.domain.meters import plural, unit_in_words
from apps.catalog.selectors import PriceFilter
from apps.core import presentation
from apps.core.domain.canonical import plain_decimal
from apps.rating.selectors import PriceFacts
from apps.rating.services import ContractDraft

_KINDS: Final = ("contract", "list")
_FIRST, _LAST = 1970, 9000


class Known(serializers.Serializer[Any]):
    """Refuses fields that it does not know, naming them."""

    def to_internal_value(self, data: Any) -> Any:
        unknown = set(data) - set(self.fields) if isinstance(data, dict) else set()
        if unknown:
            text = "There is no such field; known are " + ", ".join(sorted(self.fields)) + "."
            raise serializers.ValidationError({name: [text] for name in sorted(unknown)})
        return super().to_internal_value(data)


class ExactDecimal(serializers.DecimalField):
    """A decimal that was never a float."""

    def to_internal_value(self, data: Any) -> Decimal:
        if isinstance(data, bool | float):
            raise serializers.ValidationError(
                'Send the amount as a string, such as "2.50": numbers lose digits.', code="string"
            )
        return super().to_internal_value(data)


@extend_schema_field(OpenApiTypes.DATETIME)
class WhenField(serializers.Field[datetime, str, str, Any]):
    """A moment with its offset, or a date, which means its midnight in UTC."""

    def to_internal_value(self, data: Any) -> datetime:
        text = data if isinstance(data, str) else ""
        try:
            day = parse_date(text)
            moment = parse_datetime(text) if day is None else _midnight(day)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None or not _FIRST <= moment.year <= _LAST:
            raise serializers.ValidationError(
                "Write 2026-11-01 or 2026-11-01T00:00:00Z, with an offset.", code="datetime"
            )
        return moment

    def to_representation(self, value: datetime) -> str:
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


class PriceInput(Known):
    """A contract price to record."""

    provider = serializers.CharField(max_length=64, allow_blank=True)
    model = serializers.CharField(
        max_length=200, help_text='canonical code or alias; "gpt-4o*" covers a family'
    )
    meter = serializers.CharField(max_length=64)
    amount = ExactDecimal(max_digits=30, decimal_places=18, help_text="per `unit_size` units")
    unit_size = serializers.IntegerField(help_text="a power of ten: 1000000 for per million")
    currency = serializers.CharField(max_length=3)
    valid_from = WhenField()
    valid_to = WhenField(required=False, allow_null=True, default=None)
    service_tier = serializers.CharField(max_length=64, allow_blank=True, default="")
    batch = serializers.BooleanField(default=False)
    region = serializers.CharField(max_length=64, allow_blank=True, default="")
    context_gt = serializers.IntegerField(default=0, help_text="context over so many tokens")
    window = serializers.CharField(
        max_length=200,
        allow_blank=True,
        default="",
        help_text="hours of days: mon-fri 16:30-00:30 Asia/Shanghai; without a zone in UTC",
    )
    note = serializers.CharField(max_length=500, allow_blank=True, default="")
    replaces = serializers.UUIDField(required=False, allow_null=True, default=None)
    confirm_unit_slip = serializers.BooleanField(
        default=False, help_text="the price is meant although it is 100 times off the list price"
    )

    def to_draft(self) -> ContractDraft:
        """Return the price as the service takes it."""
        values = dict(self.validated_data)
        conditions = Conditions(
            **{name: values.pop(name) for name in Conditions._fields if name in values}
        )
        return ContractDraft(conditions=conditions, **values)


class PriceEndInput(Known):
    """The moment at which a contract price ends."""

    valid_to = WhenField()


class PriceWithdrawInput(Known):
    """Why a contract price is withdrawn."""

    reason = serializers.CharField(max_length=500)


class PriceQuery(Known):
    """The query string of the price list."""

    provider = serializers.CharField(max_length=64, default="", allow_blank=True)
    model = serializers.CharField(max_length=200, default="", allow_blank=True)
    meter = serializers.CharField(max_length=64, default="", allow_blank=True)
    family = serializers.CharField(max_length=200, default="", allow_blank=True)
    q = serializers.CharField(max_length=200, default="", allow_blank=True)
    kind = serializers.ChoiceField(choices=_KINDS, default="", allow_blank=True)
    on = WhenField(required=False, default=None, help_text="prices that apply at this moment")
    as_known_on = WhenField(required=False, default=None, help_text="as they were known then")
    known_at = WhenField(required=False, default=None, help_text="the same, by its older name")
    cursor = serializers.CharField(max_length=2000, default="", allow_blank=True)
    page_size = serializers.IntegerField(min_value=1, max_value=500, default=50)

    def to_filter(self) -> PriceFilter:
        """Return what is asked for."""
        asked = self.validated_data
        return PriceFilter(
            provider=asked["provider"],
            model=asked["model"],
            meter=asked["meter"],
            text=asked["q"],
            on=asked["on"],
            family=asked["family"],
        )


class ConditionsOutput(serializers.Serializer[Any]):
    """What must hold of a request for the price to apply."""

    service_tier = serializers.CharField()
    batch = serializers.BooleanField()
    region = serializers.CharField()
    context_gt = serializers.IntegerField()
    window = serializers.CharField()
    other = serializers.CharField()


class PriceOutput(serializers.Serializer[Any]):
    """A price with its unit; `price` says it in words."""

    id = serializers.UUIDField(source="public_id", allow_null=True)
    kind = serializers.ChoiceField(choices=_KINDS)
    provider = serializers.CharField()
    model = serializers.CharField()
    meter = serializers.CharField()
    conditions = serializers.SerializerMethodField()
    amount = serializers.SerializerMethodField()
    currency = serializers.CharField()
    unit_size = serializers.IntegerField()
    unit = serializers.SerializerMethodField()
    price = serializers.SerializerMethodField()
    valid_from = WhenField(allow_null=True)
    valid_to = WhenField(allow_null=True)
    known_from = WhenField()
    known_to = WhenField(allow_null=True)
    source = serializers.CharField()  # type: ignore[assignment]
    note = serializers.CharField()
    adopted = serializers.BooleanField(help_text="the price book in force knows it")
    superseded_by = serializers.UUIDField(allow_null=True)
    replaces = serializers.UUIDField(allow_null=True, help_text="the contract price it took over")
    cost_model = serializers.UUIDField(allow_null=True, help_text="what it was derived by")

    @extend_schema_field(ConditionsOutput)
    def get_conditions(self, price: PriceFacts) -> dict[str, Any]:
        """Return the conditions by name."""
        return price.conditions._asdict()

    def get_amount(self, price: PriceFacts) -> str:
        """Return the amount in plain notation."""
        return plain_decimal(price.amount)

    def get_unit(self, price: PriceFacts) -> str:
        """Return what the amount is for: "1M tokens"."""
        return unit_in_words(unit_size=price.unit_size, unit=price.unit)

    def get_price(self, price: PriceFacts) -> str:
        """Return the price in words: "$2.50 per 1M tokens"."""
        words = presentation.UnitPrice(
            price.amount, price.currency, price.unit_size, plural(price.unit)
        )
        return presentation.unit_price(words).replace(presentation.NBSP, " ")


class PricePageOutput(serializers.Serializer[Any]):
    """A page of prices, and the URLs of its neighbors."""

    results = PriceOutput(many=True)
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)


class BookOutput(serializers.Serializer[Any]):
    """The version of the price book in force."""

    version = serializers.IntegerField()
    catalog_known_at = WhenField()
    contract_known_at = WhenField()
    adopted_at = WhenField()
    adopted_by = serializers.CharField()
    outdated = serializers.BooleanField(help_text="prices are known that it does not know yet")


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)
