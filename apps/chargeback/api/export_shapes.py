"""Shapes of exports at the API."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.chargeback import services
from apps.chargeback.domain.focus_columns import Dataset, FileFormat, Version
from apps.chargeback.selectors import ExportFacts, Wanted
from apps.core.api.fields import KnownFields, MonthField
from apps.core.domain.access import Actor


class FocusQuery(KnownFields):
    """Which file is wanted."""

    period = MonthField(help_text="accounting month, 2026-10")
    dataset = serializers.ChoiceField(
        choices=[one.value for one in Dataset],
        required=False,
        default=Dataset.COST_AND_USAGE.value,
    )
    format = serializers.ChoiceField(
        choices=[one.value for one in FileFormat], required=False, default=FileFormat.CSV.value
    )
    version = serializers.ChoiceField(
        choices=[one.value for one in Version], required=False, default=Version.V1_4.value
    )
    draft_keys = serializers.BooleanField(
        required=False, default=False, help_text="token keys of the 1.5 draft in SkuPriceDetails"
    )

    def to_wanted(self) -> Wanted:
        """Return what is asked for as the selector takes it."""
        asked = self.validated_data
        return Wanted(
            month=asked["period"],
            dataset=Dataset(asked["dataset"]),
            version=Version(asked["version"]),
            format=FileFormat(asked["format"]),
            draft_keys=asked["draft_keys"],
        )


class ExportsQuery(KnownFields):
    """Which page of the list is wanted."""

    cursor = serializers.CharField(required=False, default="", allow_blank=True, max_length=100)
    page_size = serializers.IntegerField(required=False, default=50, min_value=1, max_value=500)


class ExportOutput(serializers.Serializer[Any]):
    """An export and how far it has come."""

    id = serializers.UUIDField()
    period = MonthField(read_only=True)
    dataset = serializers.CharField()
    version = serializers.CharField()
    format = serializers.CharField()
    draft_keys = serializers.BooleanField()
    state = serializers.ChoiceField(choices=["queued", "running", "done", "failed"])
    rows = serializers.IntegerField(help_text="lines of the run written so far")
    rows_total = serializers.IntegerField()
    size = serializers.IntegerField(help_text="bytes")
    sha256 = serializers.CharField()
    error = serializers.CharField()
    requested_at = serializers.DateTimeField()
    requested_by = serializers.CharField()
    finished_at = serializers.DateTimeField(allow_null=True)
    download = serializers.CharField(help_text="path that works for a day; empty until done")


class ExportPage(serializers.Serializer[Any]):
    """A page of exports."""

    results = ExportOutput(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


def shown(facts: ExportFacts, actor: Actor) -> Any:
    """Return an export as the API shows it."""
    wanted = facts.wanted
    return ExportOutput(
        {
            "id": facts.id,
            "period": wanted.month,
            "dataset": wanted.dataset.value,
            "version": wanted.version.value,
            "format": wanted.format.value,
            "draft_keys": wanted.draft_keys,
            "state": facts.state,
            "rows": facts.rows,
            "rows_total": facts.rows_total,
            "size": facts.size,
            "sha256": facts.sha256,
            "error": facts.error,
            "requested_at": facts.requested_at,
            "requested_by": facts.requested_by,
            "finished_at": facts.finished_at,
            "download": services.export_link(id=facts.id, actor=actor)
            if facts.state == "done"
            else "",
        }
    ).data
