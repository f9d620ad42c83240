"""What came through the doors: batches with their receipts, and imports of files."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Coalesce

from apps.ingest.domain.receipt import ItemError, Receipt


class Moments(Func):
    """The half-open range between two moments."""

    function = "TSTZRANGE"
    output_field = DateTimeRangeField()


class IngestBatch(models.Model):
    """One request or one part of a file, and what became of its items; append-only."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    received_at = models.DateTimeField()
    received_from = models.CharField(max_length=254, help_text="label of the actor")
    of_key = models.BigIntegerField(null=True, help_text="id of the key that sent it")
    of_user = models.BigIntegerField(null=True, help_text="id of the person who sent it")
    accepted = models.IntegerField(help_text="events stored")
    duplicates = models.IntegerField(help_text="items that were stored before")
    conflicts = models.IntegerField(help_text="items whose id is stored with another payload")
    rejected = models.IntegerField(help_text="items that could not be taken")
    unpriced = models.IntegerField(help_text="events stored without a price for some meter")
    errors = models.JSONField(help_text="the first 1,000 conflicts and rejections")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(accepted__gte=0, duplicates__gte=0, conflicts__gte=0, rejected__gte=0)
                & Q(unpriced__gte=0, unpriced__lte=models.F("accepted")),
                name="ingest_ingestbatch_counts",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.public_id}"


class Correction(models.Model):
    """A void, an amendment or a revert, and why; append-only.

    The rows that it appended carry its id as their batch.
    """

    class Kind(models.TextChoices):
        """What was done to the event."""

        VOID = "void"
        AMEND = "amend"
        REVERT = "revert"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    source = models.TextField()
    event_id = models.TextField()
    key = models.BigIntegerField(help_text="number that the event's rows carry")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    from_revision = models.SmallIntegerField(help_text="revision that was taken back")
    to_revision = models.SmallIntegerField(null=True, help_text="revision that came instead")
    reason = models.TextField()
    made_by = models.CharField(max_length=254)
    made_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["void", "amend", "revert"]), name="ingest_correction_kind"
            ),
            models.CheckConstraint(condition=Q(reason__gt=""), name="ingest_correction_reason"),
        ]
        indexes = [models.Index(fields=["key", "-id"], name="ingest_correction_of_event")]

    def __str__(self) -> str:
        return f"{self.kind} of {self.source}/{self.event_id}"


class EventMapping(models.Model):
    """What events of one type or code of another vocabulary mean here.

    At most one is in force for a type at a time. A row is never changed but when it is retired,
    once; a new meaning is a new row, and holds for what arrives from then on.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    door = models.CharField(max_length=16, help_text="cloudevents or lago")
    name = models.CharField(max_length=200, help_text="type of a CloudEvent, code of a Lago event")
    fields = models.JSONField(help_text="field of the event: where its value comes from")
    created_by = models.CharField(max_length=254)
    created_at = models.DateTimeField()
    retired_by = models.CharField(max_length=254, blank=True)
    retired_at = models.DateTimeField(null=True, help_text="empty: in force")

    class Meta:
        ordering = ["door", "name", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["door", "name"],
                condition=Q(retired_at__isnull=True),
                name="ingest_eventmapping_one_in_force",
            ),
            models.CheckConstraint(
                condition=Q(door__in=["cloudevents", "lago"]), name="ingest_eventmapping_door"
            ),
            models.CheckConstraint(condition=Q(name__gt=""), name="ingest_eventmapping_name"),
            models.CheckConstraint(
                condition=Q(retired_at__isnull=True, retired_by="")
                | Q(retired_at__gte=models.F("created_at")),
                name="ingest_eventmapping_retired",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.door} {self.name}"


class Import(models.Model):
    """A file of events: where it lies, how far its rows have come, and what was wrong."""

    class State(models.TextChoices):
        """How far an import has come."""

        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"
        CANCELLED = "cancelled"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=254, help_text="file name as uploaded")
    kind = models.CharField(
        max_length=8, default="native", help_text="native, litellm, bedrock or focus"
    )
    form = models.CharField(max_length=8, help_text="csv, jsonl or parquet")
    provider_account = models.CharField(
        max_length=200, blank=True, help_text="whose bill a FOCUS file is"
    )
    source = models.CharField(max_length=200, blank=True, help_text="source of rows that name none")
    storage_key = models.CharField(max_length=300, help_text="where the stored file lies")
    size = models.BigIntegerField(help_text="bytes")
    state = models.CharField(max_length=12, choices=State.choices, default=State.QUEUED)
    bound_tags = models.JSONField(default=dict, help_text="of the key that brought it")
    rows_done = models.BigIntegerField(default=0, help_text="rows read so far")
    size_done = models.BigIntegerField(default=0, help_text="bytes of the file read so far")
    part_at = models.DateTimeField(
        null=True, help_text="when the part that is being stored was begun"
    )
    runner = models.UUIDField(null=True, editable=False, help_text="the worker whose import it is")
    alive_at = models.DateTimeField(null=True, help_text="last sign of life of that worker")
    attempts = models.SmallIntegerField(default=0, help_text="begun since the last part was stored")
    is_cancelled = models.BooleanField(default=False, help_text="no further part is begun")
    ignored = models.BigIntegerField(default=0, help_text="rows that tell no use of a model")
    accepted = models.BigIntegerField(default=0, help_text="events stored")
    duplicates = models.BigIntegerField(default=0, help_text="rows that were stored before")
    conflicts = models.BigIntegerField(default=0)
    rejected = models.BigIntegerField(default=0)
    unpriced = models.BigIntegerField(default=0)
    errors = models.JSONField(default=list, help_text="the first 1,000 bad rows")
    message = models.TextField(blank=True, help_text="why it failed")
    created_by = models.CharField(max_length=254)
    of_key = models.BigIntegerField(null=True, help_text="id of the key that brought it")
    of_user = models.BigIntegerField(null=True, help_text="id of the person who brought it")
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["queued", "running", "done", "failed", "cancelled"]),
                name="ingest_import_state_known",
            ),
            models.CheckConstraint(
                condition=Q(form__in=["csv", "jsonl", "parquet"]), name="ingest_import_form_known"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["native", "litellm", "bedrock"])
                | Q(kind="focus", form="csv", provider_account__gt=""),
                name="ingest_import_kind_known",
            ),
            models.CheckConstraint(
                condition=Q(size__gte=0, rows_done__gte=0, size_done__gte=0, ignored__gte=0),
                name="ingest_import_counts",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["done", "failed", "cancelled"], finished_at__isnull=False)
                | Q(state__in=["queued", "running"], finished_at__isnull=True),
                name="ingest_import_finished_when_over",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    # Mutators

    def take(self, *, at: datetime) -> bool:
        """Make the import this worker's; whoever had it stops at its next part. False when over."""
        taken = Import.objects.filter(pk=self.pk, finished_at__isnull=True)
        is_mine = taken.update(runner=uuid.uuid4(), alive_at=at, attempts=F("attempts") + 1)
        self.refresh_from_db()
        return bool(is_mine)

    def _mine(self) -> models.QuerySet[Import]:
        return Import.objects.filter(pk=self.pk, runner=self.runner, finished_at__isnull=True)

    def begin_part(self, *, at: datetime, part_at: datetime) -> bool:
        """Note that a part is begun: its receipt is found again by the moment `part_at`.

        False when another worker has taken the import over.
        """
        begun = self._mine().update(
            state=self.State.RUNNING,
            started_at=Coalesce("started_at", Value(at)),
            alive_at=at,
            part_at=part_at,
        )
        if begun:
            self.refresh_from_db()
        return bool(begun)

    def advance(self, receipt: Receipt, *, part: Part, keep: int) -> bool:
        """Add what became of a part, once: False when another worker has taken the import over.

        The row shows the first `keep` errors; every one is kept as an `ImportProblem`.
        """
        room = max(0, keep - len(self.errors))
        shown = [error.as_dict() for error in receipt.errors[:room]]
        changed = self._mine().update(
            rows_done=F("rows_done") + part.rows,
            size_done=part.read,
            accepted=F("accepted") + receipt.accepted,
            duplicates=F("duplicates") + receipt.duplicates,
            conflicts=F("conflicts") + receipt.conflicts,
            rejected=F("rejected") + receipt.rejected,
            unpriced=F("unpriced") + receipt.unpriced,
            ignored=F("ignored") + part.ignored,
            errors=[*self.errors, *shown],
            part_at=None,
            attempts=0,
        )
        if changed:
            ImportProblem.objects.bulk_create(
                ImportProblem.of(self, error) for error in receipt.errors
            )
            self.refresh_from_db()
        return bool(changed)

    def cancel(self) -> bool:
        """Ask that no further part is begun; False when the import is over."""
        asked = Import.objects.filter(pk=self.pk, finished_at__isnull=True)
        return bool(asked.update(is_cancelled=True))

    def finish(self, *, at: datetime, failure: str = "") -> None:
        """End the import, well or not; once, and by the worker whose it is."""
        if not self._mine().exists():
            return
        ended = self.State.CANCELLED if self.is_cancelled else self.State.DONE
        self.state = self.State.FAILED if failure else ended
        self.message = failure
        self.finished_at = at
        self.part_at = None
        self.save()


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a file that was stored: its rows, those that were no use, and bytes read so far."""

    rows: int
    read: int
    ignored: int = 0


class ImportProblem(models.Model):
    """Why a row of an imported file was not stored; append-only."""

    of_import = models.ForeignKey(Import, on_delete=models.PROTECT, related_name="problems")
    row = models.BigIntegerField(help_text="place in the file, from 0")
    event_id = models.TextField(blank=True)
    code = models.TextField()
    field = models.TextField(blank=True)
    message = models.TextField()

    class Meta:
        ordering = ["of_import", "row"]
        constraints = [
            models.UniqueConstraint(fields=["of_import", "row"], name="ingest_importproblem_once"),
            models.CheckConstraint(condition=Q(row__gte=0), name="ingest_importproblem_row"),
        ]

    def __str__(self) -> str:
        return f"row {self.row}: {self.code}"

    # Factories

    @classmethod
    def of(cls, one: Import, error: ItemError) -> ImportProblem:
        """Return the problem of one row, unsaved."""
        return cls(
            of_import=one,
            row=error.index,
            event_id=error.id or "",
            code=error.code,
            field=error.field or "",
            message=error.message.replace("\0", "\\0"),
        )


class SpanTotal(models.Model):
    """Token totals of a span around others, as an agent's; to look at, never counted."""

    trace_id = models.CharField(max_length=32, help_text="hex")
    span_id = models.CharField(max_length=16, help_text="hex")
    parent_id = models.CharField(max_length=16, blank=True, help_text="hex; empty at the root")
    name = models.CharField(max_length=200)
    counts = models.JSONField(help_text="tokens by the attribute's own name")
    received_at = models.DateTimeField()
    received_from = models.CharField(max_length=254, help_text="label of the actor")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["trace_id", "span_id"], name="ingest_spantotal_once"),
            models.CheckConstraint(condition=Q(span_id__gt=""), name="ingest_spantotal_named"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.span_id}"


class Backfill(models.Model):
    """Usage of one scope that is to be replaced: by what is posted into it, once it is closed.

    The scope is a source, the moments [starts_at, ends_at) and, if any are named, tags. Until it
    is closed nothing of it counts. A trigger lets it go from open to closed or abandoned, and from
    closed to reverted, and nothing else.
    """

    class State(models.TextChoices):
        """How far a backfill has come."""

        OPEN = "open"
        CLOSED = "closed"
        REVERTED = "reverted"
        ABANDONED = "abandoned"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    source = models.TextField(help_text="at most 200 bytes")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(help_text="exclusive")
    tags = models.JSONField(default=dict, help_text="what events must carry; empty: any")
    reason = models.TextField()
    state = models.CharField(max_length=9, choices=State.choices, default=State.OPEN)
    opened_by = models.CharField(max_length=254)
    opened_at = models.DateTimeField(help_text="events received before are replaced")
    settled_by = models.CharField(max_length=254, blank=True, help_text="who closed or abandoned")
    settled_at = models.DateTimeField(null=True)
    batch = models.UUIDField(null=True, help_text="of the rows that closing appended")
    kept = models.BigIntegerField(default=0, help_text="events that were posted as they stood")
    added = models.BigIntegerField(default=0, help_text="events that were new, or void before")
    amended = models.BigIntegerField(default=0, help_text="events that say something else now")
    voided = models.BigIntegerField(default=0, help_text="events that were not posted again")
    reverted_by = models.CharField(max_length=254, blank=True)
    reverted_at = models.DateTimeField(null=True)
    revert_reason = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["open", "closed", "reverted", "abandoned"]),
                name="ingest_backfill_state_known",
            ),
            models.CheckConstraint(
                condition=Q(ends_at__gt=models.F("starts_at")), name="ingest_backfill_span"
            ),
            models.CheckConstraint(
                condition=Q(source__gt="", reason__gt=""), name="ingest_backfill_told"
            ),
            models.CheckConstraint(
                condition=Q(state="open", settled_at__isnull=True, settled_by="")
                | Q(~Q(state="open"), settled_at__isnull=False, settled_by__gt=""),
                name="ingest_backfill_settled",
            ),
            models.CheckConstraint(
                condition=Q(state="reverted", reverted_at__isnull=False, reverted_by__gt="")
                & Q(revert_reason__gt="")
                | Q(~Q(state="reverted"), reverted_at__isnull=True, reverted_by=""),
                name="ingest_backfill_reverted",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["closed", "reverted"], batch__isnull=False)
                | Q(state__in=["open", "abandoned"], batch__isnull=True),
                name="ingest_backfill_batch_when_closed",
            ),
            ExclusionConstraint(
                name="ingest_backfill_one_open_at_a_time",
                expressions=[
                    ("source", RangeOperators.EQUAL),
                    (Moments("starts_at", "ends_at"), RangeOperators.OVERLAPS),
                ],
                condition=Q(state="open"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.starts_at:%Y-%m-%d} to {self.ends_at:%Y-%m-%d}"


class BackfillEvent(models.Model):
    """An event that was posted into a backfill; it counts once that is closed. Append-only."""

    backfill = models.ForeignKey(Backfill, on_delete=models.PROTECT, db_index=False)
    event_id = models.TextField(help_text="at most 200 bytes")
    digest = models.BinaryField(max_length=16, help_text="of the item as it was sent")
    payload = models.BinaryField(help_text="the item as it was decoded, as JSON")
    posted_by = models.CharField(max_length=254)
    posted_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["backfill", "event_id"], name="ingest_backfillevent_once"
            ),
        ]

    def __str__(self) -> str:
        return self.event_id


class BackfillChange(models.Model):
    """What closing a backfill did to one event, so that it can be undone exactly; append-only."""

    class Kind(models.TextChoices):
        """What was done to the event."""

        ADD = "add"
        AMEND = "amend"
        REVIVE = "revive"
        VOID = "void"

    backfill = models.ForeignKey(Backfill, on_delete=models.PROTECT, db_index=False)
    key = models.BigIntegerField(help_text="number that the event's rows carry")
    event_id = models.TextField()
    kind = models.CharField(max_length=6, choices=Kind.choices)
    from_revision = models.SmallIntegerField(null=True, help_text="revision that was taken back")
    to_revision = models.SmallIntegerField(null=True, help_text="revision that came")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="void", from_revision__isnull=False, to_revision__isnull=True)
                | Q(kind__in=["add", "revive"], from_revision__isnull=True)
                & Q(to_revision__isnull=False)
                | Q(kind="amend", from_revision__isnull=False, to_revision__isnull=False),
                name="ingest_backfillchange_kind",
            ),
            models.UniqueConstraint(fields=["backfill", "key"], name="ingest_backfillchange_once"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.event_id}"
