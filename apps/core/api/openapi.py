"""Tells the API's description what decorators know about a view."""

from __future__ import annotations

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description=(
        "Names this request, for thirty days: the same again is answered as the first time "
        "(`Idempotent-Replayed: true`) and changes nothing, another one is 409."
    ),
)


class Described(AutoSchema):
    """The description of an operation, with the header that its decorator reads."""

    def get_override_parameters(self) -> list[Any]:
        """Return the parameters that are no fields; an Idempotency-Key where it is taken."""
        known = list(super().get_override_parameters())
        method = getattr(self.view, self.method.lower(), None)
        return [*known, _KEY] if getattr(method, "takes_idempotency_key", False) else known
