"""Shapes of what-if questions and their answers at the API."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.catalog.domain.conditions import Conditions
from apps.core.api.fields import ExactDecimal, KnownFields, MonthField
from apps.core.domain.canonical import plain_decimal
from apps.core.domain.money import published
from apps.core.domain.months import Month
from apps.insights.domain.what_if import Answer, Comparison, Row
from apps.insights.selectors import GROUPS, MonthStanding, Question
from apps.rating import selectors as rating
from apps.tenants import selectors as tenants

_MOST: int = 100


class SupposedPriceInput(KnownFields):
    """A price to suppose, for the whole month unless times are given."""

    provider = serializers.CharField(max_length=64, allow_blank=True, default="")
    model = serializers.CharField(max_length=200, help_text='code, alias, or prefix with "*"')
    meter = serializers.CharField(max_length=64)
    amount = ExactDecimal(max_digits=30, decimal_places=18, help_text="per `unit_size` units")
    unit_size = serializers.IntegerField(help_text="a power of ten: 1000000 for per million")
    currency = serializers.CharField(max_length=3)
    service_tier = serializers.CharField(max_length=64, allow_blank=True, default="")
    batch = serializers.BooleanField(default=False)
    region = serializers.CharField(max_length=64, allow_blank=True, default="")
    context_gt = serializers.IntegerField(default=0)
    valid_from = serializers.DateTimeField(required=False, allow_null=True, default=None)
    valid_to = serializers.DateTimeField(required=False, allow_null=True, default=None)


class ModelInput(KnownFields):
    """A model by any of its names; a service has no provider."""

    provider = serializers.CharField(max_length=64, allow_blank=True, default="")
    model = serializers.CharField(max_length=200)


class SubstitutionInput(KnownFields):
    """The model that was used, and the one to suppose in its place."""

    to = ModelInput()

    def get_fields(self) -> dict[str, Any]:
        """Add the field `from`, whose name Python keeps for itself."""
        return {"from": ModelInput(), **super().get_fields()}


class WhatIfInput(KnownFields):
    """What would a month have cost at these prices, on those models?"""

    month = MonthField()
    prices = SupposedPriceInput(many=True, default=list)
    substitutions = SubstitutionInput(many=True, default=list)
    filters = serializers.DictField(
        child=serializers.CharField(max_length=256, allow_blank=True),
        default=dict,
        help_text='dimension to value: {"team": "search"}',
    )
    group_by = serializers.ListField(
        child=serializers.CharField(max_length=80), default=list, max_length=8
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse more than can be meant."""
        for name in ("prices", "substitutions"):
            if len(attrs[name]) > _MOST:
                raise serializers.ValidationError({name: [f"Send at most {_MOST}."]})
        return attrs

    def to_question(self) -> Question:
        """Return what is asked."""
        asked = self.validated_data
        month: Month = asked["month"]
        start, end = month.bounds(tenants.current().timezone)
        return Question(
            month=month,
            prices=tuple(_draft(one, start, end) for one in asked["prices"]),
            substitutions=tuple(
                rating.Substitution(_name(one["from"]), _name(one["to"]))
                for one in asked["substitutions"]
            ),
            filters=asked["filters"],
            group_by=tuple(asked["group_by"]) or GROUPS,
        )


def _draft(price: dict[str, Any], start: datetime, end: datetime) -> rating.ContractDraft:
    values = dict(price)
    names = ("service_tier", "batch", "region", "context_gt")
    conditions = Conditions(**{name: values.pop(name) for name in names})
    values["valid_from"] = values["valid_from"] or start
    values["valid_to"] = values["valid_to"] or end
    return rating.ContractDraft(conditions=conditions, **values)


def _name(model: dict[str, str]) -> tuple[str, str]:
    return model["provider"], model["model"]


class ComparisonOutput(serializers.Serializer[Any]):
    """Costs before and after; null where not everything has a price, and never zero for that."""

    was = serializers.CharField(allow_null=True)
    would_be = serializers.CharField(allow_null=True)
    difference = serializers.CharField(allow_null=True)
    percent = serializers.CharField(allow_null=True, help_text="of what it was")


class CostsOutput(ComparisonOutput):
    """The comparison, and the same over what has a price both ways."""

    comparable = ComparisonOutput()


class WhatIfRowOutput(CostsOutput):
    """One group, with a field for each dimension asked for."""

    team = serializers.CharField(required=False)
    model = serializers.CharField(required=False)
    meter = serializers.CharField(required=False)
    quantity = serializers.CharField(allow_null=True, help_text="of one meter; else null")


class WhatIfUnpricedOutput(serializers.Serializer[Any]):
    """Usage that would have no price; it is in no `would_be`."""

    provider = serializers.CharField()
    model = serializers.CharField()
    meter = serializers.CharField()
    quantity = serializers.CharField()


class WhatIfOutput(serializers.Serializer[Any]):
    """What the month cost and would have cost, exact, in one currency."""

    month = serializers.CharField()
    currency = serializers.CharField()
    total = CostsOutput()
    rows = serializers.SerializerMethodField()
    unpriced = WhatIfUnpricedOutput(many=True)
    kept = serializers.CharField(help_text="usage of other months booked in this one, left alone")

    @extend_schema_field(WhatIfRowOutput(many=True))
    def get_rows(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the groups."""
        rows: list[dict[str, Any]] = body["rows"]
        return rows


class MonthStandingOutput(serializers.Serializer[Any]):
    """One month of a commitment."""

    month = serializers.CharField()
    levels = serializers.ListField(child=serializers.IntegerField())
    committed = serializers.CharField()
    used = serializers.CharField()
    shortfall = serializers.CharField()
    provisional = serializers.BooleanField(help_text="the month is open: usage still comes")


class ShortfallOutput(serializers.Serializer[Any]):
    """How a commitment stands by month, in its currency or in units of its meter."""

    commitment = serializers.UUIDField()
    name = serializers.CharField()
    measure = serializers.CharField()
    currency = serializers.CharField()
    meter = serializers.CharField()
    months = MonthStandingOutput(many=True)


def shortfall_body(agreed: rating.CommitmentFacts, found: list[MonthStanding]) -> dict[str, Any]:
    """Return how a commitment stands as the API shows it."""
    said = published if agreed.measure == "spend" else plain_decimal
    return {
        "commitment": agreed.id,
        "name": agreed.name,
        "measure": agreed.measure,
        "currency": agreed.currency,
        "meter": agreed.scope.meter,
        "months": [
            {
                "month": str(one.month),
                "levels": list(one.standing.levels),
                "committed": said(one.standing.committed),
                "used": said(one.standing.used),
                "shortfall": said(one.standing.shortfall),
                "provisional": one.provisional,
            }
            for one in found
        ],
    }


def answer_body(month: Month, found: Answer) -> dict[str, Any]:
    """Return an answer as the API shows it."""
    return {
        "month": str(month),
        "currency": found.currency,
        "total": _costs(found.total),
        "rows": [_row(row) for row in found.rows],
        "unpriced": [
            {
                "provider": one.provider,
                "model": one.model,
                "meter": one.meter,
                "quantity": plain_decimal(one.quantity),
            }
            for one in found.unpriced
        ],
        "kept": published(found.kept),
    }


def _row(row: Row) -> dict[str, Any]:
    quantity = None if row.quantity is None else plain_decimal(row.quantity)
    return {**row.dimensions, "quantity": quantity, **_costs(row.costs)}


def _costs(costs: Comparison) -> dict[str, Any]:
    return {
        "was": _money(costs.was),
        "would_be": _money(costs.would_be),
        "difference": _money(costs.difference),
        "percent": _percent(costs.percent),
        "comparable": {
            "was": published(costs.comparable_was),
            "would_be": published(costs.comparable_would_be),
            "difference": published(costs.comparable_difference),
            "percent": _percent(costs.comparable_percent),
        },
    }


def _money(amount: Decimal | None) -> str | None:
    return None if amount is None else published(amount)


def _percent(value: Decimal | None) -> str | None:
    return None if value is None else plain_decimal(value)
