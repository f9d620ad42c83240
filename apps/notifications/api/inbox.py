"""`/api/v1/inbox` and `/api/v1/notification-preferences`: one's own, so personal keys only."""

from __future__ import annotations

from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.api.permissions import HasScope, actor_of
from apps.core.domain.access import Scope
from apps.notifications import selectors, services
from apps.notifications.api import serializers as shapes


class Inbox(APIView):
    """What the person behind the key was told."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.USAGE_READ}

    @extend_schema(
        operation_id="inbox_list", parameters=[shapes.InboxQuery], responses=shapes.InboxPage
    )
    def get(self, request: Request) -> Response:
        """List one's notices, newest first; `cursor` takes the `next` of the page before."""
        asked = shapes.InboxQuery(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        wanted = asked.validated_data
        found, more = selectors.inbox(
            is_unread=wanted["unread"],
            topic=wanted["topic"],
            before=wanted["cursor"],
            limit=wanted["page_size"],
            actor=actor_of(request),
        )
        rows = shapes.InboxOutput(found, many=True).data
        return Response({"results": rows, "next": None if more is None else str(more)})


class InboxRead(APIView):
    """The reading of notices."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.USAGE_READ}

    @extend_schema(operation_id="inbox_read", request=shapes.ReadInput, responses=shapes.ReadOutput)
    def post(self, request: Request) -> Response:
        """Mark notices as read; all of them without `ids`. Twice is once."""
        asked = shapes.ReadInput(data=request.data)
        asked.is_valid(raise_exception=True)
        actor, now, ids = actor_of(request), timezone.now(), asked.validated_data.get("ids")
        if ids is None:
            return Response({"read": services.mark_all_read(actor=actor, now=now)})
        return Response({"read": services.mark_read(ids=ids, actor=actor, now=now)})


class NotificationPreferences(APIView):
    """What the person behind the key wants to be told of."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.USAGE_READ, "PUT": Scope.USAGE_READ}

    @extend_schema(operation_id="notification_preferences_read", responses=shapes.PreferencesShape)
    def get(self, request: Request) -> Response:
        """Return every topic with what holds for it, chosen or by default."""
        held = selectors.preferences(actor=actor_of(request))
        return Response(shapes.preferences_body(held))

    @extend_schema(
        operation_id="notification_preferences_change",
        request=shapes.PreferencesShape,
        responses=shapes.PreferencesShape,
    )
    def put(self, request: Request) -> Response:
        """Choose for the topics that are named; others keep what holds."""
        asked = shapes.PreferencesShape(data=request.data)
        asked.is_valid(raise_exception=True)
        actor = actor_of(request)
        services.set_preferences(chosen=asked.to_chosen(), actor=actor, now=timezone.now())
        return Response(shapes.preferences_body(selectors.preferences(actor=actor)))
