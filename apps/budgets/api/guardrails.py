"""`/api/v1/guardrails`: check, authorize, policies; the doors of holds are those of ingest."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.api.idempotency import HEADER, claim_of, once, response_of
from apps.accounts.api.passports import remember
from apps.budgets import selectors, services
from apps.budgets.api.guardrail_shapes import (
    AskInput,
    DecisionOutput,
    DryRunInput,
    DryRunOutput,
    JustificationInput,
    JustificationOutput,
    KeptDecisionOutput,
    PolicyInput,
    PolicyOutput,
)
from apps.budgets.domain.policies import PolicyDraft, PolicyFacts
from apps.core.api.fields import known_parameters
from apps.core.api.listing import page_of
from apps.core.api.permissions import HasScope, actor_of
from apps.core.domain.access import Scope


class Check(APIView):
    """What an authorization would be answered."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.BUDGETS_AUTHORIZE}

    @extend_schema(operation_id="guardrails_check", request=AskInput, responses=DecisionOutput)
    def post(self, request: Request) -> Response:
        """Tell what an authorization would be answered now; nothing is kept or held."""
        sent = AskInput(data=request.data)
        sent.is_valid(raise_exception=True)
        found = services.check(ask=sent.to_ask(), actor=actor_of(request), now=timezone.now())
        remember(request._request)
        return Response(DecisionOutput(found).data)


class Authorize(APIView):
    """Decisions that hold money."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.BUDGETS_AUTHORIZE}

    @extend_schema(
        operation_id="guardrails_authorize",
        request=AskInput,
        responses=DecisionOutput,
        parameters=[OpenApiParameter(HEADER, str, OpenApiParameter.HEADER, required=True)],
    )
    def post(self, request: Request) -> HttpResponse:
        """Decide on a use and hold its cost in every budget that it draws, or in none."""
        actor = actor_of(request)
        claim = claim_of(request, owner=actor.identity)
        sent = AskInput(data=request.data)
        sent.is_valid(raise_exception=True)
        answer = services.authorize_once(
            ask=sent.to_ask(), actor=actor, now=timezone.now(), claim=claim
        )
        remember(request._request)
        return response_of(answer)

    post.takes_idempotency_key = True  # type: ignore[attr-defined]


class Decisions(APIView):
    """The decisions that were given."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.BUDGETS_READ}

    @extend_schema(
        operation_id="guardrails_decisions",
        parameters=[OpenApiParameter("decision", str), OpenApiParameter("cursor", str)],
        responses=KeptDecisionOutput(many=True),
    )
    def get(self, request: Request) -> Response:
        """List the newest decisions in sight."""
        known_parameters(request, "decision", "cursor", "page_size")
        found = selectors.decisions(
            actor=actor_of(request), verdict=request.query_params.get("decision", ""), limit=1_000
        )
        page = page_of(request, found, lambda one: str(one.id))
        return Response(page.body(KeptDecisionOutput(list(page.items), many=True).data))


class Policies(APIView):
    """The model policies."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.BUDGETS_READ, "POST": Scope.BUDGETS_WRITE}

    @extend_schema(operation_id="policies_list", responses=PolicyOutput(many=True))
    def get(self, request: Request) -> Response:
        """List the policies in sight that are not retired, by name."""
        found = selectors.policies(actor=actor_of(request))
        page = page_of(request, found, lambda one: str(one.id))
        return Response(page.body(PolicyOutput(list(page.items), many=True).data))

    @extend_schema(
        operation_id="policies_create", request=PolicyInput, responses={201: PolicyOutput}
    )
    @once
    def post(self, request: Request) -> Response:
        """Put a policy in force from its first day on."""
        sent = PolicyInput(data=request.data)
        sent.is_valid(raise_exception=True)
        actor, draft = actor_of(request), sent.to_draft()
        made = services.create_policy(draft=draft, actor=actor, now=timezone.now())
        return Response(_policy(made, draft), status=201)


class OnePolicy(APIView):
    """One policy."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.BUDGETS_READ, "PUT": Scope.BUDGETS_WRITE}

    @extend_schema(operation_id="policies_read", responses=PolicyOutput)
    def get(self, request: Request, policy: UUID) -> Response:
        """Return a policy."""
        found = selectors.policy(id=policy, actor=actor_of(request))
        return Response(PolicyOutput(found).data)

    @extend_schema(operation_id="policies_replace", request=PolicyInput, responses=PolicyOutput)
    def put(self, request: Request, policy: UUID) -> Response:
        """Put another policy in the place of this one, from its first day on; it has a new id."""
        sent = PolicyInput(data=request.data)
        sent.is_valid(raise_exception=True)
        actor, draft = actor_of(request), sent.to_draft()
        made = services.replace_policy(policy=policy, draft=draft, actor=actor, now=timezone.now())
        return Response(_policy(made, draft))


class RetirePolicy(APIView):
    """The end of a policy."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.BUDGETS_WRITE}

    @extend_schema(operation_id="policies_retire", request=None, responses={204: None})
    @once
    def post(self, request: Request, policy: UUID) -> Response:
        """Take a policy out of force at once."""
        services.retire_policy(policy=policy, actor=actor_of(request), now=timezone.now())
        return Response(status=204)


class TryPolicy(APIView):
    """What a policy would have blocked."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.BUDGETS_READ}

    @extend_schema(operation_id="policies_dry_run", request=DryRunInput, responses=DryRunOutput)
    def post(self, request: Request) -> Response:
        """Tell what a policy would have blocked in a month; nothing is kept."""
        sent = DryRunInput(data=request.data)
        sent.is_valid(raise_exception=True)
        month = sent.validated_data["month"]
        found = selectors.dry_run(draft=sent.to_draft(), month=month, actor=actor_of(request))
        return Response(DryRunOutput(found).data)


class Justifications(APIView):
    """Why some may use ultra-large contexts."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.BUDGETS_READ, "POST": Scope.BUDGETS_WRITE}

    @extend_schema(operation_id="justifications_list", responses=JustificationOutput(many=True))
    def get(self, request: Request) -> Response:
        """List the justifications in sight, newest first."""
        found = selectors.justifications(actor=actor_of(request))
        page = page_of(request, found, lambda one: str(one.id))
        return Response(page.body(JustificationOutput(list(page.items), many=True).data))

    @extend_schema(
        operation_id="justifications_create",
        request=JustificationInput,
        responses={201: JustificationOutput},
    )
    @once
    def post(self, request: Request) -> Response:
        """Record why a scope may use ultra-large contexts for a while."""
        sent = JustificationInput(data=request.data)
        sent.is_valid(raise_exception=True)
        actor = actor_of(request)
        draft = services.JustificationDraft(**sent.validated_data)
        made = services.justify(draft=draft, actor=actor, now=timezone.now())
        body = {"id": str(made), "created_by": actor.label, **sent.data}
        return Response(body, status=201)


def _policy(id: UUID, draft: PolicyDraft) -> dict[str, object]:
    """Return a policy that was just kept."""
    facts = PolicyFacts(
        id=id,
        name=draft.name,
        scope=draft.scope,
        rules=draft.rules,
        verdict=draft.verdict,
        on_failure=draft.on_failure,
        valid_from=draft.valid_from,
        valid_to=draft.valid_to,
    )
    return dict(PolicyOutput(facts).data)
