"""Shapes of answers to statements at the API."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.chargeback.api.serializers import AmountField
from apps.chargeback.domain.acceptance import (
    COMMENT_LIMIT,
    AcceptanceState,
    Decision,
    DisputeDraft,
    Outcome,
    Upload,
)
from apps.core.api.fields import ExactDecimal, KnownFields, MonthField

_STATES = ["open", "rejected", "corrected", "withdrawn"]


class AcceptInput(KnownFields):
    """An acceptance, with a word if one likes."""

    comment = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=COMMENT_LIMIT
    )


class DisputeInput(KnownFields):
    """What is wrong, on which line, and what it should be."""

    comment = serializers.CharField(max_length=COMMENT_LIMIT)
    line = serializers.IntegerField(
        required=False,
        allow_null=True,
        default=None,
        min_value=1,
        help_text="position of the printed line; none when the whole statement is meant",
    )
    amount = ExactDecimal(
        max_digits=24,
        decimal_places=3,
        required=False,
        allow_null=True,
        default=None,
        help_text="what it should be, in the statement's currency",
    )

    def to_draft(self) -> DisputeDraft:
        """Return the dispute as the service takes it."""
        asked = self.validated_data
        return DisputeDraft(
            comment=asked["comment"],
            position=asked["line"],
            amount=asked["amount"],
            files=[Upload(name=one.name, content=one.read()) for one in asked.get("files", ())],
        )


class DisputeUpload(DisputeInput):
    """A dispute with up to three files of at most 5 MiB: pdf, png, jpg, csv, txt, xlsx."""

    files = serializers.ListField(child=serializers.FileField(), required=False, default=list)


class ResolveInput(KnownFields):
    """Finance's decision."""

    outcome = serializers.ChoiceField(choices=[Outcome.REJECTED.value, Outcome.CORRECTED.value])
    reason = serializers.CharField(max_length=COMMENT_LIMIT)
    reference = serializers.CharField(
        required=False,
        default="",
        allow_blank=True,
        max_length=200,
        help_text="number or id of an adjustment; required for a correction",
    )

    def to_decision(self) -> Decision:
        """Return the decision as the service takes it."""
        asked = self.validated_data
        return Decision(
            outcome=Outcome(asked["outcome"]), reason=asked["reason"], reference=asked["reference"]
        )


class WithdrawInput(KnownFields):
    """Why a dispute is taken back."""

    reason = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=COMMENT_LIMIT
    )


class DisputesQuery(KnownFields):
    """Which disputes are wanted."""

    period = MonthField(required=False, default=None, help_text="accounting month, 2026-10")
    state = serializers.ChoiceField(choices=_STATES, required=False, default="", allow_blank=True)
    cursor = serializers.CharField(required=False, default="", allow_blank=True, max_length=64)
    page_size = serializers.IntegerField(required=False, default=50, min_value=1, max_value=500)


class AttachmentOutput(serializers.Serializer[Any]):
    """A file that came with a dispute."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    media_type = serializers.CharField()
    size = serializers.IntegerField(help_text="bytes")
    sha256 = serializers.CharField()


class ResolutionOutput(serializers.Serializer[Any]):
    """How a dispute ended."""

    outcome = serializers.ChoiceField(choices=[one.value for one in Outcome])
    reason = serializers.CharField()
    reference = serializers.CharField(help_text="adjustment that books a correction")
    booked_in = MonthField(read_only=True, allow_null=True)
    at = serializers.DateTimeField()
    by = serializers.CharField()


class ResponseOutput(serializers.Serializer[Any]):
    """One answer to a statement."""

    id = serializers.UUIDField()
    verdict = serializers.ChoiceField(choices=["accepted", "disputed", "lapsed"])
    state = serializers.CharField(help_text="of a dispute: open, or how it ended")
    comment = serializers.CharField()
    line = serializers.IntegerField(source="position", allow_null=True)
    line_text = serializers.CharField(source="line")
    amount = AmountField(read_only=True, allow_null=True)
    at = serializers.DateTimeField()
    by = serializers.CharField()
    attachments = AttachmentOutput(many=True)
    resolution = ResolutionOutput(allow_null=True)


class AcceptanceOutput(serializers.Serializer[Any]):
    """Where a statement stands with its reader."""

    statement = serializers.UUIDField()
    number = serializers.CharField()
    period = MonthField(source="month", read_only=True)
    cost_center = serializers.CharField()
    currency = serializers.CharField()
    total = AmountField(read_only=True)
    state = serializers.ChoiceField(choices=[one.value for one in AcceptanceState])
    owner = serializers.CharField(source="owner_name")
    due_at = serializers.DateTimeField(
        allow_null=True, help_text="when silence counts; null for a draft"
    )
    responses = ResponseOutput(many=True)


class DisputeOutput(serializers.Serializer[Any]):
    """A dispute with the statement it is about."""

    statement = serializers.UUIDField()
    number = serializers.CharField()
    period = MonthField(source="month", read_only=True)
    cost_center = serializers.CharField()
    name = serializers.CharField()
    currency = serializers.CharField()
    total = AmountField(read_only=True)
    is_replaced = serializers.BooleanField(help_text="a newer statement took its place")
    dispute = ResponseOutput(source="response")


class DisputePage(serializers.Serializer[Any]):
    """A page of disputes."""

    results = DisputeOutput(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
