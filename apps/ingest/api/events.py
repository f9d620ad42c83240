"""`/api/v1/usage/events`: the hot door, a plain view for keys beside the ordinary one."""

from __future__ import annotations

from typing import Any, ClassVar, Final

import orjson
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts import selectors as accounts
from apps.accounts.api.authentication import bearer_token
from apps.core.api.errors import PROBLEM, problem_body, refusal_response
from apps.core.api.fields import known_parameters
from apps.core.api.permissions import HasScope, actor_of
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Invalid, Refusal, Unavailable
from apps.ingest import services as ingest
from apps.ingest.api.body import body_of, form_of
from apps.ingest.api.serializers import EventList, EventQuery, ReceiptOutput, page_body
from apps.ingest.api.views import event_body
from apps.ingest.domain.receipt import BatchRefused
from apps.usage import selectors as usage
from apps.usage.domain.decode import Form, decode_events
from apps.usage.domain.feeds import FEEDS, Feed

_FLAGS: Final = {"": False, "true": True, "false": False, "1": True, "0": False}


def post_events(request: HttpRequest) -> HttpResponse:
    """Store the events of a body and answer with a receipt for every item.

    A key is asked for before anything is read; a body that cannot be split into items, or is too
    large, stores nothing.
    """
    try:
        return _answer(_receipt(request, _key_actor(request)))
    except BatchRefused as refused:
        return _refused(refused)
    except Refusal as refusal:
        return refusal_response(refusal)


class Events(APIView):
    """Usage events: take them in, look them up."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.USAGE_READ, "POST": Scope.USAGE_WRITE}

    @extend_schema(
        operation_id="usage_events_create",
        parameters=[
            OpenApiParameter("atomic", bool, description="all items or none"),
            OpenApiParameter("dry_run", bool, description="validate and price, store nothing"),
            OpenApiParameter(
                "feed",
                str,
                enum=list(FEEDS),
                description="bucket: totals that a provider gives, not single requests",
            ),
            OpenApiParameter(
                "X-Source", str, OpenApiParameter.HEADER, description="source of items without one"
            ),
        ],
        request={"application/json": dict[str, Any], "application/x-ndjson": str},
        responses=ReceiptOutput,
    )
    def post(self, request: Request) -> HttpResponse:
        """Store events: an array, {"events": [...]}, one object, or one object a line."""
        try:
            return _answer(_receipt(request._request, actor_of(request)))
        except BatchRefused as refused:
            return _refused(refused)

    @extend_schema(operation_id="usage_events_list", parameters=[EventQuery], responses=EventList)
    def get(self, request: Request) -> Response:
        """List events by arrival, the newest first; with source and id, return that event."""
        names = request.query_params
        actor = actor_of(request)
        if "source" in names and "id" in names:
            found = usage.event(source=names["source"], event_id=names["id"], actor=actor)
            return Response(event_body(found))
        query = EventQuery.read(request)
        page = usage.events(
            filters=query.filters, cursor=query.cursor, limit=query.limit, actor=actor
        )
        return Response(page_body(request, page))


@csrf_exempt
def events(request: HttpRequest) -> HttpResponseBase:
    """Take the short way for what keys send, and the ordinary one for all else."""
    if request.method == "POST" and bearer_token(request.headers.get("Authorization", "")):
        return post_events(request)
    return _ordinary(request)


_ordinary: Final = Events.as_view()
events.cls = Events  # type: ignore[attr-defined]
events.initkwargs = {}  # type: ignore[attr-defined]


def _key_actor(request: HttpRequest) -> Actor:
    known = getattr(request, "key_actor", None)
    if isinstance(known, Actor):
        return known
    token = bearer_token(request.headers.get("Authorization", "")) or ""
    return accounts.actor_for_bearer(token=token, now=timezone.now())


def _receipt(request: HttpRequest, actor: Actor) -> ingest.Receipt:
    actor.require(Scope.USAGE_WRITE)
    known_parameters(request, "atomic", "dry_run", "feed")
    form, body = form_of(request), body_of(request)
    if len(body) < ingest.LARGE:
        return _accepted(request, actor, body, form)
    with ingest.in_flight(is_small=False):
        return _accepted(request, actor, body, form)


def _accepted(request: HttpRequest, actor: Actor, body: bytes, form: Form) -> ingest.Receipt:
    atomic, dry_run = _flag(request, "atomic"), _flag(request, "dry_run")
    source = request.headers.get("X-Source") or None
    drafts = decode_events(body=body, form=form, source=source)
    try:
        return ingest.accept_events(
            drafts=drafts,
            actor=actor,
            received_at=timezone.now(),
            atomic=atomic,
            dry_run=dry_run,
            feed=_feed(request),
        )
    except (OperationalError, InterfaceError) as error:
        raise database_silent() from error


def database_silent() -> Unavailable:
    """Return what is answered when the database is away while events are stored."""
    return Unavailable(
        "The database did not answer. Send the same events again: what was stored counts once.",
        code="database_unavailable",
    )


def _feed(request: HttpRequest) -> str:
    value = request.GET.get("feed", Feed.REQUEST.value)
    if value not in FEEDS:
        raise Invalid(f"feed is request or bucket, not {value[:20]!r}.", code="feed")
    return value


def _flag(request: HttpRequest, name: str) -> bool:
    value = request.GET.get(name, "").lower()
    if value not in _FLAGS:
        raise Invalid(f"{name} is true or false, not {value[:20]!r}.", code="flag")
    return _FLAGS[value]


def _answer(receipt: ingest.Receipt) -> HttpResponse:
    return HttpResponse(orjson.dumps(receipt.as_dict()), content_type="application/json")


def _refused(refused: BatchRefused) -> HttpResponse:
    body = problem_body(status=422, title="Unprocessable", code=refused.code, detail=str(refused))
    body["errors"] = [item.as_dict() for item in refused.items]
    return HttpResponse(orjson.dumps(body), content_type=PROBLEM, status=422)


__all__ = ["Events", "events", "post_events"]
