"""`/api/v1/experiments`: requests, their rounds and decisions, their outcome."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.api.idempotency import once
from apps.core.api.fields import known_parameters
from apps.core.api.listing import page_of
from apps.core.api.permissions import HasScope, actor_of
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import FieldError, Invalid
from apps.experiments import selectors, services
from apps.experiments.api import answers, shapes
from apps.experiments.api.bodies import estimate_body, full_body, request_body
from apps.experiments.domain.facts import RequestFacts
from apps.experiments.domain.states import State, Verdict

_READ: Final = Scope.BUDGETS_READ
_WRITE: Final = Scope.EXPERIMENTS_WRITE


class Experiments(APIView):
    """Experiment requests."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": _READ, "POST": _WRITE}

    @extend_schema(
        operation_id="experiments_list",
        parameters=[
            OpenApiParameter("state", str, description="as running"),
            OpenApiParameter("team", str),
            OpenApiParameter("mine", str, description="true: what you ask for or spend"),
            OpenApiParameter("q", str, description="part of the title or code"),
        ],
        responses=answers.ExperimentPage,
    )
    def get(self, request: Request) -> Response:
        """List requests, the newest first."""
        known_parameters(request, "state", "team", "mine", "q", "cursor", "page_size")
        asked = request.query_params
        found = selectors.requests(
            actor=actor_of(request),
            states=_states(asked.get("state", "")),
            team=asked.get("team", ""),
            mine=asked.get("mine", "") == "true",
            text=asked.get("q", "").replace("\x00", ""),
        )
        page = page_of(request, found, lambda one: one.code)
        return Response(page.body([request_body(one) for one in page.items]))

    @extend_schema(
        operation_id="experiments_create",
        request=shapes.ExperimentCreateInput,
        responses={201: answers.ExperimentOutput},
    )
    @once
    def post(self, request: Request) -> Response:
        """Write a request; it is a draft until it is submitted."""
        sent = shapes.ExperimentCreateInput(data=request.data)
        sent.is_valid(raise_exception=True)
        code = sent.validated_data["code"]
        actor, now = actor_of(request), timezone.now()
        proposal = sent.to_proposal(owner=_label(actor), team=_team(actor))
        made = services.create(proposal=proposal, code=code, actor=actor, now=now)
        return Response(full_body(made, actor=actor, now=now), status=201)


class Estimate(APIView):
    """What plans would cost."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": _WRITE}

    @extend_schema(
        operation_id="experiments_estimate",
        request=shapes.ExperimentEstimateInput,
        responses=answers.ExperimentEstimateOutput,
    )
    def post(self, request: Request) -> Response:
        """Price plans by the price book in force; nothing is kept."""
        sent = shapes.ExperimentEstimateInput(data=request.data)
        sent.is_valid(raise_exception=True)
        actor = actor_of(request)
        found = selectors.assess(
            plans=sent.to_plans(),
            amount=sent.validated_data["amount"],
            team=sent.validated_data["team"] or _team(actor),
            actor=actor,
            now=timezone.now(),
        )
        return Response(estimate_body(found))


class OneExperiment(APIView):
    """One experiment request."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": _READ, "PUT": _WRITE}

    @extend_schema(operation_id="experiments_read", responses=answers.ExperimentOutput)
    def get(self, request: Request, experiment: UUID) -> Response:
        """Return a request: estimate, steps, decisions, burn, outcome."""
        actor = actor_of(request)
        found = selectors.request(id=experiment, actor=actor)
        return Response(full_body(found, actor=actor, now=timezone.now()))

    @extend_schema(
        operation_id="experiments_edit",
        request=shapes.ExperimentEditInput,
        responses=answers.ExperimentOutput,
    )
    def put(self, request: Request, experiment: UUID) -> Response:
        """Write a draft, or one that was sent back, anew."""
        sent = shapes.ExperimentEditInput(data=request.data)
        sent.is_valid(raise_exception=True)
        note = sent.validated_data["note"]
        actor, now = actor_of(request), timezone.now()
        proposal = sent.to_proposal(owner=_label(actor), team=_team(actor))
        found = services.edit(id=experiment, proposal=proposal, note=note, actor=actor, now=now)
        return Response(full_body(found, actor=actor, now=now))


class _Deed(APIView):
    """Something done to a request."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": _WRITE}

    @once
    def post(self, request: Request, experiment: UUID) -> Response:
        """Do it."""
        actor, now = actor_of(request), timezone.now()
        found = self.act(request, id=experiment, actor=actor, now=now)
        return Response(full_body(found, actor=actor, now=now))

    def act(self, request: Request, **who: Any) -> RequestFacts:
        """Call the service."""
        raise NotImplementedError


def _described(name: str, input: Any) -> Callable[[type[_Deed]], type[_Deed]]:
    return extend_schema_view(
        post=extend_schema(
            operation_id=f"experiments_{name}",
            request=input,
            responses=answers.ExperimentOutput,
        )
    )


@_described("submit", None)
class Submit(_Deed):
    """Submission."""

    def act(self, request: Request, **who: Any) -> RequestFacts:
        return services.submit(**who)


@_described("withdraw", shapes.ExperimentReasonInput)
class Withdraw(_Deed):
    """Withdrawal of a request, or of its amendment that waits."""

    def act(self, request: Request, **who: Any) -> RequestFacts:
        sent = shapes.ExperimentReasonInput(data=request.data)
        sent.is_valid(raise_exception=True)
        return services.withdraw(**sent.validated_data, **who)


@_described("amend", shapes.ExperimentAmendInput)
class Amend(_Deed):
    """More money or time; it is approved again."""

    def act(self, request: Request, **who: Any) -> RequestFacts:
        sent = shapes.ExperimentAmendInput(data=request.data)
        sent.is_valid(raise_exception=True)
        return services.amend(amendment=services.Amendment(**sent.validated_data), **who)


@_described("complete", shapes.ExperimentLessonsInput)
class Complete(_Deed):
    """The end, with an outcome report."""

    def act(self, request: Request, **who: Any) -> RequestFacts:
        sent = shapes.ExperimentLessonsInput(data=request.data)
        sent.is_valid(raise_exception=True)
        return services.complete(**sent.validated_data, **who)


@_described("lessons", shapes.ExperimentLessonsInput)
class Lessons(_Deed):
    """What was learned, after the end."""

    def act(self, request: Request, **who: Any) -> RequestFacts:
        sent = shapes.ExperimentLessonsInput(data=request.data)
        sent.is_valid(raise_exception=True)
        return services.add_lessons(**sent.validated_data, **who)


@_described("revoke", shapes.ExperimentReasonInput)
class Revoke(_Deed):
    """The money taken away; approvers and writers of budgets may."""

    scopes: ClassVar[dict[str, Scope]] = {"POST": _READ}

    def act(self, request: Request, **who: Any) -> RequestFacts:
        sent = shapes.ExperimentReasonInput(data=request.data)
        sent.is_valid(raise_exception=True)
        return services.revoke(**sent.validated_data, **who)


@_described("decide", shapes.BallotInput)
class Decisions(_Deed):
    """A decision about what waits of a request."""

    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.APPROVALS_DECIDE}

    def act(self, request: Request, **who: Any) -> RequestFacts:
        sent = shapes.BallotInput(data=request.data)
        sent.is_valid(raise_exception=True)
        ballot = services.Ballot(
            request=who.pop("id"),
            verdict=Verdict(sent.validated_data["verdict"]),
            comment=sent.validated_data["comment"],
            via="api",
        )
        return services.decide(ballot=ballot, **who)


class Files(APIView):
    """Files of a request."""

    permission_classes = [HasScope]
    parser_classes = [MultiPartParser]
    scopes: ClassVar[dict[str, Scope]] = {"POST": _WRITE}

    @extend_schema(
        operation_id="experiments_attach",
        request={
            "multipart/form-data": {
                "type": "object",
                "properties": {"file": {"type": "string", "format": "binary"}},
            }
        },
        responses={201: answers.ExperimentOutput},
    )
    def post(self, request: Request, experiment: UUID) -> Response:
        """Add a file: a PDF, picture, table or text of at most 5 MiB."""
        sent = request.FILES.get("file")
        if sent is None:
            message = "Send one file in the form field file."
            raise Invalid(message, code="file", errors=(FieldError("file", "required", message),))
        upload = services.Upload(name=sent.name or "file", content=sent.read())
        actor, now = actor_of(request), timezone.now()
        services.attach(id=experiment, upload=upload, actor=actor, now=now)
        found = selectors.request(id=experiment, actor=actor)
        return Response(full_body(found, actor=actor, now=now), status=201)


def _states(text: str) -> list[State]:
    try:
        return [State(text)] if text else []
    except ValueError:
        known = ", ".join(state.value for state in State)
        raise Invalid(
            f"There is no state {text[:40]!r}; known are {known}.", code="state"
        ) from None


def _label(actor: Actor) -> str:
    """Return the address of the person behind a key or session, nothing for a service key."""
    return actor.label if actor.is_person else ""


def _team(actor: Actor) -> str:
    """Return the one team that the actor can mean, nothing when there are several."""
    bound = actor.bound_tags.get("team")
    if bound:
        return bound
    return next(iter(actor.teams)) if actor.teams is not None and len(actor.teams) == 1 else ""
