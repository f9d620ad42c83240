"""`/api/v1/approval-policy`, `/api/v1/delegations`, `/api/v1/commitments`."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.api.fields import known_parameters
from apps.core.api.listing import page_of
from apps.core.api.permissions import HasScope, actor_of
from apps.core.domain.access import Scope
from apps.core.domain.canonical import plain_decimal
from apps.experiments import selectors, services
from apps.experiments.api import answers, shapes
from apps.experiments.api.bodies import commitment_body, policy_body
from apps.experiments.domain.policy_text import read_policy
from apps.tenants import selectors as tenants


class Policy(APIView):
    """The approval policy."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.BUDGETS_READ, "PUT": Scope.BUDGETS_WRITE}

    @extend_schema(operation_id="approval_policy_read", responses=answers.ApprovalPolicyOutput)
    def get(self, request: Request) -> Response:
        """Return the version in force."""
        known_parameters(request)
        return Response(policy_body(selectors.current_policy()))

    @extend_schema(
        operation_id="approval_policy_state",
        request=shapes.ApprovalPolicyInput,
        responses=answers.ApprovalPolicyOutput,
    )
    def put(self, request: Request) -> Response:
        """State a new version; open rounds keep theirs."""
        sent = shapes.ApprovalPolicyInput(data=request.data)
        sent.is_valid(raise_exception=True)
        stated = services.state_policy(
            policy_text=read_policy(sent.validated_data["policy"]),
            note=sent.validated_data["note"],
            after=sent.validated_data["after"],
            actor=actor_of(request),
            now=timezone.now(),
        )
        return Response(policy_body(stated))


class Simulate(APIView):
    """A policy tried on the past."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.BUDGETS_WRITE}

    @extend_schema(
        operation_id="approval_policy_simulate",
        request=shapes.SimulationInput,
        responses=answers.SimulationOutput,
    )
    def post(self, request: Request) -> Response:
        """Judge what was submitted of late by another policy; nothing is kept."""
        sent = shapes.SimulationInput(data=request.data)
        sent.is_valid(raise_exception=True)
        found = selectors.simulate(
            policy=read_policy(sent.validated_data["policy"]),
            since=timezone.now() - timedelta(days=sent.validated_data["days"]),
            actor=actor_of(request),
        )
        return Response(answers.SimulationOutput(found).data)


class Delegations(APIView):
    """Stand-ins of people who are away."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {
        "GET": Scope.APPROVALS_DECIDE,
        "POST": Scope.APPROVALS_DECIDE,
    }

    @extend_schema(operation_id="delegations_list", responses=answers.DelegationPage)
    def get(self, request: Request) -> Response:
        """List stand-ins, the latest first."""
        known_parameters(request, "cursor", "page_size")
        page = page_of(request, selectors.delegations(), lambda one: str(one.public_id))
        return Response(page.body(answers.DelegationOutput(page.items, many=True).data))

    @extend_schema(
        operation_id="delegations_create",
        request=shapes.DelegationInput,
        responses={201: answers.DelegationOutput},
    )
    def post(self, request: Request) -> Response:
        """Let somebody stand in for you while you are away."""
        sent = shapes.DelegationInput(data=request.data)
        sent.is_valid(raise_exception=True)
        actor = actor_of(request)
        values: dict[str, Any] = {"absent": actor.label, **sent.validated_data}
        draft = services.DelegationDraft(**values)
        made = services.delegate(draft=draft, actor=actor, now=timezone.now())
        return Response(answers.DelegationOutput(made).data, status=201)


class EndDelegation(APIView):
    """The end of a stand-in."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.APPROVALS_DECIDE}

    @extend_schema(operation_id="delegations_end", request=None, responses={204: None})
    def post(self, request: Request, delegation: UUID) -> Response:
        """End it before its last day."""
        services.end_delegation(id=delegation, actor=actor_of(request), now=timezone.now())
        return Response(status=204)


class Commitments(APIView):
    """Money that is approved and not yet spent."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.BUDGETS_READ}

    @extend_schema(
        operation_id="experiment_commitments_list", responses=answers.ExperimentCommitmentPage
    )
    def get(self, request: Request) -> Response:
        """List what experiments may still spend, the largest first."""
        known_parameters(request, "cursor", "page_size")
        found = selectors.commitments(actor=actor_of(request))
        page = page_of(request, found, lambda one: one.request.code)
        body = page.body([commitment_body(one) for one in page.items])
        total = sum((one.open for one in found), Decimal(0))
        return Response(
            {**body, "total": plain_decimal(total), "currency": tenants.current().currency}
        )
