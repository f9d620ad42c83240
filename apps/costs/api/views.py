"""`/api/v1/costs`: the cost base by any dimension, bills, and provider accounts."""

from __future__ import annotations

from typing import ClassVar, Final
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.api.idempotency import once
from apps.core.api.fields import known_parameters
from apps.core.api.listing import page_of
from apps.core.api.permissions import HasScope, actor_of
from apps.core.domain.access import Scope
from apps.core.domain.errors import Invalid, TooLarge
from apps.core.domain.months import Month, local_day
from apps.costs import selectors, services
from apps.costs.api import serializers as shapes
from apps.costs.domain.accounts import Feed, Truth
from apps.tenants import selectors as tenants

FILE_LIMIT: Final = 256 * 1024 * 1024
"""Bytes of an uploaded bill, packed or not; larger ones come by `manage.py import_focus`."""


class Costs(APIView):
    """What a month costs."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.COSTS_READ}

    @extend_schema(
        operation_id="costs_read",
        parameters=[shapes.CostQuery],
        responses=shapes.CostAnswerOutput,
    )
    def get(self, request: Request) -> Response:
        """Return the costs of a month by resolved dimensions; sums do not depend on these."""
        asked = shapes.CostQuery(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        answer = selectors.costs(
            month=asked.validated_data["period"],
            axis=asked.validated_data["axis"],
            group_by=asked.dimensions(),
            actor=actor_of(request),
        )
        return Response(shapes.answer_body(answer))


class Imports(APIView):
    """Bills as files."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.BILLING_WRITE}
    parser_classes = [MultiPartParser]

    @extend_schema(
        operation_id="costs_import",
        request={"multipart/form-data": shapes.ImportInput},
        responses={200: shapes.ImportOutput, 201: shapes.ImportOutput},
    )
    def post(self, request: Request) -> Response:
        """Book a FOCUS file; the same file again changes nothing and answers 200."""
        asked = shapes.ImportInput(data=request.data)
        asked.is_valid(raise_exception=True)
        file = asked.validated_data["file"]
        if file.size > FILE_LIMIT:
            raise TooLarge(f"The file is larger than {FILE_LIMIT} bytes; pack or split it.")
        report = services.import_focus(
            file=file.file,
            file_name=file.name or "",
            provider_account=asked.validated_data["account"],
            actor=actor_of(request),
            now=timezone.now(),
        )
        status = 200 if report.already_imported else 201
        return Response(shapes.ImportOutput(report).data, status=status)


class Bills(APIView):
    """The bills."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.BILLING_READ}

    @extend_schema(operation_id="bills_list", responses=shapes.BillOutput(many=True))
    def get(self, request: Request) -> Response:
        """List the bills, the newest import first, superseded versions too."""
        page = page_of(request, selectors.bills(), lambda bill: str(bill.id))
        return Response(page.body(shapes.BillOutput(list(page.items), many=True).data))


class Bill(APIView):
    """One bill."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.BILLING_READ}

    @extend_schema(operation_id="bills_read", responses=shapes.BillOutput)
    def get(self, request: Request, public_id: UUID) -> Response:
        """Return one version of a bill."""
        return Response(shapes.BillOutput(selectors.bill(public_id=str(public_id))).data)


class Accounts(APIView):
    """The provider accounts."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.BILLING_READ, "POST": Scope.BILLING_WRITE}

    @extend_schema(operation_id="provider_accounts_list", responses=shapes.AccountOutput(many=True))
    def get(self, request: Request) -> Response:
        """List the provider accounts by code, with whose amounts count now."""
        declared = selectors.accounts().declared
        page = page_of(request, declared, lambda account: account.code)
        return Response(page.body(shapes.AccountOutput(list(page.items), many=True).data))

    @extend_schema(
        operation_id="provider_accounts_create",
        request=shapes.AccountInput,
        responses={201: shapes.AccountOutput},
    )
    @once
    def post(self, request: Request) -> Response:
        """Declare a provider account."""
        asked = shapes.AccountInput(data=request.data)
        asked.is_valid(raise_exception=True)
        account = services.declare_account(
            draft=asked.to_draft(), actor=actor_of(request), now=timezone.now()
        )
        return Response(shapes.AccountOutput(account).data, status=201)


class AccountTruth(APIView):
    """Whose amounts count for a provider account."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.BILLING_WRITE}

    @extend_schema(
        operation_id="provider_accounts_truth",
        request=shapes.TruthInput,
        responses=shapes.AccountOutput,
    )
    @once
    def post(self, request: Request, code: str) -> Response:
        """Say whose amounts count from an open month on."""
        asked = shapes.TruthInput(data=request.data)
        asked.is_valid(raise_exception=True)
        account = services.change_truth(
            code=code,
            truth=Truth(asked.validated_data["truth"]),
            feed=Feed(asked.validated_data["feed"]),
            since=asked.validated_data["since"],
            actor=actor_of(request),
            now=timezone.now(),
        )
        return Response(shapes.AccountOutput(account).data)


class Feeds(APIView):
    """What each feed tells of the same usage."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.BILLING_READ}

    @extend_schema(
        operation_id="feeds_read", parameters=[shapes.FeedQuery], responses=shapes.FeedsOutput
    )
    def get(self, request: Request) -> Response:
        """Return requests and provider's totals side by side, and which of them counts."""
        asked = shapes.FeedQuery(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        present = Month.of(local_day(timezone.now(), tenants.current().timezone))
        month = asked.validated_data.get("period", present)
        rows = shapes.FeedRowOutput(selectors.feeds(month=month), many=True).data
        return Response({"period": str(month), "results": rows})


class ModelFeeds(APIView):
    """Which feed of one model of a provider account counts."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.BILLING_WRITE}

    @extend_schema(
        operation_id="provider_accounts_feed",
        parameters=[OpenApiParameter("dry_run", bool, description="tell, change nothing")],
        request=shapes.ModelFeedInput,
        responses=shapes.FeedChangeOutput,
    )
    @once
    def post(self, request: Request, code: str) -> Response:
        """Say which feed of a model counts from an open month on; closed months keep theirs."""
        known_parameters(request, "dry_run")
        flag = request.query_params.get("dry_run", "false").lower()
        if flag not in ("true", "false"):
            raise Invalid(f"dry_run is true or false, not {flag[:20]!r}.", code="flag")
        asked = shapes.ModelFeedInput(data=request.data)
        asked.is_valid(raise_exception=True)
        entered, feed = asked.validated_data, asked.said()
        scope = {"code": code, "model": entered["model"], "feed": feed, "since": entered["since"]}
        changes = selectors.foresee_feed(**scope)
        if flag == "false":
            services.say_model_feed(
                **scope, reason=entered["reason"], actor=actor_of(request), now=timezone.now()
            )
        return Response(
            {
                "dry_run": flag == "true",
                "account": code,
                "model": entered["model"],
                "feed": entered["feed"],
                "since": str(entered["since"]),
                "months": shapes.feed_changes_body(changes),
            }
        )
