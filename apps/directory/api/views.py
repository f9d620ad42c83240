"""`/api/v1/cost-centers`, `/teams`, `/products`, `/features`, `/customers`, and the rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.api.listing import page_of
from apps.core.api.permissions import HasScope, actor_of
from apps.core.domain.access import Scope
from apps.directory import selectors, services
from apps.directory.api import serializers as shapes
from apps.directory.domain.entries import Entry
from apps.directory.domain.rules import Rule
from apps.directory.domain.sight import seen_by

_SCOPES: dict[str, Scope] = {
    "GET": Scope.COSTS_READ,
    "POST": Scope.DIRECTORY_WRITE,
    "PUT": Scope.DIRECTORY_WRITE,
}


class _Entries(APIView):
    """Lists one kind of entry and takes new ones."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = _SCOPES
    shape: ClassVar[type[Any]]
    listed: ClassVar[Callable[[], Sequence[Entry]]]

    def list(self, request: Request) -> Response:
        seen = seen_by(actor_of(request), type(self).listed())
        page = page_of(request, seen, lambda entry: entry.code)
        return Response(page.body(self.shape(list(page.items), many=True).data))

    def create(self, request: Request) -> Response:
        asked = self.shape(data=request.data)
        asked.is_valid(raise_exception=True)
        entry = services.enter(entry=asked.to_entry(), actor=actor_of(request), now=timezone.now())
        return Response(self.shape(entry).data, status=201)


class _Entry(APIView):
    """Replaces what is said about one code."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = _SCOPES
    shape: ClassVar[type[Any]]

    def replace(self, request: Request, code: str) -> Response:
        asked = self.shape(data=_fixed(request.data, code=code))
        asked.is_valid(raise_exception=True)
        entry = services.revise(entry=asked.to_entry(), actor=actor_of(request), now=timezone.now())
        return Response(self.shape(entry).data)


class CostCenters(_Entries):
    """Cost centers."""

    shape = shapes.CostCenterSerializer
    listed = staticmethod(selectors.cost_centers)

    @extend_schema(
        operation_id="cost_centers_list", responses=shapes.CostCenterSerializer(many=True)
    )
    def get(self, request: Request) -> Response:
        """List the cost centers by code, UNALLOCATED and MARKUP among them."""
        return self.list(request)

    @extend_schema(
        operation_id="cost_centers_create",
        request=shapes.CostCenterSerializer,
        responses={201: shapes.CostCenterSerializer},
    )
    def post(self, request: Request) -> Response:
        """Enter a cost center."""
        return self.create(request)


class CostCenter(_Entry):
    """One cost center."""

    shape = shapes.CostCenterSerializer

    @extend_schema(
        operation_id="cost_centers_replace",
        request=shapes.CostCenterSerializer,
        responses=shapes.CostCenterSerializer,
    )
    def put(self, request: Request, code: str) -> Response:
        """Replace name, owner, ledger code and validity; `parent` moves by its own call."""
        return self.replace(request, code)


class CostCenterParent(APIView):
    """The parent of a cost center."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = _SCOPES

    @extend_schema(
        operation_id="cost_centers_move", request=shapes.MoveInput, responses={204: None}
    )
    def post(self, request: Request, code: str) -> Response:
        """Put the cost center under a parent from a day on."""
        asked = shapes.MoveInput(data=request.data)
        asked.is_valid(raise_exception=True)
        services.place_cost_center(
            cost_center=code,
            parent=asked.validated_data["to"],
            since=asked.validated_data["since"],
            actor=actor_of(request),
            now=timezone.now(),
        )
        return Response(status=204)


class Teams(_Entries):
    """Teams."""

    shape = shapes.TeamSerializer
    listed = staticmethod(selectors.teams)

    @extend_schema(operation_id="teams_list", responses=shapes.TeamSerializer(many=True))
    def get(self, request: Request) -> Response:
        """List the teams by code; members see their own."""
        return self.list(request)

    @extend_schema(
        operation_id="teams_create",
        request=shapes.TeamSerializer,
        responses={201: shapes.TeamSerializer},
    )
    def post(self, request: Request) -> Response:
        """Enter a team."""
        return self.create(request)


class Team(_Entry):
    """One team."""

    shape = shapes.TeamSerializer

    @extend_schema(
        operation_id="teams_replace",
        request=shapes.TeamSerializer,
        responses=shapes.TeamSerializer,
    )
    def put(self, request: Request, code: str) -> Response:
        """Replace name and validity; `cost_center` moves by its own call."""
        return self.replace(request, code)


class TeamCostCenter(APIView):
    """The cost center of a team."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = _SCOPES

    @extend_schema(operation_id="teams_move", request=shapes.MoveInput, responses={204: None})
    def post(self, request: Request, code: str) -> Response:
        """Let the team belong to a cost center from a day on."""
        asked = shapes.MoveInput(data=request.data)
        asked.is_valid(raise_exception=True)
        services.move_team(
            team=code,
            cost_center=asked.validated_data["to"],
            since=asked.validated_data["since"],
            actor=actor_of(request),
            now=timezone.now(),
        )
        return Response(status=204)


class Products(_Entries):
    """Products."""

    shape = shapes.ProductSerializer
    listed = staticmethod(selectors.products)

    @extend_schema(operation_id="products_list", responses=shapes.ProductSerializer(many=True))
    def get(self, request: Request) -> Response:
        """List the products by code."""
        return self.list(request)

    @extend_schema(
        operation_id="products_create",
        request=shapes.ProductSerializer,
        responses={201: shapes.ProductSerializer},
    )
    def post(self, request: Request) -> Response:
        """Enter a product."""
        return self.create(request)


class Product(_Entry):
    """One product."""

    shape = shapes.ProductSerializer

    @extend_schema(
        operation_id="products_replace",
        request=shapes.ProductSerializer,
        responses=shapes.ProductSerializer,
    )
    def put(self, request: Request, code: str) -> Response:
        """Replace name and validity."""
        return self.replace(request, code)


class Features(_Entries):
    """Features."""

    shape = shapes.FeatureSerializer
    listed = staticmethod(selectors.features)

    @extend_schema(operation_id="features_list", responses=shapes.FeatureSerializer(many=True))
    def get(self, request: Request) -> Response:
        """List the features by code."""
        return self.list(request)

    @extend_schema(
        operation_id="features_create",
        request=shapes.FeatureSerializer,
        responses={201: shapes.FeatureSerializer},
    )
    def post(self, request: Request) -> Response:
        """Enter a feature."""
        return self.create(request)


class Feature(_Entry):
    """One feature."""

    shape = shapes.FeatureSerializer

    @extend_schema(
        operation_id="features_replace",
        request=shapes.FeatureSerializer,
        responses=shapes.FeatureSerializer,
    )
    def put(self, request: Request, code: str) -> Response:
        """Replace name, product and validity."""
        return self.replace(request, code)


class Customers(_Entries):
    """Customers."""

    shape = shapes.CustomerSerializer
    listed = staticmethod(selectors.customers)

    @extend_schema(operation_id="customers_list", responses=shapes.CustomerSerializer(many=True))
    def get(self, request: Request) -> Response:
        """List the customers by code."""
        return self.list(request)

    @extend_schema(
        operation_id="customers_create",
        request=shapes.CustomerSerializer,
        responses={201: shapes.CustomerSerializer},
    )
    def post(self, request: Request) -> Response:
        """Enter a customer."""
        return self.create(request)


class Customer(_Entry):
    """One customer."""

    shape = shapes.CustomerSerializer

    @extend_schema(
        operation_id="customers_replace",
        request=shapes.CustomerSerializer,
        responses=shapes.CustomerSerializer,
    )
    def put(self, request: Request, code: str) -> Response:
        """Replace name, e-mail address and validity."""
        return self.replace(request, code)


class AttributionRules(APIView):
    """Attribution rules."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = _SCOPES

    @extend_schema(operation_id="attribution_rules_list", responses=shapes.RuleOutput(many=True))
    def get(self, request: Request) -> Response:
        """List the versions in force in the order in which they are asked."""
        page = page_of(request, selectors.rules(), _rule_key)
        return Response(page.body(shapes.RuleOutput(list(page.items), many=True).data))

    @extend_schema(
        operation_id="attribution_rules_create",
        request=shapes.RuleInput,
        responses={201: shapes.RuleOutput},
    )
    def post(self, request: Request) -> Response:
        """Put a new rule in force."""
        asked = shapes.RuleInput(data=request.data)
        asked.is_valid(raise_exception=True)
        rule = services.add_rule(rule=asked.to_rule(), actor=actor_of(request), now=timezone.now())
        return Response(shapes.RuleOutput(rule).data, status=201)


class AttributionRule(APIView):
    """One attribution rule."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = _SCOPES

    @extend_schema(operation_id="attribution_rules_read", responses=shapes.RuleOutput)
    def get(self, request: Request, public_id: UUID) -> Response:
        """Return the last version in force of a rule."""
        return Response(shapes.RuleOutput(selectors.rule(public_id=str(public_id))).data)

    @extend_schema(
        operation_id="attribution_rules_replace",
        request=shapes.RuleInput,
        responses=shapes.RuleOutput,
    )
    def put(self, request: Request, public_id: UUID) -> Response:
        """Record a new version; it holds from `valid_from` on, days before keep the old one."""
        current = selectors.rule(public_id=str(public_id))
        asked = shapes.RuleInput(data=_fixed(request.data, name=current.name))
        asked.is_valid(raise_exception=True)
        rule = services.revise_rule(
            rule=asked.to_rule(), actor=actor_of(request), now=timezone.now()
        )
        return Response(shapes.RuleOutput(rule).data)


class RetireAttributionRule(APIView):
    """The end of an attribution rule."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = _SCOPES

    @extend_schema(
        operation_id="attribution_rules_retire",
        request=shapes.RetireInput,
        responses={204: None},
    )
    def post(self, request: Request, public_id: UUID) -> Response:
        """Let a rule hold no longer from a day on."""
        asked = shapes.RetireInput(data=request.data)
        asked.is_valid(raise_exception=True)
        services.retire_rule(
            name=selectors.rule(public_id=str(public_id)).name,
            on=asked.validated_data["on"],
            actor=actor_of(request),
            now=timezone.now(),
        )
        return Response(status=204)


def _rule_key(rule: Rule) -> str:
    return f"{rule.public_id}/{rule.version}"


def _fixed(body: Any, **values: str) -> Any:
    """Return the body with what the address says; anything but an object is left to be refused."""
    return {**body, **values} if isinstance(body, dict) else body
