"""A short way to the busiest door, past what only browsers need."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from apps.accounts.api.passports import remember
from apps.ingest.api.events import post_events

DOOR: Final = "/api/v1/usage/events"


class EventsDoorMiddleware:
    """Answers `POST /api/v1/usage/events` of a key that opens the tenant, and leaves all else.

    Stands after RateLimitMiddleware, which authenticated the key. Sessions, CSRF, messages, the
    console's locale and two hundred URL patterns cost as much as the events themselves, and none
    of it concerns a program with a key. The view is the same as behind the URL.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        is_key = getattr(request, "key_actor", None) is not None
        if not is_key or request.path_info != DOOR or request.method != "POST":
            return self.get_response(request)
        response = post_events(request)
        response.headers.setdefault("Content-Length", str(len(response.content)))
        response.headers.setdefault("X-Frame-Options", settings.X_FRAME_OPTIONS)
        if response.status_code == 200:
            remember(request)
        return response
