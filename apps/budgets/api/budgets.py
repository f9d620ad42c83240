"""`/api/v1/budgets`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import ClassVar
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.api.idempotency import once
from apps.budgets import selectors, services
from apps.budgets.api.serializers import (
    BudgetInput,
    BudgetOutput,
    RaiseInput,
    SnoozeInput,
    forecast_of,
)
from apps.budgets.selectors import Standing
from apps.core.api.fields import known_parameters
from apps.core.api.listing import page_of
from apps.core.api.permissions import HasScope, actor_of
from apps.core.domain.access import Actor, Scope
from apps.core.domain.months import local_day
from apps.tenants import selectors as tenants


class Budgets(APIView):
    """The budgets."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.BUDGETS_READ, "POST": Scope.BUDGETS_WRITE}

    @extend_schema(
        operation_id="budgets_list",
        parameters=[
            OpenApiParameter("retired", bool, description="true: retired ones as well"),
            OpenApiParameter("cursor", str),
            OpenApiParameter("page_size", int),
        ],
        responses=BudgetOutput(many=True),
    )
    def get(self, request: Request) -> Response:
        """List the budgets in sight by name, each in its window of today."""
        known_parameters(request, "retired", "cursor", "page_size")
        found = selectors.standings(
            actor=actor_of(request),
            on=_today(),
            with_retired=request.query_params.get("retired") == "true",
        )
        page = page_of(request, found, lambda one: str(one.budget.id))
        return Response(page.body(_shown(page.items)))

    @extend_schema(
        operation_id="budgets_create", request=BudgetInput, responses={201: BudgetOutput}
    )
    @once
    def post(self, request: Request) -> Response:
        """Set a budget; what was spent in its window already counts."""
        sent = BudgetInput(data=request.data)
        sent.is_valid(raise_exception=True)
        actor, draft = actor_of(request), sent.to_draft()
        made = services.create(draft=draft, actor=actor, now=timezone.now())
        warnings = selectors.warnings_of(scope=draft.scope, on=_today())
        return Response(_one(made, actor) | {"warnings": warnings}, status=201)


class OneBudget(APIView):
    """One budget."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.BUDGETS_READ, "PUT": Scope.BUDGETS_WRITE}

    @extend_schema(operation_id="budgets_read", responses=BudgetOutput)
    def get(self, request: Request, budget: UUID) -> Response:
        """Return a budget in its window of today, with its forecast."""
        today = _today()
        found = selectors.standing(budget=budget, actor=actor_of(request), on=today)
        return Response(_shown([found])[0])

    @extend_schema(operation_id="budgets_change", request=BudgetInput, responses=BudgetOutput)
    def put(self, request: Request, budget: UUID) -> Response:
        """Change a budget from its present window on."""
        sent = BudgetInput(data=request.data)
        sent.is_valid(raise_exception=True)
        actor, draft = actor_of(request), sent.to_draft()
        services.change(budget=budget, draft=draft, actor=actor, now=timezone.now())
        warnings = selectors.warnings_of(scope=draft.scope, on=_today())
        return Response(_one(budget, actor) | {"warnings": warnings})


class RetireBudget(APIView):
    """The end of a budget."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.BUDGETS_WRITE}

    @extend_schema(operation_id="budgets_retire", request=None, responses=BudgetOutput)
    @once
    def post(self, request: Request, budget: UUID) -> Response:
        """Take a budget out of force; its figures stay."""
        actor = actor_of(request)
        services.retire(budget=budget, actor=actor, now=timezone.now())
        return Response(_one(budget, actor))


class RaiseBudget(APIView):
    """More money for a while."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.BUDGETS_WRITE}

    @extend_schema(operation_id="budgets_raise", request=RaiseInput, responses=BudgetOutput)
    @once
    def post(self, request: Request, budget: UUID) -> Response:
        """Raise a budget's limit until a moment."""
        sent = RaiseInput(data=request.data)
        sent.is_valid(raise_exception=True)
        actor = actor_of(request)
        services.raise_limit(budget=budget, **sent.validated_data, actor=actor, now=timezone.now())
        return Response(_one(budget, actor))


class SnoozeBudget(APIView):
    """Silence for a while."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.BUDGETS_WRITE}

    @extend_schema(operation_id="budgets_snooze", request=SnoozeInput, responses=BudgetOutput)
    @once
    def post(self, request: Request, budget: UUID) -> Response:
        """Hold back a budget's alerts until a moment."""
        sent = SnoozeInput(data=request.data)
        sent.is_valid(raise_exception=True)
        actor = actor_of(request)
        services.snooze(budget=budget, **sent.validated_data, actor=actor, now=timezone.now())
        return Response(_one(budget, actor))


def _one(budget: UUID, actor: Actor) -> dict[str, object]:
    """Return a budget as JSON; who may write it may see what was written."""
    reader = replace(actor, scopes=actor.scopes | {Scope.BUDGETS_READ})
    return _shown([selectors.standing(budget=budget, actor=reader, on=_today())])[0]


def _shown(found: Iterable[Standing]) -> list[dict[str, object]]:
    """Return budgets as JSON, with what is foreseen of them."""
    listed = list(found)
    ahead = selectors.foreseen(standings=listed, today=_today())
    return [
        dict(BudgetOutput(one).data)
        | {
            "state": selectors.state_of(one, ahead[one.budget.key]),
            "forecast": forecast_of(ahead[one.budget.key]),
        }
        for one in listed
    ]


def _today() -> date:
    return local_day(timezone.now(), tenants.current().timezone)
