"""Closes of a month with their steps, approvals, and requests to reopen a month."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db import models
from django.db.models import F, Q

from apps.closing.domain.steps import LIVE, CloseRunFacts, RunState, Step, StepFacts, StepState
from apps.core.domain.access import Actor
from apps.core.domain.months import Month


class CloseRun(models.Model):
    """One close of one month; a month has at most one that is alive.

    The row's lock is what advancers queue for: who holds it works, everybody else leaves. A
    trigger lets it finish only with an approval of exactly what it is about to publish.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    month = models.DateField(help_text="first day of the month")
    state = models.CharField(
        max_length=16,
        choices=[(s.value, s.value) for s in RunState],
        default=RunState.RUNNING.value,
    )
    started_by_kind = models.CharField(max_length=8, help_text="user, key, shell or system")
    started_by = models.CharField(max_length=254, help_text="the preparer, unless prepared again")
    started_by_user = models.BigIntegerField(null=True, blank=True)
    started_at = models.DateTimeField()
    again_by_kind = models.CharField(max_length=8, blank=True, help_text="user, key or shell")
    again_by = models.CharField(
        max_length=254,
        blank=True,
        help_text="who prepared it again last: the preparer",
    )
    again_by_user = models.BigIntegerField(null=True, blank=True)
    touched_at = models.DateTimeField(help_text="last sign of life; the sweep looks at it")
    finished_at = models.DateTimeField(null=True, blank=True)
    cancelled_by = models.CharField(max_length=254, blank=True)
    cancel_reason = models.TextField(blank=True)
    allocation_run = models.UUIDField(null=True, blank=True, help_text="run to be approved")
    result_hash = models.CharField(
        max_length=64, blank=True, help_text="SHA-256 of lines and drafts to be approved"
    )
    checklist = models.JSONField(default=list, help_text="what the checks found; replaced whole")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["month"],
                condition=Q(state__in=[s.value for s in LIVE]),
                name="closing_closerun_one_live_a_month",
            ),
            models.CheckConstraint(
                condition=Q(state__in=[s.value for s in RunState]),
                name="closing_closerun_state_known",
            ),
            models.CheckConstraint(
                condition=Q(month__day=1), name="closing_closerun_month_is_a_first_day"
            ),
            models.CheckConstraint(
                condition=~Q(state="cancelled") | Q(cancelled_by__gt="", cancel_reason__gt=""),
                name="closing_closerun_cancel_says_why",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["finished", "cancelled"], finished_at__isnull=False)
                | (~Q(state__in=["finished", "cancelled"]) & Q(finished_at__isnull=True)),
                name="closing_closerun_times_fit_state",
            ),
            models.CheckConstraint(
                condition=Q(again_by="", again_by_kind="", again_by_user__isnull=True)
                | Q(again_by__gt="", again_by_kind__gt=""),
                name="closing_closerun_again_names_whom",
            ),
        ]
        indexes = [models.Index(fields=["month", "-id"], name="closing_closerun_by_month")]

    def __str__(self) -> str:
        return f"{Month.of(self.month)} {self.public_id}"

    # Factories

    @classmethod
    def begin(cls, *, month: Month, actor: Actor, person: int | None, at: datetime) -> CloseRun:
        """Save a new close with all its steps pending; `person` is behind the actor.

        :raises django.db.IntegrityError: when the month has a live one.
        """
        run = cls.objects.create(
            month=month.first_day,
            started_by_kind=actor.kind,
            started_by=actor.label,
            started_by_user=person,
            started_at=at,
            touched_at=at,
        )
        CloseStep.objects.bulk_create(
            CloseStep(run=run, position=position, name=step.value)
            for position, step in enumerate(Step, start=1)
        )
        return run

    # Mutators

    def turn(self, state: RunState, *, at: datetime) -> None:
        """Go to another state and show a sign of life."""
        self.state, self.touched_at = state.value, at
        if state in (RunState.FINISHED, RunState.CANCELLED):
            self.finished_at = at
        self.save()

    def prepared_again(self, *, actor: Actor, person: int | None) -> None:
        """Make whoever prepares the close again its preparer; the caller saves."""
        self.again_by_kind, self.again_by = actor.kind, actor.label
        self.again_by_user = person

    # Queries

    @property
    def preparer(self) -> tuple[str, str, int | None]:
        """Return kind, label and user of whoever prepared what waits to be approved."""
        if self.again_by:
            return self.again_by_kind, self.again_by, self.again_by_user
        return self.started_by_kind, self.started_by, self.started_by_user

    @property
    def facts(self) -> CloseRunFacts:
        """Return the close as a frozen value; two queries unless prefetched."""
        approval = next(iter(self.approvals.all()), None)
        _kind, prepared_by, prepared_by_user = self.preparer
        return CloseRunFacts(
            id=self.public_id,
            month=Month.of(self.month),
            state=RunState(self.state),
            started_by=self.started_by,
            prepared_by=prepared_by,
            prepared_by_user=prepared_by_user,
            started_at=self.started_at,
            approved_by=approval.approver if approval else "",
            approved_at=approval.created_at if approval else None,
            comment=approval.comment if approval else "",
            finished_at=self.finished_at,
            cancel_reason=self.cancel_reason,
            allocation_run=self.allocation_run,
            result_hash=self.result_hash,
            checklist=tuple(self.checklist),
            steps=tuple(step.facts for step in self.steps.all()),
        )


class ClosePolicy(models.Model):
    """When months are closed and from where on checks ask; append-only, the newest row counts."""

    is_on = models.BooleanField(help_text="closes begin by themselves")
    working_day = models.SmallIntegerField(help_text="of the next month, from 1, Monday to Friday")
    at = models.TimeField(help_text="on the tenant's clock")
    reminder_days = models.SmallIntegerField(help_text="working days before the close begins")
    due_working_day = models.SmallIntegerField(help_text="of the next month, from 1")
    unpriced_percent = models.DecimalField(max_digits=6, decimal_places=2, help_text="of the cost")
    coverage_percent = models.DecimalField(max_digits=6, decimal_places=2, help_text="of the cost")
    bill_percent = models.DecimalField(max_digits=6, decimal_places=2, help_text="of our metering")
    change_percent = models.DecimalField(
        max_digits=6, decimal_places=2, help_text="of the month before"
    )
    blocking = models.JSONField(default=list, help_text="codes of checks that block; frozen")
    scheduled_since = models.DateTimeField(
        null=True, help_text="since when this very schedule is on; no close before it begins"
    )
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=254)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(working_day__gte=1)
                & Q(due_working_day__gte=F("working_day"))
                & Q(due_working_day__lte=20)
                & Q(reminder_days__gte=0)
                & Q(reminder_days__lte=10),
                name="closing_closepolicy_days_in_range",
            ),
            models.CheckConstraint(
                condition=Q(is_on=True, scheduled_since__isnull=False)
                | Q(is_on=False, scheduled_since__isnull=True),
                name="closing_closepolicy_on_since",
            ),
            models.CheckConstraint(
                condition=Q(unpriced_percent__gte=0)
                & Q(coverage_percent__gte=0)
                & Q(coverage_percent__lte=100)
                & Q(bill_percent__gte=0)
                & Q(change_percent__gte=0),
                name="closing_closepolicy_percents_in_range",
            ),
        ]

    def __str__(self) -> str:
        return f"from {self.created_at:%Y-%m-%d %H:%M}"


class CloseStep(models.Model):
    """One step of a close: its state, its progress, and digests of what went in and came out."""

    run = models.ForeignKey(CloseRun, on_delete=models.PROTECT, related_name="steps")
    position = models.IntegerField()
    name = models.CharField(max_length=16, choices=[(s.value, s.value) for s in Step])
    state = models.CharField(
        max_length=16,
        choices=[(s.value, s.value) for s in StepState],
        default=StepState.PENDING.value,
    )
    done = models.BigIntegerField(default=0, help_text="in the step's own unit")
    total = models.BigIntegerField(default=0, help_text="in the step's own unit")
    message = models.TextField(blank=True, help_text="what came out, or what went wrong")
    remedy = models.TextField(blank=True, help_text="what to do when it failed")
    input_hash = models.CharField(max_length=64, blank=True)
    output_hash = models.CharField(max_length=64, blank=True)
    attempts = models.IntegerField(default=0)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["run", "position"]
        constraints = [
            models.UniqueConstraint(fields=["run", "name"], name="closing_closestep_once_a_run"),
            models.CheckConstraint(
                condition=Q(name__in=[s.value for s in Step])
                & Q(state__in=[s.value for s in StepState]),
                name="closing_closestep_words_known",
            ),
            models.CheckConstraint(
                condition=Q(done__gte=0) & Q(total__gte=F("done")),
                name="closing_closestep_progress_in_range",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.state}"

    @property
    def facts(self) -> StepFacts:
        """Return the step as a frozen value."""
        return StepFacts(
            name=Step(self.name),
            state=StepState(self.state),
            done=self.done,
            total=self.total,
            message=self.message,
            remedy=self.remedy,
            input_hash=self.input_hash,
            output_hash=self.output_hash,
            attempts=self.attempts,
            started_at=self.started_at,
            finished_at=self.finished_at,
        )


class Approval(models.Model):
    """One person's word on one result; append-only, the preparer differs from the approver.

    A trigger compares `preparer` and `result_hash` with the close itself.
    """

    run = models.ForeignKey(CloseRun, on_delete=models.PROTECT, related_name="approvals")
    preparer = models.CharField(max_length=254)
    preparer_user = models.BigIntegerField(null=True, blank=True)
    approver = models.CharField(max_length=254)
    approver_user = models.BigIntegerField()
    via = models.CharField(max_length=8, help_text="user, key or shell: how it was given")
    comment = models.TextField(blank=True)
    result_hash = models.CharField(max_length=64, help_text="SHA-256 of what was approved")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(preparer=F("approver"))
                & (Q(preparer_user__isnull=True) | ~Q(preparer_user=F("approver_user"))),
                name="closing_approval_by_another_person",
            ),
            models.UniqueConstraint(
                fields=["run", "result_hash"], name="closing_approval_once_a_result"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.approver} on {self.run_id}"


class ReopenRequest(models.Model):
    """A wish to reopen a closed month, with its reason; another person carries it out."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    month = models.DateField(help_text="first day of the month")
    state = models.CharField(
        max_length=16,
        choices=[("pending", "pending"), ("done", "done"), ("withdrawn", "withdrawn")],
        default="pending",
    )
    reason = models.TextField()
    requested_by_kind = models.CharField(max_length=8)
    requested_by = models.CharField(max_length=254)
    requested_by_user = models.BigIntegerField(null=True, blank=True)
    requested_at = models.DateTimeField()
    decided_by = models.CharField(max_length=254, blank=True)
    decided_by_user = models.BigIntegerField(null=True, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["month"],
                condition=Q(state="pending"),
                name="closing_reopenrequest_one_pending_a_month",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["pending", "done", "withdrawn"]),
                name="closing_reopenrequest_state_known",
            ),
            models.CheckConstraint(
                condition=Q(reason__gt=""), name="closing_reopenrequest_says_why"
            ),
            models.CheckConstraint(
                condition=~Q(state="done")
                | (
                    Q(decided_at__isnull=False, decided_by_user__isnull=False, decided_by__gt="")
                    & ~Q(decided_by=F("requested_by"))
                    & (
                        Q(requested_by_user__isnull=True)
                        | ~Q(requested_by_user=F("decided_by_user"))
                    )
                ),
                name="closing_reopenrequest_by_another_person",
            ),
        ]

    def __str__(self) -> str:
        return f"{Month.of(self.month)} {self.state}"
