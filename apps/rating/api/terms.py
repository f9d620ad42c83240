"""`/api/v1/prices/discounts`, `/commitments`, `/cost-models` and `/quote`."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.api.idempotency import once
from apps.core.api.permissions import HasScope, actor_of
from apps.core.domain.access import Scope
from apps.rating import selectors, services
from apps.rating.api import terms_serializers as shapes
from apps.rating.api.serializers import PriceEndInput, PriceWithdrawInput
from apps.rating.selectors import Explained
from apps.rating.tasks import request_adoption

_READ: dict[str, Scope] = {"GET": Scope.COSTS_READ}
_WRITE: dict[str, Scope] = {"POST": Scope.PRICES_WRITE}


class Discounts(APIView):
    """Discounts off list prices."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = _READ | _WRITE

    @extend_schema(
        operation_id="discounts_list",
        parameters=[shapes.KnownOnQuery],
        responses=shapes.DiscountsOutput,
    )
    def get(self, request: Request) -> Response:
        """List discounts, past and future, as they are known now or were on a day."""
        asked = shapes.KnownOnQuery(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        known_at = asked.validated_data["as_known_on"] or timezone.now()
        found = selectors.discounts(known_at=known_at, on=asked.validated_data["on"])
        return Response({"results": shapes.DiscountOutput(found, many=True).data})

    @extend_schema(
        operation_id="discounts_create",
        request=shapes.DiscountInput,
        responses={201: shapes.DiscountRecorded},
    )
    @once
    def post(self, request: Request) -> Response:
        """Record a discount; it is adopted, and open months re-rated, shortly after."""
        asked = shapes.DiscountInput(data=request.data)
        asked.is_valid(raise_exception=True)
        made = services.record_discount(
            draft=asked.to_draft(), actor=actor_of(request), now=timezone.now()
        )
        request_adoption()
        return Response(shapes.DiscountRecorded(selectors.discount(made)).data, status=201)


class OneDiscount(APIView):
    """One discount."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = _READ

    @extend_schema(operation_id="discounts_read", responses=shapes.DiscountOutput)
    def get(self, request: Request, discount: UUID) -> Response:
        """Return a discount, also one that was ended, replaced or withdrawn."""
        return Response(shapes.DiscountOutput(selectors.discount(discount)).data)


class EndDiscount(APIView):
    """The end of a discount."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = _WRITE

    @extend_schema(
        operation_id="discounts_end", request=PriceEndInput, responses=shapes.DiscountOutput
    )
    @once
    def post(self, request: Request, discount: UUID) -> Response:
        """End a discount; the answer is the row that says so, with an id of its own."""
        asked = PriceEndInput(data=request.data)
        asked.is_valid(raise_exception=True)
        ended = services.end_discount(
            discount=discount,
            valid_to=asked.validated_data["valid_to"],
            actor=actor_of(request),
            now=timezone.now(),
        )
        request_adoption()
        return Response(shapes.DiscountOutput(selectors.discount(ended)).data)


class WithdrawDiscount(APIView):
    """The withdrawal of a discount that was entered in error."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = _WRITE

    @extend_schema(
        operation_id="discounts_withdraw",
        request=PriceWithdrawInput,
        responses=shapes.DiscountOutput,
    )
    @once
    def post(self, request: Request, discount: UUID) -> Response:
        """Withdraw a discount from its beginning on; it stays on record."""
        asked = PriceWithdrawInput(data=request.data)
        asked.is_valid(raise_exception=True)
        services.withdraw_discount(
            discount=discount,
            reason=asked.validated_data["reason"],
            actor=actor_of(request),
            now=timezone.now(),
        )
        request_adoption()
        return Response(shapes.DiscountOutput(selectors.discount(discount)).data)


class Commitments(APIView):
    """Commitments and their levels."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = _READ | _WRITE

    @extend_schema(operation_id="commitments_list", responses=shapes.CommitmentsOutput)
    def get(self, request: Request) -> Response:
        """List commitments with their levels and which is in force when."""
        found = selectors.commitments()
        return Response({"results": shapes.CommitmentOutput(found, many=True).data})

    @extend_schema(
        operation_id="commitments_create",
        request=shapes.CommitmentInput,
        responses={201: shapes.CommitmentOutput},
    )
    @once
    def post(self, request: Request) -> Response:
        """Record a commitment; put one of its levels in force to make it count."""
        asked = shapes.CommitmentInput(data=request.data)
        asked.is_valid(raise_exception=True)
        made = services.record_commitment(
            draft=asked.to_draft(), actor=actor_of(request), now=timezone.now()
        )
        return _commitment(made, status=201)


class OneCommitment(APIView):
    """One commitment."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = _READ

    @extend_schema(operation_id="commitments_read", responses=shapes.CommitmentOutput)
    def get(self, request: Request, commitment: UUID) -> Response:
        """Return a commitment with its levels and which is in force when."""
        return _commitment(commitment)


class LevelsInForce(APIView):
    """Which level of a commitment is in force when."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = _WRITE

    @extend_schema(
        operation_id="commitments_put_level_in_force",
        request=shapes.LevelInForceInput,
        responses=shapes.CommitmentOutput,
    )
    @once
    def post(self, request: Request, commitment: UUID) -> Response:
        """Put a level in force; others keep their time before and after it."""
        asked = shapes.LevelInForceInput(data=request.data)
        asked.is_valid(raise_exception=True)
        services.put_level_in_force(
            commitment=commitment,
            **asked.validated_data,
            actor=actor_of(request),
            now=timezone.now(),
        )
        request_adoption()
        return _commitment(commitment)


class WithdrawLevel(APIView):
    """The withdrawal of a level that was put in force in error."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = _WRITE

    @extend_schema(
        operation_id="commitments_withdraw_level",
        request=PriceWithdrawInput,
        responses=shapes.CommitmentOutput,
    )
    @once
    def post(self, request: Request, commitment: UUID, term: UUID) -> Response:
        """Stop believing that a level was in force, from its beginning on."""
        asked = PriceWithdrawInput(data=request.data)
        asked.is_valid(raise_exception=True)
        services.withdraw_level(
            term=selectors.term_of(commitment=commitment, term=term),
            reason=asked.validated_data["reason"],
            actor=actor_of(request),
            now=timezone.now(),
        )
        request_adoption()
        return _commitment(commitment)


class CostModels(APIView):
    """Cost models of self-hosted models."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = _READ | _WRITE

    @extend_schema(operation_id="cost_models_list", responses=shapes.CostModelsOutput)
    def get(self, request: Request) -> Response:
        """List cost models with every step of their derivation."""
        found = selectors.cost_models()
        return Response({"results": shapes.CostModelOutput(found, many=True).data})

    @extend_schema(
        operation_id="cost_models_create",
        request=shapes.CostModelInput,
        responses={201: shapes.CostModelOutput},
    )
    @once
    def post(self, request: Request) -> Response:
        """Derive the prices per token of a self-hosted model, and record them."""
        asked = shapes.CostModelInput(data=request.data)
        asked.is_valid(raise_exception=True)
        made = services.record_cost_model(
            draft=asked.to_draft(),
            priced=asked.to_priced(),
            actor=actor_of(request),
            now=timezone.now(),
        )
        request_adoption()
        return Response(shapes.CostModelOutput(selectors.cost_model(made)).data, status=201)


class OneCostModel(APIView):
    """One cost model."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = _READ

    @extend_schema(operation_id="cost_models_read", responses=shapes.CostModelOutput)
    def get(self, request: Request, cost_model: UUID) -> Response:
        """Return a cost model with every step of its derivation."""
        return Response(shapes.CostModelOutput(selectors.cost_model(cost_model)).data)


class QuotePrice(APIView):
    """The price of one use."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = _READ

    @extend_schema(
        operation_id="prices_quote",
        parameters=[shapes.UseQuery],
        responses=shapes.ExplainedOutput,
    )
    def get(self, request: Request) -> Response:
        """Return which price holds for a use, where it comes from, and what it goes over."""
        asked = shapes.UseQuery(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        values = dict(asked.validated_data)
        known_at = values.pop("as_known_on")
        use = selectors.Use(**values | {"at": values["at"] or timezone.now()})
        book = selectors.price_book() if known_at is None else selectors.book_as_known(known_at)
        found = selectors.explain(use=use, book=book)
        body = {**_explained(found), "at": use.at, "as_known_on": known_at}
        return Response(shapes.ExplainedOutput(body).data)


def _commitment(commitment: UUID, *, status: int = 200) -> Response:
    found = selectors.commitment(commitment)
    return Response(shapes.CommitmentOutput(found).data, status=status)


def _explained(found: Explained) -> dict[str, Any]:
    return {
        "provider": found.sku.provider,
        "model": found.sku.model,
        "context_tier": found.sku.context_tier,
        "meter": found.meter,
        "price": None if found.price is None else shapes.price_body(found.price),
        "unpriced": found.why_unpriced,
        "rivals": [shapes.price_body(row) for row in found.rivals],
        "beneath": [shapes.price_body(row) for row in found.beneath],
    }
