"""`/api/v1/periods` and `/api/v1/fx-rates`."""

from __future__ import annotations

from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.api.idempotency import once
from apps.core.api.listing import page_of
from apps.core.api.permissions import HasScope, actor_of
from apps.core.domain.access import Scope
from apps.core.domain.months import Month
from apps.periods import selectors, services
from apps.periods.api.serializers import PeriodOutput, RateInput, RateOutput
from apps.periods.domain.fx import FxRateFacts


class Periods(APIView):
    """The accounting months."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.COSTS_READ}

    @extend_schema(operation_id="periods_list", responses=PeriodOutput(many=True))
    def get(self, request: Request) -> Response:
        """List the accounting months, the newest first."""
        newest = selectors.calendar().periods[::-1]
        page = page_of(request, newest, lambda period: str(period.month))
        return Response(page.body(PeriodOutput(list(page.items), many=True).data))


class OnePeriod(APIView):
    """One accounting month."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.COSTS_READ}

    @extend_schema(operation_id="periods_read", responses=PeriodOutput)
    def get(self, request: Request, month: str) -> Response:
        """Return one accounting month."""
        return Response(PeriodOutput(selectors.period(Month.parse(month))).data)


class FxRates(APIView):
    """The exchange rates."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.COSTS_READ, "POST": Scope.PRICES_WRITE}

    @extend_schema(operation_id="fx_rates_list", responses=RateOutput(many=True))
    def get(self, request: Request) -> Response:
        """List the entered rates, the newest month first, all revisions."""
        months = [period.month for period in selectors.calendar().periods]
        rates = selectors.entered_rates(first=months[0], last=months[-1]) if months else ()
        page = page_of(request, rates, _key)
        return Response(page.body(RateOutput(list(page.items), many=True).data))

    @extend_schema(operation_id="fx_rates_create", request=RateInput, responses={201: RateOutput})
    @once
    def post(self, request: Request) -> Response:
        """Enter a rate for a month; entering the same again changes nothing."""
        asked = RateInput(data=request.data)
        asked.is_valid(raise_exception=True)
        rate = services.set_rate(**asked.to_values(), actor=actor_of(request), now=timezone.now())
        return Response(RateOutput(rate).data, status=201)


def _key(rate: FxRateFacts) -> str:
    return f"{rate.month}/{rate.base}/{rate.quote}/{rate.kind}/{rate.revision}"
