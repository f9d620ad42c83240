"""`/api/v1/prices/what-if`: what a month would have cost; nothing is written."""

from __future__ import annotations

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.api.permissions import HasScope, actor_of
from apps.core.domain.access import Scope
from apps.insights import selectors
from apps.insights.api.serializers import WhatIfInput, WhatIfOutput, answer_body


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
