"""Shapes of holds at the API."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.budgets.services import Actual, HoldFacts
from apps.core.api.fields import ExactDecimal, KnownFields, UtcMoment
from apps.core.domain.money import published


class UsageInput(KnownFields):
    """Tokens that a call took."""

    input_tokens = serializers.IntegerField(min_value=0)
    cached_input_tokens = serializers.IntegerField(min_value=0, default=0)
    output_tokens = serializers.IntegerField(min_value=0, default=0)
    requests = serializers.IntegerField(min_value=1, default=1)


class EventRefInput(KnownFields):
    """The name of an event."""

    source = serializers.CharField(max_length=200)  # type: ignore[assignment]
    id = serializers.CharField(max_length=200)


class SettleInput(KnownFields):
    """What a call came to: an amount, its tokens, its event, or the name of it."""

    amount = ExactDecimal(max_digits=30, decimal_places=12, required=False, min_value=0)
    currency = serializers.CharField(max_length=3, required=False)
    usage = UsageInput(required=False)
    event_ref = EventRefInput(required=False)
    event = serializers.DictField(required=False, help_text="the event itself, as usage/events")

    def to_actual(self) -> Actual:
        """Return what was used, but for an event."""
        sent = dict(self.validated_data)
        ref = sent.get("event_ref")
        return Actual(
            amount=sent.get("amount"),
            currency=sent.get("currency", ""),
            **sent.get("usage", {}),
            event_ref=None if ref is None else (ref["source"], ref["id"]),
        )


class HoldOutput(serializers.Serializer[Any]):
    """A hold."""

    id = serializers.UUIDField()
    state = serializers.CharField(help_text="open, settled, used, void or expired")
    tags = serializers.DictField(child=serializers.CharField())
    provider = serializers.CharField()
    model = serializers.CharField()
    amount = serializers.CharField()
    settled_amount = serializers.CharField(allow_null=True)
    currency = serializers.CharField()
    made_by = serializers.CharField()
    created_at = UtcMoment()
    expires_at = UtcMoment()
    ended_at = UtcMoment(allow_null=True)
    event_ref = serializers.CharField(help_text="source/id of the event that ends it")

    def to_representation(self, instance: HoldFacts) -> dict[str, Any]:
        """Return the hold as JSON."""
        moments = ("created_at", "expires_at", "ended_at")
        plain = ("state", "provider", "model", "currency", "made_by", "event_ref")
        settled = instance.settled_amount
        return {
            "id": str(instance.id),
            "tags": dict(instance.tags),
            "amount": published(instance.amount),
            "settled_amount": None if settled is None else published(settled),
            **{name: getattr(instance, name) for name in plain},
            **{name: _moment(getattr(instance, name)) for name in moments},
        }


def _moment(value: Any) -> str | None:
    return None if value is None else UtcMoment().to_representation(value)
