"""`/api/v1/allocation`: rules, previews, drivers and runs."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.api.idempotency import once
from apps.allocation import selectors, services
from apps.allocation.api.serializers import (
    DriverInput,
    EndInput,
    PreviewOutput,
    RuleInput,
    RuleList,
    RuleOutput,
    RunList,
    RunOutput,
    WhatIfRunInput,
)
from apps.allocation.domain.payload import read_rule
from apps.allocation.domain.rules import Axis, Rule
from apps.allocation.domain.sight import require_everything
from apps.core.api.permissions import HasScope, actor_of
from apps.core.domain.access import Scope
from apps.core.domain.errors import Invalid, Unprocessable
from apps.core.domain.money import published
from apps.core.domain.months import Month, local_day
from apps.periods import selectors as periods
from apps.tenants import selectors as tenants

_PERIOD = OpenApiParameter("period", str, description="2026-10")


class SeesEverything(HasScope):
    """Asks for the declared scope, and refuses whoever may see only some of the cost."""

    def has_permission(self, request: Request, view: Any) -> bool:
        allowed = super().has_permission(request, view)
        require_everything(actor_of(request))
        return allowed


class Rules(APIView):
    """The allocation rules."""

    permission_classes = [SeesEverything]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.COSTS_READ, "POST": Scope.ALLOCATION_WRITE}

    @extend_schema(
        operation_id="allocation_rules_list",
        parameters=[_PERIOD],
        responses=RuleList,
    )
    def get(self, request: Request) -> Response:
        """List the newest version of every rule, or with `period` those that decide there."""
        month = request.query_params.get("period")
        found = selectors.standing(Month.parse(month)) if month else selectors.latest_rules()
        return Response({"results": RuleOutput(found, many=True).data})

    @extend_schema(
        operation_id="allocation_rules_save", request=RuleInput, responses={201: RuleOutput}
    )
    @once
    def post(self, request: Request) -> Response:
        """Save a rule as the next version of its code; `If-Match: "3"` guards against races."""
        saved = services.save_rule(
            rule=_rule(request.data),
            actor=actor_of(request),
            now=timezone.now(),
            expected_version=_expected(request),
        )
        return Response(RuleOutput(saved).data, status=201)


class RuleVersions(APIView):
    """One rule."""

    permission_classes = [SeesEverything]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.COSTS_READ}

    @extend_schema(operation_id="allocation_rule_read", responses=RuleList)
    def get(self, request: Request, code: str) -> Response:
        """Return every version of a rule, newest first."""
        return Response({"results": RuleOutput(selectors.versions(code=code), many=True).data})


class EndRule(APIView):
    """The end of a rule."""

    permission_classes = [SeesEverything]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.ALLOCATION_WRITE}

    @extend_schema(operation_id="allocation_rule_end", request=EndInput, responses=RuleOutput)
    @once
    def post(self, request: Request, code: str) -> Response:
        """End a rule from a month on; earlier months keep it."""
        asked = EndInput(data=request.data)
        asked.is_valid(raise_exception=True)
        ended = services.end_rule(
            code=code,
            from_month=Month.parse(asked.validated_data["from_month"]),
            actor=actor_of(request),
            now=timezone.now(),
        )
        return Response(RuleOutput(ended).data)


class PreviewRules(APIView):
    """What rules would do."""

    permission_classes = [SeesEverything]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.ALLOCATION_WRITE}

    @extend_schema(
        operation_id="allocation_rules_preview", request=RuleInput, responses=PreviewOutput
    )
    def post(self, request: Request) -> Response:
        """Show who would pay more or less in `period` (else this month).

        Send one rule, or `{"period": "2026-10", "rules": [...]}`. Nothing is written.
        """
        body = _object(request.data)
        listed = body.get("rules", [{k: v for k, v in body.items() if k != "period"}])
        if not isinstance(listed, list) or len(listed) > 100:
            raise Invalid("`rules` is a list of at most 100 rules.", code="rules")
        shown = services.preview(
            month=_month(body.get("period")),
            rules=[_rule(rule) for rule in listed],
            actor=actor_of(request),
        )
        return Response(PreviewOutput(shown).data)


class Drivers(APIView):
    """Driver values of a month."""

    permission_classes = [SeesEverything]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.COSTS_READ, "PUT": Scope.ALLOCATION_WRITE}

    @extend_schema(operation_id="allocation_driver_read", responses=DriverInput)
    def get(self, request: Request, month: str, axis: str, code: str) -> Response:
        """Return the values of a driver by receiver."""
        values = selectors.uploaded(Month.parse(month), _axis(axis)).get(code, {})
        return Response({"values": {receiver: f"{value:f}" for receiver, value in values.items()}})

    @extend_schema(
        operation_id="allocation_driver_enter", request=DriverInput, responses=DriverInput
    )
    def put(self, request: Request, month: str, axis: str, code: str) -> Response:
        """Enter values; receivers that are not named keep theirs, zero withdraws one."""
        asked = DriverInput(data=request.data)
        asked.is_valid(raise_exception=True)
        services.set_driver_values(
            code=code,
            axis=_axis(axis),
            month=Month.parse(month),
            values=asked.validated_data["values"],
            actor=actor_of(request),
            now=timezone.now(),
        )
        return self.get(request, month, axis, code)


class Runs(APIView):
    """The runs of a month."""

    permission_classes = [SeesEverything]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.COSTS_READ}

    @extend_schema(operation_id="allocation_runs_list", parameters=[_PERIOD], responses=RunList)
    def get(self, request: Request) -> Response:
        """List runs, newest first."""
        month = request.query_params.get("period")
        found = selectors.runs(month=Month.parse(month) if month else None)
        return Response({"results": RunOutput(found, many=True).data})


class WhatIfs(APIView):
    """Runs by rules that are not in force."""

    permission_classes = [SeesEverything]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.ALLOCATION_WRITE}

    @extend_schema(
        operation_id="allocation_what_if_keep", request=WhatIfRunInput, responses={201: RunOutput}
    )
    @once
    def post(self, request: Request) -> Response:
        """Allocate a month as supposed and keep the run beside the published one.

        It can be compared and is never published. The same supposition is one run.
        """
        sent = WhatIfRunInput(data=request.data)
        sent.is_valid(raise_exception=True)
        asked = sent.validated_data
        draft = services.WhatIf(
            month=Month.parse(asked["period"]),
            name=asked["name"],
            rules=[_rule(rule) for rule in asked.get("rules", [])],
            without=asked.get("without", []),
        )
        kept = services.keep_what_if(draft=draft, actor=actor_of(request), now=timezone.now())
        return Response(RunOutput(kept).data, status=201)


class Run(APIView):
    """One run with its sums by receiver."""

    permission_classes = [SeesEverything]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.COSTS_READ}

    @extend_schema(operation_id="allocation_run_read", responses=RunOutput)
    def get(self, request: Request, run: UUID) -> Response:
        """Return a run with what each receiver bears, on both axes."""
        facts = selectors.run(run)
        receivers = {
            axis.value: {
                code: {"billed": published(sums.billed), "effective": published(sums.effective)}
                for code, sums in selectors.totals_by_receiver(run=run, axis=axis).items()
            }
            for axis in Axis
        }
        return Response({**RunOutput(facts).data, "receivers": receivers})


def _rule(body: Any) -> Rule:
    open_months = periods.open_months()
    if not open_months:
        raise Unprocessable("No month is open; open further months first.", code="no_open_period")
    return read_rule(_object(body), first_month=open_months[0])


def _object(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise Invalid("Send a JSON object.", code="object")
    return body


def _month(text: Any) -> Month:
    """Read a month, else take the present one on the tenant's clock."""
    if text:
        return Month.parse(str(text)[:16])
    return Month.of(local_day(timezone.now(), tenants.current().timezone))


def _axis(text: str) -> Axis:
    try:
        return Axis(text)
    except ValueError:
        raise Invalid(f"There is no axis {text!r}; use team or customer.", code="axis") from None


def _expected(request: Request) -> int | None:
    """Read the version that the caller changed, from `If-Match`."""
    text = request.headers.get("If-Match", "").strip().strip('"')
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise Invalid('If-Match names a version, as "3".', code="if_match")
    return int(text)
