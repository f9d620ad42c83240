"""`/api/v1/close-policy`: when months are closed, and what the checks ask."""

from __future__ import annotations

from datetime import time
from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.closing import selectors, services
from apps.closing.domain.policy import (
    ESCALABLE,
    MOST_REMINDER_DAYS,
    MOST_WORKING_DAY,
    Limits,
    Policy,
    Schedule,
)
from apps.core.api.fields import ExactDecimal, KnownFields
from apps.core.api.permissions import HasScope, actor_of
from apps.core.domain.access import Scope
from apps.core.domain.canonical import plain_decimal

_USUAL = Limits()
_PERCENTS = ("unpriced_percent", "coverage_percent", "bill_percent", "change_percent")


class ClosePolicyInput(KnownFields):
    """A schedule and limits; what is left out is as usual."""

    is_on = serializers.BooleanField(default=False, help_text="closes begin by themselves")
    working_day = serializers.IntegerField(
        min_value=1, max_value=MOST_WORKING_DAY, default=3, help_text="of the month after"
    )
    at = serializers.TimeField(default=time(9), format="%H:%M", help_text="on your clock")
    reminder_days = serializers.IntegerField(
        min_value=0, max_value=MOST_REMINDER_DAYS, default=2, help_text="working days before"
    )
    due_working_day = serializers.IntegerField(
        min_value=1, max_value=MOST_WORKING_DAY, default=6, help_text="of the month after"
    )
    unpriced_percent = ExactDecimal(max_digits=6, decimal_places=2, default=_USUAL.unpriced_percent)
    coverage_percent = ExactDecimal(max_digits=6, decimal_places=2, default=_USUAL.coverage_percent)
    bill_percent = ExactDecimal(max_digits=6, decimal_places=2, default=_USUAL.bill_percent)
    change_percent = ExactDecimal(max_digits=6, decimal_places=2, default=_USUAL.change_percent)
    blocking = serializers.ListField(
        child=serializers.ChoiceField(choices=ESCALABLE),
        default=list,
        help_text="checks that block",
    )

    def to_policy(self) -> Policy:
        """Return the policy that was sent."""
        sent = self.validated_data
        schedule = ("is_on", "working_day", "at", "reminder_days", "due_working_day")
        return Policy(
            Schedule(**{name: sent[name] for name in schedule}),
            Limits(
                **{name: sent[name] for name in _PERCENTS}, blocking=frozenset(sent["blocking"])
            ),
        )


class ClosePolicyOutput(serializers.Serializer[Any]):
    """The policy in force."""

    is_on = serializers.BooleanField()
    working_day = serializers.IntegerField()
    at = serializers.TimeField(format="%H:%M")
    reminder_days = serializers.IntegerField()
    due_working_day = serializers.IntegerField()
    unpriced_percent = serializers.CharField()
    coverage_percent = serializers.CharField()
    bill_percent = serializers.CharField()
    change_percent = serializers.CharField()
    blocking = serializers.ListField(child=serializers.CharField())
    scheduled_since = serializers.DateTimeField(allow_null=True)

    def to_representation(self, instance: Policy) -> dict[str, Any]:
        """Return a policy as JSON, percentages as decimal strings."""
        schedule, limits = instance.schedule, instance.limits
        since = instance.scheduled_since
        return {
            "is_on": schedule.is_on,
            "working_day": schedule.working_day,
            "at": f"{schedule.at:%H:%M}",
            "reminder_days": schedule.reminder_days,
            "due_working_day": schedule.due_working_day,
            **{name: plain_decimal(getattr(limits, name)) for name in _PERCENTS},
            "blocking": sorted(limits.blocking),
            "scheduled_since": since.isoformat() if since else None,
        }


class ClosePolicy(APIView):
    """When months are closed, and from where on checks ask or block."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.BILLING_READ, "PUT": Scope.CLOSE_RUN}

    @extend_schema(operation_id="close_policy_read", responses=ClosePolicyOutput)
    def get(self, request: Request) -> Response:
        """Return the policy in force."""
        return Response(ClosePolicyOutput(selectors.policy()).data)

    @extend_schema(
        operation_id="close_policy_set", request=ClosePolicyInput, responses=ClosePolicyOutput
    )
    def put(self, request: Request) -> Response:
        """Put a schedule and limits in force; saying the same again changes nothing."""
        sent = ClosePolicyInput(data=request.data)
        sent.is_valid(raise_exception=True)
        kept = services.set_policy(
            wanted=sent.to_policy(), actor=actor_of(request), now=timezone.now()
        )
        return Response(ClosePolicyOutput(kept).data)
