"""Shapes of statements at the API. Amounts are strings in the currency beside them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.core.api.fields import KnownFields, MonthField
from apps.documents.domain.states import Format

LANGUAGES = ("en", "en-US", "en-GB", "de", "de-DE", "fr", "fr-FR")


@extend_schema_field({"type": "string", "format": "decimal"})
class AmountField(serializers.Field[Any, str, str, Any]):
    """An amount in plain notation."""

    def to_representation(self, value: Any) -> str:
        return f"{value:f}"


class StatementsQuery(KnownFields):
    """What a list of statements is asked for."""

    period = MonthField(help_text="accounting month, 2026-10")
    cursor = serializers.CharField(required=False, default="", allow_blank=True, max_length=64)
    page_size = serializers.IntegerField(required=False, default=50, min_value=1, max_value=500)


class FileQuery(KnownFields):
    """In which language a PDF is wanted; the tenant's when nothing is said."""

    locale = serializers.ChoiceField(choices=LANGUAGES, required=False, default="")


class StatementOutput(serializers.Serializer[Any]):
    """A statement in a list."""

    id = serializers.UUIDField()
    number = serializers.CharField(help_text="empty for a draft")
    state = serializers.ChoiceField(choices=["draft", "sealed", "void"])
    period = MonthField(source="month", read_only=True)
    cost_center = serializers.CharField()
    name = serializers.CharField()
    owner = serializers.CharField(source="owner_name")
    currency = serializers.CharField()
    total = AmountField(read_only=True)
    billed_total = AmountField(source="billed", read_only=True)
    previous_total = AmountField(source="previous", read_only=True, allow_null=True)
    sections = serializers.DictField(child=AmountField(), read_only=True)
    issued_at = serializers.DateTimeField(allow_null=True)
    replaces = serializers.CharField(help_text="number of the statement it takes the place of")
    run = serializers.UUIDField(help_text="allocation run")
    data_hash = serializers.CharField(help_text="SHA-256 of the canonical content")


class StatementDetailOutput(StatementOutput):
    """A statement with its whole content, as printed."""

    prepared_by = serializers.CharField()
    approved_by = serializers.CharField()
    audit_sequence = serializers.IntegerField(allow_null=True)
    audit_hash = serializers.CharField()
    content = serializers.DictField(help_text="see docs/statements.md")


class StatementPage(serializers.Serializer[Any]):
    """A page of statements."""

    results = StatementOutput(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class HopOutput(serializers.Serializer[Any]):
    """One step of shared cost on its way."""

    sender = serializers.CharField()
    receiver = serializers.CharField()
    rule = serializers.CharField()
    method = serializers.CharField()
    driver = serializers.CharField()
    value = serializers.CharField()
    total = serializers.CharField()
    share = serializers.CharField()


class SourceOutput(serializers.Serializer[Any]):
    """A source line and the part of it that the cost center bears."""

    key = serializers.CharField()
    origin = serializers.CharField()
    receiver = serializers.CharField()
    share = AmountField(read_only=True)
    exact = AmountField(read_only=True)
    billed = AmountField(read_only=True)
    provider = serializers.CharField()
    product = serializers.CharField()
    meter = serializers.CharField()
    quantity = AmountField(read_only=True, allow_null=True)
    unit = serializers.CharField()
    tags = serializers.DictField(child=serializers.CharField())
    tag_set_id = serializers.IntegerField(allow_null=True)
    attribution = serializers.CharField(help_text="attribution rule that decided, empty for none")
    first_day = serializers.DateField(allow_null=True)
    last_day = serializers.DateField(allow_null=True)
    hops = HopOutput(many=True)


class ExplanationOutput(serializers.Serializer[Any]):
    """Why a printed line says what it says."""

    line = serializers.DictField()
    rule = serializers.DictField(allow_null=True)
    exact = AmountField(read_only=True)
    sources = SourceOutput(many=True)


FORMATS = {format.value: format for format in Format}
