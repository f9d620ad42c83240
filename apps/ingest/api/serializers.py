"""Shapes of usage at the API: what is asked for, and what is answered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from django.utils.dateparse import parse_date, parse_datetime
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.utils.urls import replace_query_param

from apps.core.api.fields import ExactDecimal, KnownFields, known_parameters
from apps.core.domain.errors import Invalid
from apps.ingest.services import Upload
from apps.tenants import selectors as tenants
from apps.usage.selectors import EventFilters, EventPage

_TAG = "tag:"
_PAGE = 50


class ItemErrorOutput(serializers.Serializer[Any]):
    """Why one item was not stored."""

    index = serializers.IntegerField(help_text="place in the batch, from 0")
    id = serializers.CharField(allow_null=True)
    code = serializers.CharField()
    field = serializers.CharField(allow_null=True)
    message = serializers.CharField()


class ReceiptOutput(serializers.Serializer[Any]):
    """What became of every item of a batch."""

    accepted = serializers.IntegerField()
    duplicates = serializers.IntegerField()
    conflicts = serializers.IntegerField()
    rejected = serializers.IntegerField()
    unpriced = serializers.IntegerField()
    batch = serializers.UUIDField(allow_null=True)
    errors = ItemErrorOutput(many=True)  # type: ignore[assignment]


class BatchOutput(ReceiptOutput):
    """A stored receipt."""

    received_at = serializers.DateTimeField()
    received_from = serializers.CharField()


class EventOutput(serializers.Serializer[Any]):
    """A stored event; with its rating when one is asked for."""

    id = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]
    state = serializers.ChoiceField(choices=["live", "void"])
    revision = serializers.IntegerField()
    time = serializers.DateTimeField()
    received_at = serializers.DateTimeField()
    period = serializers.CharField(help_text="accounting month that it is booked in")
    original_period = serializers.CharField(help_text="month of use")
    provider = serializers.CharField()
    model = serializers.CharField()
    service = serializers.CharField()
    tags = serializers.DictField(child=serializers.CharField())
    meters = serializers.DictField(child=serializers.CharField())
    rating = serializers.DictField(required=False)
    history = serializers.ListField(child=serializers.DictField(), required=False)
    outcomes = serializers.ListField(child=serializers.DictField(), required=False)
    raw_usage = serializers.DictField(required=False, allow_null=True)
    unknown_usage = serializers.ListField(child=serializers.CharField(), required=False)


class EventList(serializers.Serializer[Any]):
    """A page of events."""

    results = EventOutput(many=True)
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)


class EventQuery(serializers.Serializer[Any]):
    """What to list; further tags as `tag:<key>=value`. Days and moments are [start, end)."""

    start = serializers.CharField(required=False, help_text="day, or moment with offset")
    end = serializers.CharField(required=False, help_text="day, or moment with offset")
    source = serializers.CharField(required=False)  # type: ignore[assignment]
    id = serializers.CharField(required=False)
    provider = serializers.CharField(required=False)
    model = serializers.CharField(required=False, help_text="as sent, or canonical")
    status = serializers.ChoiceField(
        required=False, choices=["ok", "error", "cancelled", "partial"]
    )
    trace_id = serializers.CharField(required=False)
    batch = serializers.UUIDField(required=False)
    account = serializers.CharField(required=False)
    credential = serializers.CharField(required=False)
    meter = serializers.CharField(required=False)
    cursor = serializers.CharField(required=False)
    page_size = serializers.IntegerField(required=False, min_value=1, max_value=500)

    @classmethod
    def read(cls, request: Request) -> Query:
        """Read the query string.

        :raises ValidationError: when a value is none.
        """
        known_parameters(request, *cls().fields, prefixes=(_TAG,))
        query = cls(data=request.query_params)
        query.is_valid(raise_exception=True)
        return query.to_query(request)

    def to_query(self, request: Request) -> Query:
        """Return filters, cursor and page size."""
        values = dict(self.validated_data)
        tags = {
            name.removeprefix(_TAG): str(value)
            for name, value in request.query_params.items()
            if name.startswith(_TAG)
        }
        filters = EventFilters(
            start=moment_of("start", values.get("start")),
            end=moment_of("end", values.get("end")),
            source=values.get("source", ""),
            event_id=values.get("id", ""),
            provider=values.get("provider", ""),
            model=values.get("model", ""),
            status=values.get("status", ""),
            trace_id=values.get("trace_id", ""),
            batch=values.get("batch"),
            tags=tags,
            account=values.get("account", ""),
            credential=values.get("credential", ""),
            meter=values.get("meter", ""),
        )
        return Query(filters, _cursor(values.get("cursor")), values.get("page_size") or _PAGE)


@dataclass(frozen=True, slots=True)
class Query:
    """What a list was asked for."""

    filters: EventFilters
    cursor: int | None
    limit: int


def moment_of(name: str, text: str | None) -> datetime | None:
    """Read a day, which begins at midnight of the tenant's timezone, or a moment with offset.

    :raises Invalid: when the text is neither.
    """
    if not text:
        return None
    try:
        day = parse_date(text)
        moment = parse_datetime(text.replace(" ", "+")) if day is None else None
    except ValueError:
        day = moment = None
    if day is not None:
        return datetime.combine(day, time(), tzinfo=tenants.current().timezone)
    if moment is None or moment.tzinfo is None:
        raise Invalid(
            f"{name} is a day such as 2026-11-03, or a moment with offset such as "
            "2026-11-03T10:00:00Z.",
            code="time",
        )
    return moment


def day_of(name: str, text: str) -> date:
    """Read a day.

    :raises Invalid: when the text is none.
    """
    try:
        day = parse_date(text)
    except ValueError:
        day = None
    if day is None:
        raise Invalid(f"{name} is a day such as 2026-11-01.", code="day")
    return day


def page_body(request: Request, page: EventPage) -> dict[str, Any]:
    """Return a page of events with the link to the next; the log is read in one direction."""
    here = request.build_absolute_uri()
    following = None if page.next is None else replace_query_param(here, "cursor", page.next)
    return {
        "results": [event.as_dict() for event in page.events],
        "next": following,
        "previous": None,
    }


def _cursor(text: str | None) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Invalid("The cursor is none of ours; start again.", code="cursor")
    return int(text)


class ReasonInput(KnownFields):
    """Why an event is corrected; kept in the audit log."""

    reason = serializers.CharField(max_length=500)


class AmendInput(KnownFields):
    """The event as it should have been, and why."""

    event = serializers.DictField()
    reason = serializers.CharField(max_length=500)


class OutcomeInput(KnownFields):
    """What came of an event, a trace or an experiment."""

    name = serializers.CharField(max_length=200)
    time = serializers.DateTimeField(required=False, help_text="when it was known; now by default")
    success = serializers.BooleanField(required=False, allow_null=True, default=None)
    value = ExactDecimal(
        required=False, allow_null=True, default=None, max_digits=42, decimal_places=24
    )
    source = serializers.CharField(required=False, max_length=200, default="")  # type: ignore[assignment]
    id = serializers.CharField(required=False, max_length=200, default="")
    trace_id = serializers.CharField(required=False, max_length=200, default="")
    experiment = serializers.CharField(required=False, max_length=256, default="")


class OutcomesOutput(serializers.Serializer[Any]):
    """How many outcomes were new, and how many were known."""

    accepted = serializers.IntegerField()
    duplicates = serializers.IntegerField()


class SummaryOutput(serializers.Serializer[Any]):
    """Usage by dimensions; rows hold the dimensions asked for beside these fields."""

    currency = serializers.CharField()
    rows = serializers.ListField(child=serializers.DictField())
    total = serializers.DictField()
    unpriced = serializers.DictField(
        help_text="`skus` without a price by meter; `events_at_most` counts all requests of their "
        "SKU and tags, of which some may not have used the meter"
    )


@extend_schema_serializer(component_name="UsageImportInput")
class ImportInput(serializers.Serializer[Any]):
    """A file to import."""

    file = serializers.FileField(help_text="CSV, one object a line, or Parquet; gzip is fine")
    form = serializers.ChoiceField(
        required=False, choices=["csv", "jsonl", "parquet"], help_text="else by the file's name"
    )
    kind = serializers.ChoiceField(
        choices=["native", "litellm", "bedrock", "focus"],
        required=False,
        help_text="else by the file's first row",
    )
    source = serializers.CharField(  # type: ignore[assignment]
        required=False, max_length=200, help_text="of rows that name none"
    )
    provider_account = serializers.CharField(
        required=False, max_length=200, help_text="whose bill a FOCUS file is"
    )

    def to_upload(self) -> Upload:
        """Return the file and what it is."""
        values = self.validated_data
        file = values["file"]
        return Upload(
            name=file.name,
            file=file,
            size=file.size,
            form=values.get("form", ""),
            kind=values.get("kind", ""),
            source=values.get("source", ""),
            provider_account=values.get("provider_account", ""),
        )


@extend_schema_serializer(component_name="UsageImportOutput")
class ImportOutput(serializers.Serializer[Any]):
    """How far an import has come."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    kind = serializers.CharField()
    form = serializers.CharField()
    size = serializers.IntegerField()
    size_done = serializers.IntegerField(help_text="bytes read so far")
    state = serializers.ChoiceField(choices=["queued", "running", "done", "failed", "cancelled"])
    rows = serializers.IntegerField(help_text="rows read so far")
    ignored = serializers.IntegerField(help_text="rows that tell no use of a model")
    accepted = serializers.IntegerField()
    duplicates = serializers.IntegerField()
    conflicts = serializers.IntegerField()
    rejected = serializers.IntegerField()
    unpriced = serializers.IntegerField()
    errors = ItemErrorOutput(many=True)  # type: ignore[assignment]
    message = serializers.CharField()
    created_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    is_cancelled = serializers.BooleanField(help_text="no further part is begun")
