"""The doors of holds: settling one may bring usage, so both stand here."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

import msgspec
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.api.idempotency import once
from apps.budgets import services as budgets
from apps.core.api.permissions import HasScope, actor_of
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import FieldError, Unprocessable
from apps.ingest import services as ingest
from apps.ingest.api.hold_shapes import HoldOutput, SettleInput
from apps.usage.domain.decode import draft_of


class EventRefused(Unprocessable):
    """The event that was to settle a hold cannot be taken; names the field."""

    default_code = "event_refused"


class SettleHold(APIView):
    """What an authorized call came to."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.BUDGETS_AUTHORIZE}

    @extend_schema(operation_id="guardrails_hold_settle", request=SettleInput, responses=HoldOutput)
    @once
    def post(self, request: Request, hold: UUID) -> Response:
        """Tell what a call came to: an amount, its tokens, its event, or the event's name."""
        sent = SettleInput(data=request.data)
        sent.is_valid(raise_exception=True)
        actor, actual = actor_of(request), sent.to_actual()
        event = sent.validated_data.get("event")
        if event is not None:
            actual = budgets.Actual(event_ref=_bring(hold, event, actor))
        found = budgets.settle(hold=hold, actual=actual, actor=actor, now=timezone.now())
        return Response(HoldOutput(found).data)


class VoidHold(APIView):
    """The end of a hold whose call does not take place."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.BUDGETS_AUTHORIZE}

    @extend_schema(operation_id="guardrails_hold_void", request=None, responses=HoldOutput)
    @once
    def post(self, request: Request, hold: UUID) -> Response:
        """Release a hold whose call does not take place."""
        found = budgets.void(hold=hold, actor=actor_of(request), now=timezone.now())
        return Response(HoldOutput(found).data)


def _bring(hold: UUID, event: dict[str, Any], actor: Actor) -> tuple[str, str]:
    """Store the event of a hold, which releases it, and return its name.

    :raises EventRefused: when the event cannot be taken, or its id is another event's.
    """
    draft = draft_of(
        msgspec.to_builtins({**event, "hold": str(hold)}), index=0, source=None, lax=False
    )
    receipt = ingest.accept_events(drafts=[draft], actor=actor, received_at=timezone.now())
    if receipt.errors:
        error = receipt.errors[0]
        field = FieldError(f"event.{error.field or 'id'}", error.code, error.message)
        raise EventRefused(error.message, code=error.code, errors=(field,))
    return str(event["source"]), str(event["id"])
