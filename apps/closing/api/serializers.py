"""Shapes of closes at the API."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from apps.closing.domain.reopening import ReopenFacts
from apps.closing.domain.steps import CloseRunFacts, RunState, Step, StepFacts, StepState


@extend_schema_serializer(component_name="CloseApprovalInput")
class ApprovalInput(serializers.Serializer[Any]):
    """What the approver has to say, and which result was looked at."""

    comment = serializers.CharField(max_length=2000, allow_blank=True, default="")
    result_hash = serializers.CharField(
        max_length=64,
        allow_blank=True,
        default="",
        help_text="of the close that was looked at; another one that waits by now is refused",
    )


@extend_schema_serializer(component_name="CloseReasonInput")
class ReasonInput(serializers.Serializer[Any]):
    """Why; kept in the audit log."""

    reason = serializers.CharField(max_length=2000)


class StepOutput(serializers.Serializer[StepFacts]):
    """One step: `done` of `total` in its own unit, hashes of what went in and came out."""

    name = serializers.ChoiceField(choices=[step.value for step in Step])
    title = serializers.CharField()
    state = serializers.ChoiceField(choices=[state.value for state in StepState])
    done = serializers.IntegerField()
    total = serializers.IntegerField()
    message = serializers.CharField()
    remedy = serializers.CharField()
    input_hash = serializers.CharField()
    output_hash = serializers.CharField()
    attempts = serializers.IntegerField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)


class CheckOutput(serializers.Serializer[dict[str, str]]):
    """One line of the checklist."""

    code = serializers.CharField()
    title = serializers.CharField()
    verdict = serializers.ChoiceField(choices=["passed", "attention", "blocked"])
    message = serializers.CharField()
    remedy = serializers.CharField()


class CloseRunOutput(serializers.Serializer[CloseRunFacts]):
    """A close with its steps; `allocation_run` and `result_hash` are what is approved."""

    id = serializers.UUIDField()
    period = serializers.CharField(source="month")
    state = serializers.ChoiceField(choices=[state.value for state in RunState])
    started_by = serializers.CharField()
    prepared_by = serializers.CharField(help_text="who may not approve: started or prepared again")
    started_at = serializers.DateTimeField()
    approved_by = serializers.CharField()
    approved_at = serializers.DateTimeField(allow_null=True)
    comment = serializers.CharField()
    finished_at = serializers.DateTimeField(allow_null=True)
    cancel_reason = serializers.CharField()
    allocation_run = serializers.UUIDField(allow_null=True)
    result_hash = serializers.CharField()
    progress = serializers.SerializerMethodField(help_text="steps done, of all")
    checklist = CheckOutput(many=True)
    steps = StepOutput(many=True)

    def get_progress(self, run: CloseRunFacts) -> dict[str, int]:
        """Return how many steps are done."""
        done, total = run.progress
        return {"done": done, "total": total}


class ReopenOutput(serializers.Serializer[ReopenFacts]):
    """A request to reopen a month; `done` means that the month is open again."""

    id = serializers.UUIDField()
    period = serializers.CharField(source="month")
    state = serializers.ChoiceField(choices=["pending", "done", "withdrawn"])
    reason = serializers.CharField()
    requested_by = serializers.CharField()
    requested_at = serializers.DateTimeField()
    decided_by = serializers.CharField()
    decided_at = serializers.DateTimeField(allow_null=True)
