"""Shapes of rules, previews and runs at the API."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from apps.allocation.domain.facts import Amounts, Preview, RuleFacts, RunFacts
from apps.allocation.domain.payload import rule_json
from apps.allocation.domain.rules import Axis, Method, ZeroPolicy
from apps.core.api.fields import KnownFields
from apps.core.domain.money import published

_AXES = [axis.value for axis in Axis]


@extend_schema_serializer(component_name="AllocationRuleInput")
class RuleInput(serializers.Serializer[Any]):
    """A rule as `domain.payload.read_rule` reads it; documents the fields."""

    code = serializers.CharField(max_length=64)
    name = serializers.CharField(max_length=200, required=False, allow_blank=True)
    axis = serializers.ChoiceField(choices=_AXES, required=False)
    method = serializers.ChoiceField(choices=[method.value for method in Method])
    scope = serializers.JSONField(
        help_text="owners, origin, provider, service, model, meter, account, charge_category, tags"
    )
    receivers = serializers.JSONField(help_text='"*", ["ads", "search"] or {"ads": "40", ...}')
    level = serializers.IntegerField(required=False)
    priority = serializers.IntegerField(required=False)
    driver = serializers.CharField(max_length=64, required=False, allow_blank=True)
    zero_policy = serializers.ChoiceField(
        choices=[policy.value for policy in ZeroPolicy], required=False
    )
    final_only = serializers.BooleanField(required=False)
    percent = serializers.CharField(
        required=False, help_text="markup in percent; below zero a subsidy"
    )
    tiers = serializers.ListField(
        child=serializers.DictField(),
        required=False,
        help_text='bands of a tiered driver: [{"up_to": "1000", "weight": "1"}, {"weight": "0.5"}]',
    )
    minimum_share = serializers.CharField(
        required=False, help_text="least share of a receiver in percent"
    )
    maximum_share = serializers.CharField(
        required=False, help_text="most share of a receiver in percent; the rest is unallocated"
    )
    first_month = serializers.CharField(required=False, help_text="2026-10; else the open month")
    last_month = serializers.CharField(required=False, allow_null=True)


@extend_schema_serializer(component_name="AllocationRuleOutput")
class RuleOutput(serializers.Serializer[Any]):
    """A stored version of a rule."""

    id = serializers.UUIDField()
    rule = RuleInput()
    version = serializers.IntegerField()
    is_ended = serializers.BooleanField()
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()

    def to_representation(self, instance: RuleFacts) -> dict[str, Any]:
        """Return the rule's fields beside those of its version."""
        return {
            "id": str(instance.id),
            **rule_json(instance.rule),
            "is_ended": instance.is_ended,
            "created_at": instance.created_at.isoformat(),
            "created_by": instance.created_by,
        }


class RuleList(serializers.Serializer[Any]):
    """Rules."""

    results = RuleOutput(many=True)


class ChangeOutput(serializers.Serializer[Any]):
    """What one receiver bears before and after, effective cost."""

    axis = serializers.ChoiceField(choices=_AXES)
    receiver = serializers.CharField()
    before = serializers.CharField()
    after = serializers.CharField()
    difference = serializers.CharField()


class PreviewOutput(serializers.Serializer[Preview]):
    """Who would bear more or less; differences of an axis sum to zero."""

    period = serializers.CharField()
    currency = serializers.CharField()
    provisional_fx = serializers.BooleanField()
    total = serializers.JSONField()
    changes = ChangeOutput(many=True)

    def to_representation(self, instance: Preview) -> dict[str, Any]:
        """Return money as text with 12 decimals."""
        return {
            "period": str(instance.month),
            "currency": instance.currency,
            "provisional_fx": instance.provisional_fx,
            "total": _amounts(instance.total),
            "changes": [
                {
                    "axis": change.axis.value,
                    "receiver": change.receiver,
                    "before": published(change.before),
                    "after": published(change.after),
                    "difference": published(change.difference),
                }
                for change in instance.changes
            ],
        }


@extend_schema_serializer(component_name="AllocationRunOutput")
class RunOutput(serializers.Serializer[Any]):
    """A run with its hashes; per axis lines minus sources is zero."""

    id = serializers.UUIDField()
    period = serializers.CharField()
    state = serializers.ChoiceField(choices=["draft", "published", "superseded", "what_if"])
    name = serializers.CharField(help_text="what a what-if run supposes")
    currency = serializers.CharField()
    input_hash = serializers.CharField()
    output_hash = serializers.CharField()
    sources = serializers.JSONField()
    totals = serializers.JSONField(help_text="sums of lines by axis, and their difference")
    rounding = serializers.CharField(help_text="exact cost base minus sources")
    source_count = serializers.IntegerField()
    line_count = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()

    def to_representation(self, instance: RunFacts) -> dict[str, Any]:
        """Return money as text with 12 decimals."""
        return {
            "id": str(instance.id),
            "period": str(instance.month),
            "state": instance.state,
            "name": instance.name,
            "currency": instance.currency,
            "input_hash": instance.input_hash,
            "output_hash": instance.output_hash,
            "sources": _amounts(instance.sources),
            "totals": {
                axis.value: _amounts(totals)
                | {"difference": published(totals.effective - instance.sources.effective)}
                for axis, totals in instance.totals.items()
            },
            "rounding": f"{instance.rounding:f}",
            "source_count": instance.source_count,
            "line_count": instance.line_count,
            "provisional_fx": instance.provisional_fx,
            "rules": list(instance.rules),
            "created_at": instance.created_at.isoformat(),
            "created_by": instance.created_by,
        }


class RunList(serializers.Serializer[Any]):
    """Runs."""

    results = RunOutput(many=True)


class WhatIfRunInput(KnownFields):
    """A what-if run to make: rules in place of those of the same code, and rules left out."""

    period = serializers.CharField(max_length=7, help_text="2026-10; may be closed")
    name = serializers.CharField(max_length=200, help_text="what it supposes")
    rules = serializers.ListField(
        child=serializers.JSONField(), required=False, max_length=100, help_text="as rules are sent"
    )
    without = serializers.ListField(
        child=serializers.CharField(max_length=64), required=False, max_length=100
    )


class DriverInput(serializers.Serializer[Any]):
    """Driver values by receiver: {"ads": "12"}."""

    values = serializers.DictField(
        child=serializers.DecimalField(max_digits=24, decimal_places=6), allow_empty=False
    )


class EndInput(serializers.Serializer[Any]):
    """The first month in which the rule no longer applies."""

    from_month = serializers.CharField(max_length=7)


def _amounts(amounts: Amounts) -> dict[str, str]:
    return {"billed": published(amounts.billed), "effective": published(amounts.effective)}
