"""Shapes of periods and exchange rates at the API."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.core.api.fields import ExactDecimal, KnownFields, MonthField, UtcMoment
from apps.periods.domain.calendar import State
from apps.periods.domain.fx import RateKind


class PeriodOutput(serializers.Serializer[Any]):
    """An accounting month; [starts_at, ends_at) in UTC, from the tenant's timezone."""

    period = MonthField(source="month")
    state = serializers.ChoiceField(choices=[state.value for state in State])
    starts_at = UtcMoment()
    ends_at = UtcMoment()
    price_book_version = serializers.IntegerField(allow_null=True)
    frozen_at = UtcMoment(allow_null=True)
    closed_at = UtcMoment(allow_null=True)
    closed_by = serializers.CharField()
    approved_by = serializers.CharField()


class RateInput(KnownFields):
    """An exchange rate to enter."""

    period = MonthField()
    base = serializers.CharField(max_length=3, help_text="ISO 4217 code of one unit")
    quote = serializers.CharField(max_length=3, help_text="ISO 4217 code of what it is worth")
    rate = ExactDecimal(
        max_digits=24, decimal_places=12, help_text="units of quote for one unit of base"
    )
    kind = serializers.ChoiceField(choices=[kind.value for kind in RateKind])
    source = serializers.CharField(max_length=200, help_text="who published it")  # type: ignore[assignment]
    rate_on = serializers.DateField(help_text="the day for which it was published")

    def to_values(self) -> dict[str, Any]:
        """Return the values as the service takes them."""
        values = dict(self.validated_data)
        return values | {"month": values.pop("period"), "kind": RateKind(values["kind"])}


class RateOutput(serializers.Serializer[Any]):
    """An entered exchange rate; of several revisions of a pair, month and kind the last counts."""

    period = MonthField(source="month")
    base = serializers.CharField()
    quote = serializers.CharField()
    rate = ExactDecimal(max_digits=24, decimal_places=12)
    kind = serializers.ChoiceField(choices=[kind.value for kind in RateKind])
    revision = serializers.IntegerField()
    source = serializers.CharField()  # type: ignore[assignment]
    rate_on = serializers.DateField()
