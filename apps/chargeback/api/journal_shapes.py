"""Shapes of journals at the API. Amounts are strings in the currency beside them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.chargeback.api.serializers import AmountField
from apps.chargeback.domain.journal import AccountOf, MappingKind
from apps.core.api.fields import KnownFields, MonthField

_KINDS = [kind.value for kind in MappingKind]


class JournalsQuery(KnownFields):
    """Which journals are wanted."""

    period = MonthField(required=False, default=None, help_text="accounting month, 2026-10")
    cursor = serializers.CharField(required=False, default="", allow_blank=True, max_length=64)
    page_size = serializers.IntegerField(required=False, default=50, min_value=1, max_value=500)


class PrepareInput(KnownFields):
    """The month that is booked."""

    period = MonthField(help_text="accounting month, 2026-10")


class JournalFileQuery(KnownFields):
    """Which batch of the month is wanted; the present one when nothing is said."""

    batch = serializers.CharField(required=False, default="", allow_blank=True, max_length=20)


class PostingInput(KnownFields):
    """How the ledger names the journal, and when it was posted."""

    reference = serializers.CharField(max_length=100)
    posted_on = serializers.DateField()


class PostingOutput(serializers.Serializer[Any]):
    """The confirmation that the ledger took a journal."""

    reference = serializers.CharField()
    posted_on = serializers.DateField()
    at = serializers.DateTimeField()
    by = serializers.CharField()


class JournalOutput(serializers.Serializer[Any]):
    """A journal without its lines."""

    batch = serializers.CharField()
    period = MonthField(source="month", read_only=True)
    kind = serializers.ChoiceField(choices=["charge", "reversal"])
    state = serializers.ChoiceField(choices=["ready", "posted", "reversed"])
    currency = serializers.CharField()
    total = AmountField(read_only=True, help_text="sum of debits, and of credits")
    lines = serializers.IntegerField()
    run = serializers.UUIDField(help_text="allocation run whose statements are booked")
    reverses = serializers.CharField(help_text="batch that it takes back")
    reversed_by = serializers.CharField(help_text="batch that takes it back")
    data_hash = serializers.CharField()
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()
    posting = PostingOutput(allow_null=True)


class EntryOutput(serializers.Serializer[Any]):
    """One line; exactly one of debit and credit is above zero."""

    position = serializers.IntegerField()
    account = serializers.CharField()
    cost_center = serializers.CharField(help_text="empty for clearing")
    ledger_cost_center = serializers.CharField(source="target")
    name = serializers.CharField()
    text = serializers.CharField()
    debit = AmountField(read_only=True)
    credit = AmountField(read_only=True)


class JournalDetailOutput(JournalOutput):
    """A journal with its lines."""

    entries = EntryOutput(many=True)


class JournalPage(serializers.Serializer[Any]):
    """A page of journals."""

    results = JournalOutput(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class GapOutput(serializers.Serializer[Any]):
    """A cost center without an account."""

    code = serializers.CharField()
    name = serializers.CharField()


class GapsOutput(serializers.Serializer[Any]):
    """What a month's journal still lacks."""

    period = MonthField(read_only=True)
    complete = serializers.BooleanField()
    cost_centers = GapOutput(many=True)
    clearing = serializers.ListField(child=serializers.CharField(), help_text="providers; * is any")


class AccountMappingInput(KnownFields):
    """An account from a month on; an empty one ends the mapping."""

    kind = serializers.ChoiceField(choices=_KINDS)
    key = serializers.CharField(max_length=64, help_text="cost center, provider, or *")
    account = serializers.CharField(max_length=64, allow_blank=True)
    ledger_cost_center = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=64
    )
    valid_from = MonthField()

    def to_mapping(self) -> AccountOf:
        """Return the mapping as the service takes it."""
        asked = self.validated_data
        return AccountOf(
            kind=MappingKind(asked["kind"]),
            key=asked["key"],
            account=asked["account"],
            target=asked["ledger_cost_center"],
            valid_from=asked["valid_from"],
        )


class AccountMappingOutput(serializers.Serializer[Any]):
    """An account from a month on."""

    kind = serializers.ChoiceField(choices=_KINDS)
    key = serializers.CharField()
    account = serializers.CharField()
    ledger_cost_center = serializers.CharField(source="target")
    valid_from = MonthField(read_only=True)
