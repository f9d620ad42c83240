"""`/api/v1/channels` and `/api/v1/deliveries`: who is told, and whether it arrived."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.api.idempotency import once
from apps.core.api.permissions import HasScope, actor_of
from apps.core.db import current_schema
from apps.core.domain.access import Scope
from apps.notifications import selectors, services
from apps.notifications.api import serializers as shapes
from apps.notifications.domain.topics import Topic
from apps.notifications.tasks import deliver


class Channels(APIView):
    """The channels in use."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.BILLING_WRITE, "POST": Scope.ADMIN}

    @extend_schema(operation_id="channels_list", responses=shapes.ChannelOutput(many=True))
    def get(self, request: Request) -> Response:
        """List the channels in use by name."""
        found = selectors.channels(actor=actor_of(request))
        return Response(shapes.ChannelOutput(found, many=True).data)

    @extend_schema(
        operation_id="channels_add",
        request=shapes.ChannelInput,
        responses={201: shapes.ChannelOutput},
    )
    @once
    def post(self, request: Request) -> Response:
        """Add a mailbox, a webhook or a channel of Slack.

        A webhook's signing secret is not in the answer: ask for one at `/channels/{id}/secret`.
        """
        asked = shapes.ChannelInput(data=request.data)
        asked.is_valid(raise_exception=True)
        actor = actor_of(request)
        added = services.add_channel(draft=asked.to_draft(), actor=actor, now=timezone.now())
        facts = selectors.channel(id=added.id, actor=actor)
        return Response(shapes.ChannelOutput(facts).data, status=201)


class ChannelView(APIView):
    """One channel."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {
        "GET": Scope.BILLING_WRITE,
        "PATCH": Scope.ADMIN,
        "DELETE": Scope.ADMIN,
    }

    @extend_schema(operation_id="channels_read", responses=shapes.ChannelOutput)
    def get(self, request: Request, id: UUID) -> Response:
        """Return a channel in use."""
        facts = selectors.channel(id=id, actor=actor_of(request))
        return Response(shapes.ChannelOutput(facts).data)

    @extend_schema(
        operation_id="channels_change",
        request=shapes.ChannelChange,
        responses=shapes.ChannelOutput,
    )
    def patch(self, request: Request, id: UUID) -> Response:
        """Change name and topics; the address stays what it is."""
        asked = shapes.ChannelChange(data=request.data)
        asked.is_valid(raise_exception=True)
        actor, wanted = actor_of(request), asked.validated_data
        held = selectors.channel(id=id, actor=actor)
        services.change_channel(
            id=id,
            name=wanted.get("name", held.name),
            topics=frozenset(Topic(topic) for topic in wanted.get("topics", held.topics)),
            actor=actor,
            now=timezone.now(),
        )
        return Response(shapes.ChannelOutput(selectors.channel(id=id, actor=actor)).data)

    @extend_schema(operation_id="channels_retire", responses={204: None})
    def delete(self, request: Request, id: UUID) -> Response:
        """Retire a channel: it is told nothing any more."""
        services.retire_channel(id=id, actor=actor_of(request), now=timezone.now())
        return Response(status=204)


class ChannelTest(APIView):
    """A message that only tries a channel."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.ADMIN}

    @extend_schema(
        operation_id="channels_test", request=None, responses={202: shapes.DeliveryOutput}
    )
    @once
    def post(self, request: Request, id: UUID) -> Response:
        """Send a test message; ask for the delivery to see whether it arrived."""
        actor = actor_of(request)
        sent = services.send_test(id=id, actor=actor, now=timezone.now())
        deliver.delay_on_commit(schema=current_schema())
        facts = selectors.delivery(id=sent, actor=actor)
        return Response(shapes.DeliveryOutput(facts).data, status=202)


class ChannelSecret(APIView):
    """The secret with which a webhook's deliveries are signed."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.ADMIN}

    @extend_schema(operation_id="channels_secret", request=None, responses=shapes.SecretOutput)
    def post(self, request: Request, id: UUID) -> Response:
        """Sign with a new secret from now on, and show it this once."""
        made = services.renew_secret(id=id, actor=actor_of(request), now=timezone.now())
        answer = Response(shapes.SecretOutput({"id": made.id, "secret": made.secret}).data)
        answer["Cache-Control"] = "no-store"
        return answer


class Deliveries(APIView):
    """What was told to whom."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.BILLING_WRITE}

    @extend_schema(
        operation_id="deliveries_list",
        parameters=[shapes.DeliveriesQuery],
        responses=shapes.DeliveryPage,
    )
    def get(self, request: Request) -> Response:
        """List deliveries, newest first; `cursor` takes the `next` of the page before."""
        asked = shapes.DeliveriesQuery(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        wanted = asked.validated_data
        found, more = selectors.outbox(
            state=wanted["state"],
            kind=wanted["kind"],
            before=wanted["cursor"],
            limit=wanted["page_size"],
            actor=actor_of(request),
        )
        rows = shapes.DeliveryOutput(found, many=True).data
        return Response({"results": rows, "next": None if more is None else str(more)})


class DeliveryView(APIView):
    """One delivery."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.BILLING_WRITE}

    @extend_schema(operation_id="deliveries_read", responses=shapes.DeliveryOutput)
    def get(self, request: Request, id: UUID) -> Response:
        """Return a delivery and how far it has come."""
        facts = selectors.delivery(id=id, actor=actor_of(request))
        return Response(shapes.DeliveryOutput(facts).data)


class DeliveryRetry(APIView):
    """Another try of a delivery that was given up."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.BILLING_WRITE}

    @extend_schema(
        operation_id="deliveries_retry", request=None, responses={202: shapes.DeliveryOutput}
    )
    @once
    def post(self, request: Request, id: UUID) -> Response:
        """Queue a failed delivery again."""
        actor = actor_of(request)
        services.retry(id=id, actor=actor, now=timezone.now())
        deliver.delay_on_commit(schema=current_schema())
        facts = selectors.delivery(id=id, actor=actor)
        return Response(shapes.DeliveryOutput(facts).data, status=202)
