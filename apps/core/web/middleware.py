"""Reads every page in the tenant's locale and timezone, and answers refusals as pages."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from apps.core import presentation
from apps.core.domain.errors import Refusal
from apps.core.web import errors, palette, shell

GetResponse = Callable[[HttpRequest], HttpResponse]


class ConsoleMiddleware:
    """Stands after the tenant and the actor are known, before the views.

    Reads `request.tenant.locale` and `request.tenant.timezone`; without a tenant, the defaults.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        tenant = getattr(request, "tenant", None)
        locale = str(getattr(tenant, "locale", "") or "en-US")
        zone = str(getattr(tenant, "timezone", "") or "UTC")
        with (
            presentation.reading_as(locale=locale, timezone=zone) as reading,
            timezone.override(reading.zone),
            palette.known_owners(partial(shell.owners, request)),
        ):
            return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Show a refusal that a page raised; everything else stays a defect."""
        if isinstance(exception, Refusal) and not request.path.startswith("/api/"):
            return errors.refused(request, exception)
        return None
