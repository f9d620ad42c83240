"""Shapes of the directory at the API."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rest_framework import serializers

from apps.core.api.fields import KnownFields
from apps.directory.domain.entries import (
    CostCenterFacts,
    CustomerFacts,
    FeatureFacts,
    ProductFacts,
    TeamFacts,
)
from apps.directory.domain.rules import Rule, parse
from apps.directory.services import RuleRefused


class _Entry(KnownFields):
    code = serializers.CharField(max_length=64, help_text="never changes")
    name = serializers.CharField(max_length=200)
    valid_from = serializers.DateField(
        allow_null=True, default=None, help_text="first day; null: always has been"
    )
    valid_to = serializers.DateField(
        allow_null=True, default=None, help_text="first day on which it is no more; null: for good"
    )


class CostCenterSerializer(_Entry):
    """A cost center: an accounting node with a statement, an owner and a general-ledger code."""

    owner_name = serializers.CharField(max_length=200, allow_blank=True, default="")
    owner_email = serializers.CharField(max_length=254, allow_blank=True, default="")
    gl_code = serializers.CharField(max_length=200, allow_blank=True, default="")
    parent = serializers.CharField(max_length=64, allow_blank=True, default="")  # type: ignore[assignment]
    kind = serializers.CharField(read_only=True)

    def to_entry(self) -> CostCenterFacts:
        """Return the entry as the service takes it."""
        return CostCenterFacts(**self.validated_data)


class TeamSerializer(_Entry):
    """A team and the cost center it belongs to."""

    cost_center = serializers.CharField(max_length=64, allow_blank=True, default="")

    def to_entry(self) -> TeamFacts:
        """Return the entry as the service takes it."""
        return TeamFacts(**self.validated_data)


class ProductSerializer(_Entry):
    """A product."""

    def to_entry(self) -> ProductFacts:
        """Return the entry as the service takes it."""
        return ProductFacts(**self.validated_data)


class FeatureSerializer(_Entry):
    """A feature of a product."""

    product = serializers.CharField(max_length=64, allow_blank=True, default="")

    def to_entry(self) -> FeatureFacts:
        """Return the entry as the service takes it."""
        return FeatureFacts(**self.validated_data)


class CustomerSerializer(_Entry):
    """A customer."""

    email = serializers.CharField(max_length=254, allow_blank=True, default="")

    def to_entry(self) -> CustomerFacts:
        """Return the entry as the service takes it."""
        return CustomerFacts(**self.validated_data)


class MoveInput(KnownFields):
    """To where something moves, and from which day on."""

    to = serializers.CharField(max_length=64, allow_blank=True, help_text="empty: to nothing")
    since = serializers.DateField(allow_null=True, default=None, help_text="null: for every day")


class RuleInput(KnownFields):
    """An attribution rule."""

    name = serializers.CharField(max_length=120)
    priority = serializers.IntegerField(default=100, help_text="the lowest is asked first")
    match = serializers.JSONField(
        default=dict,
        help_text='patterns, as {"provider": ["openai"], "model": ["gpt-4o*"], '
        '"tags": {"unit": ["a", "b"]}}; {} matches everything',
    )
    sets = serializers.JSONField(
        help_text='codes by dimension, as {"team": "search", "customer": {"tag": "tenant"}}'
    )
    valid_from = serializers.DateField(allow_null=True, default=None)
    valid_to = serializers.DateField(allow_null=True, default=None)

    def to_rule(self, *, name: str = "") -> Rule:
        """Return the rule as the service takes it; `name` keeps the name of an existing one.

        :raises RuleRefused: when match or settings cannot be read; names every mistake.
        """
        values = dict(self.validated_data)
        read = parse(match=values.pop("match"), sets=values.pop("sets"))
        if read.errors:
            raise RuleRefused(read.errors[0].message, errors=read.errors)
        rule = Rule(match=read.match, sets=read.sets, **values)
        return replace(rule, name=name) if name else rule


class RetireInput(KnownFields):
    """From which day on a rule holds no longer."""

    on = serializers.DateField(allow_null=True, default=None, help_text="null: it never did")


class RuleOutput(serializers.Serializer[Any]):
    """One version in force of an attribution rule."""

    id = serializers.UUIDField(source="public_id")
    name = serializers.CharField()
    version = serializers.IntegerField()
    priority = serializers.IntegerField()
    match = serializers.SerializerMethodField()
    sets = serializers.SerializerMethodField()
    valid_from = serializers.DateField(allow_null=True)
    valid_to = serializers.DateField(allow_null=True)

    def get_match(self, rule: Rule) -> dict[str, Any]:
        """Return the patterns."""
        return rule.match.as_json()

    def get_sets(self, rule: Rule) -> dict[str, Any]:
        """Return the settings."""
        return rule.sets_as_json()
