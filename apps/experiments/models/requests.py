"""Requests for experiments, the revisions of what they say, and what came of them."""

from __future__ import annotations

import uuid
from datetime import date, datetime
from decimal import Decimal

from django.db import models
from django.db.models import F, Q

from apps.experiments.domain.states import FUNDED, OVER, State

_STATES = [state.value for state in State]
_OVER = sorted(state.value for state in OVER)
_PAID = sorted(state.value for state in (*FUNDED, State.REVOKED, State.COMPLETED))


class ExperimentRequest(models.Model):
    """A request for money to try something; `code` is the tag its usage carries.

    A trigger (`sql.py`) lets it go only from state to state as the domain says, into `approved`
    only with an approved submission, and never changes who asked for it.
    """

    public_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    number = models.BigIntegerField(unique=True, help_text="counts from 1")
    code = models.CharField(max_length=40, unique=True, help_text="the tag, as exp-42")
    title = models.CharField(max_length=200)
    team = models.CharField(max_length=64)
    owner = models.CharField(max_length=254, help_text="e-mail address of who spends it")
    owner_user = models.BigIntegerField(help_text="id of that person")
    requested_by = models.CharField(max_length=254)
    requested_by_user = models.BigIntegerField(null=True, help_text="id of the person, if one")
    asked_as = models.CharField(
        max_length=300, default="", help_text="identity of who asked, as two keys may share a name"
    )
    state = models.CharField(max_length=20, default=State.DRAFT.value)
    revision = models.IntegerField(default=1, help_text="number of the revision in force")
    currency = models.CharField(max_length=3, help_text="ISO 4217, the tenant's")
    amount = models.DecimalField(
        max_digits=24, decimal_places=3, null=True, help_text="approved, in `currency`"
    )
    released = models.DecimalField(
        max_digits=60,
        decimal_places=36,
        null=True,
        help_text="what was left at the end and given back, in `currency`",
    )
    grant = models.UUIDField(null=True, unique=True, help_text="budgets.Grant")
    starts_on = models.DateField(null=True, help_text="first day, as approved")
    ends_on = models.DateField(null=True, help_text="last day, as approved")
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    end_reason = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=_STATES), name="experiments_request_state_known"
            ),
            models.CheckConstraint(
                condition=Q(title__gt="", team__gt="", owner__gt="", number__gte=1),
                name="experiments_request_says_who",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=_PAID)
                | Q(grant__isnull=False, amount__gt=0, starts_on__isnull=False)
                & Q(ends_on__gte=F("starts_on")),
                name="experiments_request_approved_has_a_grant",
            ),
            models.CheckConstraint(
                condition=Q(state__in=_OVER, ended_at__isnull=False)
                | ~Q(state__in=_OVER) & Q(ended_at__isnull=True),
                name="experiments_request_ended_when_over",
            ),
            models.CheckConstraint(
                condition=~Q(state="running") | Q(started_at__isnull=False),
                name="experiments_request_running_has_started",
            ),
        ]
        indexes = [
            models.Index(fields=["state", "id"], name="experiments_request_by_state"),
            models.Index(fields=["team", "id"], name="experiments_request_by_team"),
        ]

    def __str__(self) -> str:
        return self.code

    # Mutators

    def take_content(self, *, title: str, team: str, owner: str, owner_user: int) -> None:
        """Follow a new revision while the request may still be edited."""
        self.title, self.team, self.owner, self.owner_user = title, team, owner, owner_user
        self.revision += 1
        self.save(update_fields=["title", "team", "owner", "owner_user", "revision"])

    def move(self, to: State) -> None:
        """Go to another state that is no end."""
        self.state = to.value
        self.save(update_fields=["state"])

    def fund(self, *, grant: uuid.UUID, amount: Decimal, starts_on: date, ends_on: date) -> None:
        """Be approved, with the grant that was opened."""
        self.state, self.grant, self.amount = State.APPROVED.value, grant, amount
        self.starts_on, self.ends_on = starts_on, ends_on
        self.save(update_fields=["state", "grant", "amount", "starts_on", "ends_on"])

    def amend(self, *, revision: int, amount: Decimal, ends_on: date) -> None:
        """Take over what an approved amendment says."""
        self.revision, self.amount, self.ends_on = revision, amount, ends_on
        self.save(update_fields=["revision", "amount", "ends_on"])

    def start(self, *, at: datetime) -> None:
        """Run from now on."""
        self.state, self.started_at = State.RUNNING.value, at
        self.save(update_fields=["state", "started_at"])

    def end(self, to: State, *, at: datetime, reason: str, released: Decimal | None) -> None:
        """Be over."""
        self.state, self.ended_at = to.value, at
        self.end_reason, self.released = reason, released
        self.save(update_fields=["state", "ended_at", "end_reason", "released"])


class Revision(models.Model):
    """What a request said at one time, with its estimate then; append-only."""

    public_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    request = models.ForeignKey(
        ExperimentRequest, on_delete=models.PROTECT, related_name="revisions"
    )
    number = models.IntegerField(help_text="counts from 1 in the request")
    is_amendment = models.BooleanField(default=False)
    content = models.JSONField(help_text="the proposal; frozen")
    estimate = models.JSONField(help_text="as priced when it was written; frozen")
    amount = models.DecimalField(
        max_digits=24,
        decimal_places=3,
        null=True,
        help_text="asked for, in `currency`; none while it has no price",
    )
    currency = models.CharField(max_length=3)
    note = models.TextField(blank=True, help_text="why it was changed")
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=254)
    created_by_user = models.BigIntegerField(null=True, help_text="id of the person, if one")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["request", "number"], name="experiments_revision_once"),
            models.CheckConstraint(
                condition=Q(number__gte=1) & (Q(amount__isnull=True) | Q(amount__gt=0)),
                name="experiments_revision_figures",
            ),
        ]

    def __str__(self) -> str:
        return f"revision {self.number}"


class Attachment(models.Model):
    """A file that explains a request; the bytes lie with the documents; append-only."""

    public_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    request = models.ForeignKey(
        ExperimentRequest, on_delete=models.PROTECT, related_name="attachments"
    )
    name = models.CharField(max_length=120)
    media_type = models.CharField(max_length=100)
    size = models.IntegerField(help_text="bytes")
    sha256 = models.CharField(max_length=64)
    storage_key = models.CharField(max_length=500, unique=True)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=254)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(size__gt=0, name__gt=""), name="experiments_attachment_is_not_empty"
            )
        ]

    def __str__(self) -> str:
        return self.name


class OutcomeReport(models.Model):
    """What an experiment came to, as it was known then; append-only, restated by a later one."""

    public_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    request = models.ForeignKey(ExperimentRequest, on_delete=models.PROTECT, related_name="reports")
    number = models.IntegerField(help_text="counts from 1 in the request")
    figures = models.JSONField(help_text="the results; frozen")
    lessons = models.TextField(blank=True)
    reason = models.CharField(max_length=200, help_text="why it was written")
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=254)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["request", "number"], name="experiments_report_once"),
            models.CheckConstraint(
                condition=Q(number__gte=1, reason__gt=""), name="experiments_report_says_why"
            ),
        ]

    def __str__(self) -> str:
        return f"report {self.number}"
