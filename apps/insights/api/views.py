"""`/api/v1/prices/what-if` and the shortfall of commitments: read from usage, nothing written."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.api.permissions import HasScope, actor_of
from apps.core.domain.access import Scope
from apps.core.domain.months import Month, local_day
from apps.insights import selectors
from apps.insights.api.serializers import (
    ShortfallOutput,
    WhatIfInput,
    WhatIfOutput,
    answer_body,
    shortfall_body,
)
from apps.rating import selectors as rating
from apps.tenants import selectors as tenants


class WhatIf(APIView):
    """Questions about what a month would have cost."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"POST": Scope.COSTS_READ}

    @extend_schema(operation_id="prices_what_if", request=WhatIfInput, responses=WhatIfOutput)
    def post(self, request: Request) -> Response:
        """Return what a month cost beside what it would have cost at other prices or models.

        Exact to the last digit, from the month's own usage; context tiers and price changes
        within a day count. What would have no price is named and is null, never zero.
        """
        asked = WhatIfInput(data=request.data)
        asked.is_valid(raise_exception=True)
        question = asked.to_question()
        found = selectors.what_if(question=question, actor=actor_of(request))
        return Response(WhatIfOutput(answer_body(question.month, found)).data)


class Shortfall(APIView):
    """How a commitment stands."""

    permission_classes = [HasScope]
    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.BILLING_READ}

    @extend_schema(operation_id="commitments_shortfall", responses=ShortfallOutput)
    def get(self, request: Request, commitment: UUID) -> Response:
        """Return by month what was committed, used and missing, the newest month first."""
        agreed = rating.commitment(commitment)
        today = Month.of(local_day(timezone.now(), tenants.current().timezone))
        found = selectors.standings(commitment=agreed, through=today, actor=actor_of(request))
        return Response(ShortfallOutput(shortfall_body(agreed, found)).data)
