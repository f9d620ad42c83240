"""`/api/v1/periods/{month}/close`, `/reopen` and `/api/v1/close-runs`."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.api.idempotency import once
from apps.allocation.domain.sight import require_everything
from apps.closing import selectors, services
from apps.closing.api.serializers import (
    ApprovalInput,
    CloseRunOutput,
    ReasonInput,
    ReopenOutput,
)
from apps.closing.tasks import enqueue, enqueue_refresh
from apps.core.api.permissions import HasScope, actor_of
from apps.core.domain.access import Scope
from apps.core.domain.errors import Missing
from apps.core.domain.months import Month


class MayWatch(HasScope):
    """Lets those read who see all cost, and those who run or decide the close."""

    def has_permission(self, request: Request, view: Any) -> bool:
        actor = actor_of(request)
        works = actor.may(Scope.CLOSE_RUN) or actor.may(Scope.APPROVALS_DECIDE)
        if request.method in ("GET", "HEAD") and works:
            return True
        allowed = super().has_permission(request, view)
        require_everything(actor)
        return allowed


class ClosePeriod(APIView):
    """The close of a month."""

    permission_classes = [MayWatch]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.COSTS_READ, "POST": Scope.CLOSE_RUN}

    @extend_schema(operation_id="period_close_read", responses=CloseRunOutput)
    def get(self, request: Request, month: str) -> Response:
        """Return the newest close of the month."""
        found = selectors.latest(Month.parse(month))
        if found is None:
            raise Missing(f"The close of {month} has not been started.", code="close_not_found")
        return Response(CloseRunOutput(found).data)

    @extend_schema(operation_id="period_close", request=None, responses={202: CloseRunOutput})
    @once
    def post(self, request: Request, month: str) -> Response:
        """Start the close, or take up the live one; it goes on in the background."""
        run = services.start_close(
            month=Month.parse(month), actor=actor_of(request), now=timezone.now()
        )
        return _accepted(run)


class CloseRun(APIView):
    """One close."""

    permission_classes = [MayWatch]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.COSTS_READ}

    @extend_schema(operation_id="close_run_read", responses=CloseRunOutput)
    def get(self, request: Request, run: UUID) -> Response:
        """Return a close with its steps, progress and hashes."""
        return Response(CloseRunOutput(selectors.close_run(run)).data)


class ApproveClose(APIView):
    """The second person's word."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.APPROVALS_DECIDE}

    @extend_schema(
        operation_id="close_run_approve", request=ApprovalInput, responses={202: CloseRunOutput}
    )
    @once
    def post(self, request: Request, run: UUID) -> Response:
        """Approve a waiting close as another person than its preparer; sealing follows."""
        asked = ApprovalInput(data=request.data)
        asked.is_valid(raise_exception=True)
        return _accepted(
            services.approve(
                run=run,
                approver=actor_of(request),
                comment=asked.validated_data["comment"],
                now=timezone.now(),
                seen=asked.validated_data["result_hash"],
            )
        )


class PrepareCloseAgain(APIView):
    """The preview, made anew."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.CLOSE_RUN}

    @extend_schema(
        operation_id="close_run_prepare_again", request=None, responses={202: CloseRunOutput}
    )
    @once
    def post(self, request: Request, run: UUID) -> Response:
        """Check, allocate and draft again with what has changed since the preview."""
        return _accepted(
            services.prepare_again(run=run, actor=actor_of(request), now=timezone.now())
        )


class CancelClose(APIView):
    """The end of a close that is not wanted."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.CLOSE_RUN}

    @extend_schema(operation_id="close_run_cancel", request=ReasonInput, responses=CloseRunOutput)
    @once
    def post(self, request: Request, run: UUID) -> Response:
        """Cancel a close before the month is locked; the month takes entries again."""
        asked = ReasonInput(data=request.data)
        asked.is_valid(raise_exception=True)
        cancelled = services.cancel(
            run=run,
            actor=actor_of(request),
            reason=asked.validated_data["reason"],
            now=timezone.now(),
        )
        enqueue_refresh(cancelled.month)
        return Response(CloseRunOutput(cancelled).data)


class ReopenPeriod(APIView):
    """The wish to reopen a closed month."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.CLOSE_RUN, "DELETE": Scope.CLOSE_RUN}

    @extend_schema(
        operation_id="period_reopen_request", request=ReasonInput, responses={202: ReopenOutput}
    )
    @once
    def post(self, request: Request, month: str) -> Response:
        """Ask to reopen the latest closed month; another person has to agree."""
        asked = ReasonInput(data=request.data)
        asked.is_valid(raise_exception=True)
        wish = services.request_reopen(
            month=Month.parse(month),
            reason=asked.validated_data["reason"],
            actor=actor_of(request),
            now=timezone.now(),
        )
        return Response(ReopenOutput(wish).data, status=202)

    @extend_schema(operation_id="period_reopen_withdraw", responses=ReopenOutput)
    def delete(self, request: Request, month: str) -> Response:
        """Withdraw the pending request."""
        wish = services.withdraw_reopen(
            month=Month.parse(month), actor=actor_of(request), now=timezone.now()
        )
        return Response(ReopenOutput(wish).data)


class ApproveReopen(APIView):
    """The second person's word on reopening."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.APPROVALS_DECIDE}

    @extend_schema(operation_id="period_reopen_approve", request=None, responses=ReopenOutput)
    @once
    def post(self, request: Request, month: str) -> Response:
        """Reopen the month as another person than the one who asked."""
        wish = services.reopen(
            month=Month.parse(month), actor=actor_of(request), now=timezone.now()
        )
        enqueue_refresh(wish.month)
        return Response(ReopenOutput(wish).data)


def _accepted(run: selectors.CloseRunFacts) -> Response:
    enqueue(run.id)
    headers = {"Location": f"/api/v1/close-runs/{run.id}"}
    return Response(CloseRunOutput(run).data, status=202, headers=headers)
