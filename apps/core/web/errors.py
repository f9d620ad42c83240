"""Error pages: what happened, why, and what to do. Set as handler400 to handler500 of the URLs."""

from __future__ import annotations

from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from apps.core.api.errors import status_of
from apps.core.domain.errors import Refusal
from apps.core.logging import current_request_id
from apps.core.web import shell

_PAGES: Final = frozenset({400, 403, 404, 500, 503})


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 400."""
    return _answer(request, 400)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 403 and name who can grant access."""
    return _answer(request, 403, granters=shell.granters(request))


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 404."""
    return _answer(request, 404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500 without asking the database for anything."""
    return _answer(request, 500)


def unavailable(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 503 and say when to come back."""
    response = _answer(request, 503)
    response["Retry-After"] = "30"
    return response


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form that was open too long, or came from another site (CSRF_FAILURE_VIEW)."""
    message = (
        "This form was open for too long or came from another site. Go back and send it again."
    )
    return _answer(request, 403, message=message, title="The form has expired")


def refused(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """Answer a refusal of a service with the page of its status and its own message."""
    status = status_of(refusal)
    people = shell.granters(request) if status == 403 else ()
    return _answer(
        request,
        status,
        message=refusal.message,
        code=refusal.code,
        errors=refusal.errors,
        granters=people,
    )


def _answer(request: HttpRequest, status: int, **context: Any) -> HttpResponse:
    """Render the page of a status; one without a page of its own uses the page of 400."""
    template = f"errors/{status if status in _PAGES else 400}.html"
    values = {
        "status": status,
        "theme": shell.theme_of(request),
        "request_id": current_request_id(),
        "tenant_name": getattr(getattr(request, "tenant", None), "name", ""),
        **context,
    }
    return HttpResponse(render_to_string(template, values), status=status)
