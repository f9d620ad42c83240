"""Serializer parts that every API shares: known fields only, exact decimals, months."""

from __future__ import annotations

from datetime import UTC
from decimal import Decimal
from typing import Any

from django.http import HttpRequest
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

from apps.core.domain.canonical import plain_decimal
from apps.core.domain.errors import FieldError, Invalid
from apps.core.domain.months import Month


def known_parameters(
    request: HttpRequest | Request, *names: str, prefixes: tuple[str, ...] = ()
) -> None:
    """Refuse a query string with a parameter that nobody reads.

    A misspelled filter would otherwise answer with the whole, and a misspelled dry_run store.

    :raises Invalid: naming the parameters that are not known.
    """
    query = request.GET
    unknown = [name for name in query if name not in names and not name.startswith(prefixes)]
    twice = [name for name in query if len(query.getlist(name)) > 1]
    if not unknown and not twice:
        return
    known = ", ".join([*names, *(f"{prefix}..." for prefix in prefixes)])
    found = [
        FieldError(name[:100], "unknown", f"There is no such parameter; known are {known}.")
        for name in unknown
    ] + [FieldError(name[:100], "repeated", "Give the parameter once.") for name in twice]
    first = found[0]
    raise Invalid(f"{first.field}: {first.message}", code="parameter", errors=tuple(found))


class KnownFields(serializers.Serializer[Any]):
    """Refuses fields that it does not know, naming them."""

    def to_internal_value(self, data: Any) -> Any:
        unknown = set(data) - set(self.fields) if isinstance(data, dict) else set()
        if unknown:
            known = ", ".join(sorted(self.fields))
            message = f"There is no such field; known are {known}."
            raise serializers.ValidationError(
                {str(name): [message] for name in sorted(unknown, key=str)}, code="unknown"
            )
        return super().to_internal_value(data)


class ExactDecimal(serializers.DecimalField):
    """A decimal that was never a float; shown in plain notation."""

    def to_internal_value(self, data: Any) -> Decimal:
        if isinstance(data, bool | float):
            raise serializers.ValidationError(
                'Send the number as a string, such as "2.50": JSON numbers lose digits.',
                code="string",
            )
        return super().to_internal_value(data)

    def to_representation(self, value: Any) -> str:
        return plain_decimal(value)


@extend_schema_field({"type": "string", "pattern": r"^\d{4}-\d{2}$", "example": "2026-10"})
class MonthField(serializers.Field[Month, str, str, Any]):
    """An accounting month, written 2026-10."""

    def to_internal_value(self, data: Any) -> Month:
        try:
            return Month.parse(data if isinstance(data, str) else "")
        except Invalid as refused:
            raise serializers.ValidationError(refused.message, code="month") from refused

    def to_representation(self, value: Month) -> str:
        return str(value)


class UtcMoment(serializers.DateTimeField):
    """A moment, always shown in UTC as 2026-10-01T04:00:00Z."""

    def __init__(self, **options: Any) -> None:
        super().__init__(default_timezone=UTC, **options)
