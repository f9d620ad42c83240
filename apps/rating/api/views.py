"""`/api/v1/prices` and `/api/v1/price-book`."""

from __future__ import annotations

from dataclasses import asdict
from typing import ClassVar
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

from apps.accounts.api.idempotency import once
from apps.core.api.permissions import HasScope, actor_of
from apps.core.domain.access import Scope
from apps.rating import selectors, services
from apps.rating.api.serializers import (
    BookOutput,
    PriceEndInput,
    PriceInput,
    PriceOutput,
    PricePageOutput,
    PriceQuery,
    PriceWithdrawInput,
)
from apps.rating.tasks import request_adoption


class Prices(APIView):
    """List and contract prices."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.COSTS_READ, "POST": Scope.PRICES_WRITE}

    @extend_schema(operation_id="prices_list", parameters=[PriceQuery], responses=PricePageOutput)
    def get(self, request: Request) -> Response:
        """List prices by provider, model and meter; contract prices before list prices."""
        asked = PriceQuery(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        page = selectors.browse_prices(
            wanted=asked.to_filter(),
            kind=asked.validated_data["kind"],
            cursor=asked.validated_data["cursor"],
            limit=asked.validated_data["page_size"],
            known_at=asked.validated_data["as_known_on"]
            or asked.validated_data["known_at"]
            or timezone.now(),
        )
        return Response(
            {
                "results": PriceOutput(list(page.prices), many=True).data,
                "next": _link(request, page.next),
                "previous": _link(request, page.previous),
            }
        )

    @extend_schema(operation_id="prices_create", request=PriceInput, responses={201: PriceOutput})
    @once
    def post(self, request: Request) -> Response:
        """Record a contract price; it is adopted, and open months re-rated, shortly after."""
        asked = PriceInput(data=request.data)
        asked.is_valid(raise_exception=True)
        price = services.record_contract_price(
            draft=asked.to_draft(), actor=actor_of(request), now=timezone.now()
        )
        request_adoption()
        return _answer(price, status=201)


class ContractPrice(APIView):
    """One contract price."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.COSTS_READ}

    @extend_schema(operation_id="prices_read", responses=PriceOutput)
    def get(self, request: Request, price: UUID) -> Response:
        """Return a contract price, also one that was ended, replaced or withdrawn."""
        return _answer(price)


class EndPrice(APIView):
    """The end of a contract price."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.PRICES_WRITE}

    @extend_schema(operation_id="prices_end", request=PriceEndInput, responses=PriceOutput)
    @once
    def post(self, request: Request, price: UUID) -> Response:
        """End a contract price; the answer is the row that says so, with an id of its own."""
        asked = PriceEndInput(data=request.data)
        asked.is_valid(raise_exception=True)
        ended = services.end_contract_price(
            price=price,
            valid_to=asked.validated_data["valid_to"],
            actor=actor_of(request),
            now=timezone.now(),
        )
        request_adoption()
        return _answer(ended)


class WithdrawPrice(APIView):
    """The withdrawal of a contract price that was entered in error."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.PRICES_WRITE}

    @extend_schema(
        operation_id="prices_withdraw", request=PriceWithdrawInput, responses=PriceOutput
    )
    @once
    def post(self, request: Request, price: UUID) -> Response:
        """Withdraw a contract price from its beginning on; it stays on record."""
        asked = PriceWithdrawInput(data=request.data)
        asked.is_valid(raise_exception=True)
        services.withdraw_contract_price(
            price=price,
            reason=asked.validated_data["reason"],
            actor=actor_of(request),
            now=timezone.now(),
        )
        request_adoption()
        return _answer(price)


class PriceBookInForce(APIView):
    """The version of the price book in force."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.COSTS_READ}

    @extend_schema(operation_id="price_book_read", responses=BookOutput)
    def get(self, request: Request) -> Response:
        """Return which version is in force, and whether newer prices wait for adoption."""
        facts = asdict(selectors.current_version()) | {"outdated": selectors.is_outdated()}
        return Response(BookOutput(facts).data)


def _answer(price: UUID, *, status: int = 200) -> Response:
    return Response(PriceOutput(selectors.contract_price(price)).data, status=status)


def _link(request: Request, cursor: str) -> str | None:
    if not cursor:
        return None
    return str(replace_query_param(request.build_absolute_uri(), "cursor", cursor))
