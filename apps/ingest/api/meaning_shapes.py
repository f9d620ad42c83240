"""Shapes of the unpriced queue, of mappings and of price corrections at the API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from rest_framework import serializers

from apps.catalog.domain.meters import meter_facts, unit_in_words
from apps.core.api.fields import KnownFields, MonthField, UtcMoment
from apps.core.domain.canonical import plain_decimal
from apps.core.domain.money import published
from apps.ingest.services import Foresight, PriceCorrectionForesight
from apps.ingest.services.meanings import CostChange
from apps.rating.domain.missing import IN_WORDS, WorstCase
from apps.rating.selectors import MappingFacts
from apps.rating.services import MappingDraft
from apps.usage.selectors import QueueRow
from apps.usage.services import Rerating


class QueueQuery(KnownFields):
    """The query string of the queue."""

    period = MonthField(required=False, help_text="every open month when absent")


class ModelMappingInput(KnownFields):
    """What a sent model means."""

    sent_provider = serializers.CharField(
        max_length=200, allow_blank=True, default="", help_text="empty for a service"
    )
    sent_model = serializers.CharField(max_length=200)
    provider = serializers.CharField(max_length=64, allow_blank=True, default="")
    model = serializers.CharField(max_length=200, help_text="a model that has prices")
    valid_from = UtcMoment()
    valid_to = UtcMoment(required=False, allow_null=True, default=None)
    note = serializers.CharField(max_length=500, allow_blank=True, default="")

    def to_draft(self) -> MappingDraft:
        """Return the mapping as the service takes it."""
        return MappingDraft(**self.validated_data)


class ModelMappingEndInput(KnownFields):
    """The moment at which a mapping ends."""

    valid_to = UtcMoment()


class ModelMappingWithdrawInput(KnownFields):
    """Why a mapping is withdrawn."""

    reason = serializers.CharField(max_length=500)


class CorrectPricesInput(KnownFields):
    """Which month is to be corrected, and why."""

    period = MonthField(help_text="a month that is not open")
    reason = serializers.CharField(max_length=1000, allow_blank=True, default="")


class ModelMappingOutput(serializers.Serializer[Any]):
    """A mapping in both times."""

    id = serializers.UUIDField()
    sent_provider = serializers.CharField()
    sent_model = serializers.CharField()
    provider = serializers.CharField()
    model = serializers.CharField()
    valid_from = UtcMoment()
    valid_to = UtcMoment(allow_null=True)
    known_from = UtcMoment()
    known_to = UtcMoment(allow_null=True)
    note = serializers.CharField()
    created_by = serializers.CharField()


class ModelMappingListOutput(serializers.Serializer[Any]):
    """Mappings, those that stand first."""

    results = ModelMappingOutput(many=True)


class ForesightOutput(serializers.Serializer[Any]):
    """What a change would do, and, when it was made, what it did."""

    dry_run = serializers.BooleanField()
    mapping = ModelMappingOutput(allow_null=True)
    price_book_version = serializers.IntegerField(allow_null=True)
    cells = serializers.IntegerField(help_text="quantities of open months priced otherwise")
    months = serializers.ListField(child=serializers.DictField())
    lines = serializers.ListField(child=serializers.DictField())
    teams = serializers.ListField(child=serializers.DictField())


class QueueOutput(serializers.Serializer[Any]):
    """What has no price."""

    results = serializers.ListField(child=serializers.DictField())
    worst_case = serializers.CharField(allow_null=True)
    currency = serializers.CharField()


class PriceCorrectionOutput(serializers.Serializer[Any]):
    """What a price correction of a month books, or would."""

    dry_run = serializers.BooleanField()
    period = serializers.CharField()
    booked_in = serializers.CharField(allow_null=True)
    price_book_version = serializers.IntegerField()
    facts = serializers.IntegerField()
    difference = serializers.DictField(child=serializers.CharField())
    lines = serializers.ListField(child=serializers.DictField())


def queue_row(row: QueueRow) -> dict[str, Any]:
    """Return a row of the queue: what, how much, why, and the worst case with how it was got."""
    return {
        "period": str(row.month),
        "provider": row.sku.provider,
        "model": row.sku.model,
        "sku": row.sku.label,
        "meter": row.meter,
        "unit": meter_facts(row.meter).unit,
        "quantity": plain_decimal(row.quantity),
        "events": int(row.events),
        "first_day": row.first_day,
        "last_day": row.last_day,
        "reason": row.reason.value,
        "message": IN_WORDS[row.reason] + ".",
        "worst_case": None if row.worst is None else worst_body(row.worst),
    }


def worst_body(worst: WorstCase) -> dict[str, Any]:
    """Return an estimate: what it is, and which price of which peers it rests on."""
    price = worst.price
    return {
        "amount": published(worst.amount),
        "currency": worst.currency,
        "basis": worst.basis.value,
        "peers": worst.peers,
        "dearest": {
            "provider": price.provider,
            "model": price.model,
            "amount": plain_decimal(price.amount),
            "currency": price.currency,
            "unit": unit_in_words(unit_size=price.unit_size, unit=meter_facts(price.meter).unit),
            "source": price.source,
        },
    }


def foresight_body(seen: Foresight) -> dict[str, Any]:
    """Return what a change does: by month, by meter of a SKU, by team; old and new cost."""
    return {
        "cells": seen.cells,
        "months": [
            {
                "period": str(month.month),
                "state": month.state.value,
                "rated_again": month.is_rated_again,
                "cells": month.cells,
                **cost_body(month.cost),
            }
            for month in seen.months
        ],
        "lines": [line_body(line) for line in seen.lines],
        "teams": [{"team": team.team, **cost_body(team.cost)} for team in seen.teams],
    }


def line_body(line: Any) -> dict[str, Any]:
    """Return a meter that is priced otherwise; a cost of null is unpriced."""
    return {
        "before": line.before,
        "after": line.after,
        "meter": line.meter,
        "quantity": plain_decimal(line.quantity),
        "cost_before": _plain(line.cost_before),
        "currency_before": line.currency_before or None,
        "cost_after": _plain(line.cost_after),
        "currency_after": line.currency_after or None,
    }


def cost_body(cost: CostChange) -> dict[str, Any]:
    """Return cost by currency before and after."""
    return {"cost_before": sums_body(cost.before), "cost_after": sums_body(cost.after)}


def sums_body(sums: Mapping[str, Decimal]) -> dict[str, str]:
    """Return amounts by currency in plain notation."""
    return {currency: plain_decimal(amount) for currency, amount in sums.items()}


def reratings_body(months: tuple[Rerating, ...]) -> dict[str, Any]:
    """Return what rating months again did."""
    return {
        "cells": sum(month.cells for month in months),
        "months": [
            {
                "period": str(month.month),
                "state": "open",
                "rated_again": True,
                "cells": month.cells,
                "cost_before": sums_body(month.before),
                "cost_after": sums_body(month.after),
            }
            for month in months
        ],
        "lines": [],
        "teams": [],
    }


def mapping_body(mapping: MappingFacts) -> dict[str, Any]:
    """Return a mapping."""
    return dict(ModelMappingOutput(asdict(mapping)).data)


def correction_body(seen: PriceCorrectionForesight) -> dict[str, Any]:
    """Return what a price correction would book."""
    return {
        "period": str(seen.month),
        "booked_in": str(seen.booked_in) if seen.booked_in else None,
        "price_book_version": seen.version,
        "facts": seen.facts,
        "difference": sums_body(seen.difference),
        "lines": [line_body(line) for line in seen.lines],
    }


def _plain(amount: Decimal | None) -> str | None:
    return None if amount is None else plain_decimal(amount)
