"""Shapes of budgets at the API."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.budgets.domain.budgets import (
    DEFAULT_THRESHOLDS,
    Basis,
    BudgetDraft,
    OnFailure,
    Threshold,
    Unpriced,
)
from apps.budgets.domain.limits import NO_ROLLOVER, Limit, Rollover
from apps.budgets.domain.scope import KEYS
from apps.budgets.domain.windows import Window
from apps.budgets.selectors import Foreseen, Standing, last_day
from apps.core.api.fields import ExactDecimal, KnownFields, UtcMoment
from apps.core.domain.money import published

_WINDOWS = [one.value for one in Window]
_LIMITS = [one.value for one in Limit]


def _plain(value: Decimal | None) -> str | None:
    return None if value is None else published(value)


@extend_schema_field(
    {
        "type": "object",
        "additionalProperties": {"type": "string"},
        "example": {"team": "search", "model": "gpt-4o"},
        "description": f"codes by key: {', '.join(KEYS)}",
    }
)
class ScopeField(serializers.JSONField):
    """Codes by key; the domain says which keys there are."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        read = super().to_internal_value(data)
        if not isinstance(read, dict):
            raise serializers.ValidationError('Give an object such as {"team": "search"}.')
        return read


@extend_schema_field(
    {
        "oneOf": [
            {"type": "string", "example": "80"},
            {
                "type": "object",
                "properties": {
                    "percent": {"type": "string"},
                    "basis": {"type": "string", "enum": [one.value for one in Basis]},
                },
            },
        ]
    }
)
class ThresholdField(serializers.Field[Threshold, Any, Any, Any]):
    """A percent of the limit as a string, or an object that also says of what."""

    def to_internal_value(self, data: Any) -> Threshold:
        sent = {"percent": data} if isinstance(data, str) else data
        try:
            basis = Basis(sent.get("basis", Basis.ACTUAL.value))
            percent = Decimal(sent["percent"]) if isinstance(sent["percent"], str) else None
        except (AttributeError, KeyError, InvalidOperation, ValueError, TypeError):
            percent, basis = None, Basis.ACTUAL
        if percent is None or not percent.is_finite():
            raise serializers.ValidationError(
                'Give a percent such as "80", or {"percent": "100", "basis": "forecast"}.'
            )
        return Threshold(percent, basis)

    def to_representation(self, value: Threshold) -> dict[str, str]:
        return value.as_json()


class RolloverInput(KnownFields):
    """What a window hands to the next one."""

    unused_cap = ExactDecimal(
        max_digits=30, decimal_places=12, allow_null=True, default=None, help_text="of unused money"
    )
    overspend = serializers.BooleanField(default=False)


class BudgetInput(KnownFields):
    """A budget to set or to change."""

    name = serializers.CharField(max_length=200)
    scope = ScopeField(default=dict)
    window = serializers.ChoiceField(choices=_WINDOWS, default=Window.MONTH.value)
    starts_on = serializers.DateField(default=None, allow_null=True)
    ends_on = serializers.DateField(
        default=None, allow_null=True, help_text="last day of a fixed window"
    )
    days = serializers.IntegerField(
        default=None, allow_null=True, help_text="that a rolling window counts"
    )
    amount = ExactDecimal(max_digits=30, decimal_places=12, help_text="per window")
    currency = serializers.CharField(max_length=3, help_text="ISO 4217 code")
    limit = serializers.ChoiceField(choices=_LIMITS, default=Limit.SOFT.value)
    rollover = RolloverInput(default=None, allow_null=True)
    thresholds = serializers.ListField(
        child=ThresholdField(), default=None, allow_null=True, max_length=20
    )
    owners = serializers.ListField(
        child=serializers.CharField(max_length=254), default=list, max_length=20
    )
    unpriced = serializers.ChoiceField(
        choices=[one.value for one in Unpriced], default=Unpriced.DENY.value
    )
    on_failure = serializers.ChoiceField(
        choices=[one.value for one in OnFailure], default=OnFailure.OPEN.value
    )

    def to_draft(self) -> BudgetDraft:
        """Return what is to be set."""
        sent = dict(self.validated_data)
        rollover, thresholds = sent.pop("rollover"), sent.pop("thresholds")
        return BudgetDraft(
            **{
                **sent,
                "window": Window(sent["window"]),
                "limit": Limit(sent["limit"]),
                "unpriced": Unpriced(sent["unpriced"]),
                "on_failure": OnFailure(sent["on_failure"]),
                "rollover": NO_ROLLOVER if rollover is None else Rollover(**rollover),
                "thresholds": DEFAULT_THRESHOLDS if thresholds is None else tuple(thresholds),
            }
        )


class WindowOutput(serializers.Serializer[Any]):
    """The days that count; a rolling window ends today."""

    kind = serializers.ChoiceField(choices=_WINDOWS)
    starts_on = serializers.DateField()
    ends_on = serializers.DateField(allow_null=True, help_text="last day")
    days = serializers.IntegerField(allow_null=True)


class ForecastOutput(serializers.Serializer[Any]):
    """What the window will have spent at its end; of a rolling one, on the coming day with most.

    Null without enough history.
    """

    expected = serializers.CharField(allow_null=True)
    low = serializers.CharField(allow_null=True)
    high = serializers.CharField(allow_null=True)
    runs_out_on = serializers.DateField(
        allow_null=True, help_text="first day foreseen above the limit"
    )
    on = serializers.DateField(allow_null=True, help_text="the day that this is about")
    reason = serializers.CharField(help_text="why there is none")


class BudgetOutput(serializers.Serializer[Any]):
    """A budget in one of its windows; money in its currency, as decimal strings."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    scope = ScopeField()
    window = WindowOutput()
    amount = serializers.CharField(help_text="per window")
    currency = serializers.CharField()
    limit = serializers.ChoiceField(choices=_LIMITS)
    carried = serializers.CharField(help_text="from the window before")
    raised = serializers.CharField(help_text="by raises in force")
    available = serializers.CharField(help_text="amount, carried and raised")
    spent = serializers.CharField()
    held = serializers.CharField()
    left = serializers.CharField(help_text="may still be authorized; below zero when overspent")
    overrun = serializers.CharField(help_text="used above a hard limit")
    state = serializers.CharField(help_text="ok, near, forecast_over, over or retired")
    rollover = RolloverInput()
    thresholds = serializers.ListField(child=ThresholdField())
    owners = serializers.ListField(child=serializers.CharField())
    unpriced = serializers.CharField()
    on_failure = serializers.CharField()
    is_grant = serializers.BooleanField()
    missing_rates = serializers.ListField(
        child=serializers.CharField(), help_text="currencies used that have no budget rate"
    )
    created_at = UtcMoment()
    created_by = serializers.CharField()
    retired_at = UtcMoment(allow_null=True)
    warnings = serializers.ListField(child=serializers.CharField(), required=False)
    forecast = ForecastOutput(required=False)

    def to_representation(self, instance: Standing) -> dict[str, Any]:
        """Return a budget as JSON."""
        budget, counted = instance.budget, instance.counters
        return {
            "id": str(budget.id),
            "name": budget.name,
            "scope": dict(budget.scope),
            "window": {
                "kind": budget.rule.kind.value,
                "starts_on": instance.window.start,
                "ends_on": last_day(instance.window),
                "days": budget.rule.days,
            },
            "amount": published(instance.amount),
            "currency": budget.currency,
            "limit": budget.limit.value,
            "carried": published(instance.carried),
            "raised": published(instance.raised),
            "available": published(counted.limit),
            "spent": published(counted.spent),
            "held": published(counted.held),
            "left": published(counted.left),
            "overrun": published(counted.overrun),
            "state": instance.state,
            "rollover": {
                "unused_cap": _plain(budget.rollover.unused_cap),
                "overspend": budget.rollover.overspend,
            },
            "thresholds": [one.as_json() for one in budget.thresholds],
            "owners": list(budget.owners),
            "unpriced": budget.unpriced.value,
            "on_failure": budget.on_failure.value,
            "is_grant": budget.is_grant,
            "missing_rates": list(instance.lacks_rates),
            "created_at": UtcMoment().to_representation(budget.created_at),
            "created_by": budget.created_by,
            "retired_at": None
            if budget.retired_at is None
            else UtcMoment().to_representation(budget.retired_at),
        }


def forecast_of(found: Foreseen) -> dict[str, Any]:
    """Return a forecast as JSON."""
    return {
        "expected": _plain(found.expected),
        "low": _plain(found.low),
        "high": _plain(found.high),
        "runs_out_on": found.runs_out_on,
        "on": found.on,
        "reason": found.reason,
    }


class RaiseInput(KnownFields):
    """More money for a while."""

    amount = ExactDecimal(max_digits=30, decimal_places=12)
    expires_at = serializers.DateTimeField()
    reason = serializers.CharField(max_length=1000)


class SnoozeInput(KnownFields):
    """Alerts held back until a moment."""

    until = serializers.DateTimeField()
    reason = serializers.CharField(max_length=1000)
