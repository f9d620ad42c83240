"""How requests are approved: policies, submissions, their steps, decisions, stand-ins, links."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db import models
from django.db.models import F, Q

from apps.experiments.domain.states import RoundState, StepState, Verdict

_ROUNDS = [state.value for state in RoundState]
_STEPS = [state.value for state in StepState]


class ApprovalPolicy(models.Model):
    """One version of the tenant's approval policy; append-only, the highest version is in force."""

    public_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    version = models.IntegerField(unique=True, help_text="counts from 1")
    rules = models.JSONField(help_text="the policy; frozen")
    note = models.TextField(blank=True, help_text="why it was changed")
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=254)
    created_by_user = models.BigIntegerField(null=True, help_text="id of the person, if one")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(version__gte=1), name="experiments_policy_version_counts"
            )
        ]

    def __str__(self) -> str:
        return f"policy {self.version}"


class Submission(models.Model):
    """One round of approval: a revision, judged by one policy version.

    What it was judged by is frozen; its state moves once, from open to its end. A trigger lets it
    be approved only when it passed by itself or all its steps have passed.
    """

    public_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    request = models.ForeignKey(
        "experiments.ExperimentRequest", on_delete=models.PROTECT, related_name="submissions"
    )
    number = models.IntegerField(help_text="counts from 1 in the request")
    revision = models.ForeignKey(
        "experiments.Revision", on_delete=models.PROTECT, related_name="submissions"
    )
    policy = models.ForeignKey(ApprovalPolicy, on_delete=models.PROTECT, related_name="submissions")
    is_amendment = models.BooleanField(default=False)
    automatic = models.BooleanField(help_text="passed by itself")
    routes = models.JSONField(help_text="names of the routes that matched; frozen")
    reasons = models.JSONField(help_text="why it goes this way; frozen")
    risk = models.JSONField(help_text="what the policy looked at; frozen")
    amount = models.DecimalField(max_digits=24, decimal_places=3, help_text="in `currency`")
    currency = models.CharField(max_length=3)
    team = models.CharField(max_length=64)
    state = models.CharField(max_length=20, default=RoundState.OPEN.value)
    expires_at = models.DateTimeField(help_text="when it lapses without a decision")
    submitted_at = models.DateTimeField()
    submitted_by = models.CharField(max_length=254)
    submitted_by_user = models.BigIntegerField(null=True, help_text="id of the person, if one")
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["request", "number"], name="experiments_submission_once"
            ),
            models.UniqueConstraint(
                fields=["request"],
                condition=Q(state="open"),
                name="experiments_submission_one_open",
            ),
            models.CheckConstraint(
                condition=Q(state__in=_ROUNDS, amount__gt=0, number__gte=1),
                name="experiments_submission_state_known",
            ),
            models.CheckConstraint(
                condition=Q(state="open", closed_at__isnull=True)
                | ~Q(state="open") & Q(closed_at__isnull=False),
                name="experiments_submission_closed_when_done",
            ),
        ]
        indexes = [
            models.Index(
                fields=["expires_at"],
                condition=Q(state="open"),
                name="experiments_submission_open",
            ),
            models.Index(
                fields=["team", "closed_at"],
                condition=Q(automatic=True, state="approved"),
                name="experiments_submission_auto",
            ),
        ]

    def __str__(self) -> str:
        return f"submission {self.number}"

    def close(self, to: RoundState, *, at: datetime) -> None:
        """End the round."""
        self.state, self.closed_at = to.value, at
        self.save(update_fields=["state", "closed_at"])


class Step(models.Model):
    """One step of a submission; what it asks is frozen, a trigger counts its quorum."""

    public_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    submission = models.ForeignKey(Submission, on_delete=models.PROTECT, related_name="steps")
    position = models.IntegerField(help_text="counts from 1 in the submission")
    name = models.CharField(max_length=80)
    order = models.IntegerField(help_text="steps of one order are open together")
    quorum = models.IntegerField(help_text="people who have to approve")
    rule = models.JSONField(help_text="who may decide and how fast; frozen")
    state = models.CharField(max_length=10, default=StepState.WAITING.value)
    opened_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True)
    reminded_at = models.DateTimeField(null=True)
    escalated_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["submission", "position"], name="experiments_step_once"
            ),
            models.CheckConstraint(
                condition=Q(state__in=_STEPS, quorum__gte=1, position__gte=1),
                name="experiments_step_state_known",
            ),
            models.CheckConstraint(
                condition=~Q(state="open") | Q(opened_at__isnull=False, due_at__isnull=False),
                name="experiments_step_open_has_a_due_time",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(state="open"), name="experiments_step_due")
        ]

    def __str__(self) -> str:
        return self.name

    def open(self, *, at: datetime, due_at: datetime) -> None:
        """Begin to wait for people."""
        self.state, self.opened_at, self.due_at = StepState.OPEN.value, at, due_at
        self.save(update_fields=["state", "opened_at", "due_at"])

    def close(self, to: StepState, *, at: datetime) -> None:
        """End, one way or the other."""
        self.state, self.closed_at = to.value, at
        self.save(update_fields=["state", "closed_at"])

    def note_reminder(self, *, at: datetime) -> None:
        """Remember that people were reminded."""
        self.reminded_at = at
        self.save(update_fields=["reminded_at"])

    def note_escalation(self, *, at: datetime) -> None:
        """Remember that it was opened to those above."""
        self.escalated_at = at
        self.save(update_fields=["escalated_at"])


class Decision(models.Model):
    """What one person said to one step; append-only.

    `principal` is whose seat it was: the person's own, or that of somebody who is away. A trigger
    refuses the people of the request, a step that is not open, and a step of another submission.
    """

    public_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    submission = models.ForeignKey(Submission, on_delete=models.PROTECT, related_name="decisions")
    step = models.ForeignKey(Step, on_delete=models.PROTECT, related_name="decisions")
    verdict = models.CharField(max_length=16)
    comment = models.TextField(blank=True)
    via = models.CharField(max_length=8, help_text="web, api or link")
    user_id = models.BigIntegerField(help_text="the person who decided")
    principal = models.BigIntegerField(help_text="the person in whose place")
    decided_by = models.CharField(max_length=254)
    on_behalf_of = models.CharField(max_length=254, blank=True)
    decided_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["submission", "user_id"], name="experiments_decision_one_a_person"
            ),
            models.UniqueConstraint(
                fields=["submission", "principal"], name="experiments_decision_one_a_seat"
            ),
            models.CheckConstraint(
                condition=Q(verdict__in=[one.value for one in Verdict])
                & Q(via__in=["web", "api", "link"]),
                name="experiments_decision_words_known",
            ),
            models.CheckConstraint(
                condition=Q(verdict="approve") | Q(comment__gt=""),
                name="experiments_decision_says_why",
            ),
            models.CheckConstraint(
                condition=Q(on_behalf_of="", principal=F("user_id"))
                | ~Q(principal=F("user_id")) & Q(on_behalf_of__gt=""),
                name="experiments_decision_names_the_absent",
            ),
        ]
        indexes = [models.Index(fields=["user_id", "-id"], name="experiments_decision_by_person")]

    def __str__(self) -> str:
        return f"{self.verdict} by {self.decided_by}"


class Delegation(models.Model):
    """From one day to another somebody decides in the place of somebody who is away.

    Two of one person never overlap; it can only be ended, by a trigger.
    """

    public_id = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    absent = models.BigIntegerField(help_text="id of who is away")
    absent_email = models.CharField(max_length=254)
    delegate = models.BigIntegerField(help_text="id of who decides meanwhile")
    delegate_email = models.CharField(max_length=254)
    starts_on = models.DateField()
    ends_on = models.DateField(help_text="last day")
    reason = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=254)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~Q(absent=F("delegate")), name="experiments_delegation_to_another"
            ),
            models.CheckConstraint(
                condition=Q(ends_on__gte=F("starts_on")), name="experiments_delegation_in_order"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.delegate_email} for {self.absent_email}"

    def end(self, *, at: datetime) -> None:
        """Be over from now on."""
        self.ended_at = at
        self.save(update_fields=["ended_at"])


class LinkUse(models.Model):
    """A link in a message that was used to decide; append-only, so that it works once."""

    digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the link's token")
    decision = models.OneToOneField(Decision, on_delete=models.PROTECT, related_name="link")
    used_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(digest__regex=r"^[0-9a-f]{64}$"), name="experiments_linkuse_digest"
            )
        ]

    def __str__(self) -> str:
        return self.digest[:12]
