"""Answers what no view answered: problem+json to programs, a page to people."""

from __future__ import annotations

import sys

import orjson
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse

from apps.core.api.errors import PROBLEM, problem_body, refusal_response
from apps.core.domain.errors import Forbidden, Invalid, Missing, Unavailable
from apps.core.web import errors as pages
from apps.tenants.middleware import is_machine_path


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 400."""
    if is_machine_path(request.path):
        return refusal_response(Invalid("The request cannot be read."))
    return pages.bad_request(request, exception)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 403."""
    if is_machine_path(request.path):
        return refusal_response(Forbidden("You may not do this."))
    return pages.forbidden(request, exception)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 404."""
    if is_machine_path(request.path):
        return refusal_response(Missing("There is nothing at this address."))
    return pages.not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500, or 503 when the database did not answer, without asking it for anything."""
    if is_machine_path(request.path):
        if isinstance(sys.exc_info()[1], OperationalError | InterfaceError):
            return refusal_response(
                Unavailable(
                    "The database did not answer. Send it again; what was stored counts once.",
                    code="database_unavailable",
                )
            )
        body = problem_body(
            status=500,
            title="Internal error",
            code="internal_error",
            detail="Something broke on our side; it is logged under the request's id.",
        )
        return HttpResponse(orjson.dumps(body), content_type=PROBLEM, status=500)
    return pages.server_error(request)
