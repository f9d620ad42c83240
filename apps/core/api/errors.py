"""Turns refusals into RFC 9457 problem+json; the only place that knows HTTP numbers."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final

import orjson
from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404, HttpResponse
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.settings import api_settings

from apps.core.domain import errors

PROBLEM: Final = "application/problem+json"

_STATUS: Final[dict[type[errors.Refusal], tuple[int, str]]] = {
    errors.Invalid: (400, "Bad request"),
    errors.Unauthenticated: (401, "Not authenticated"),
    errors.Forbidden: (403, "Forbidden"),
    errors.Missing: (404, "Not found"),
    errors.Conflict: (409, "Conflict"),
    errors.TooLarge: (413, "Too large"),
    errors.Unprocessable: (422, "Unprocessable"),
    errors.TooMany: (429, "Too many requests"),
    errors.Unavailable: (503, "Unavailable"),
}


def status_of(refusal: errors.Refusal) -> int:
    """Return the HTTP status of a refusal."""
    return _lookup(refusal)[0]


def problem_body(
    *, status: int, title: str, code: str, detail: str, fields: Iterable[errors.FieldError] = ()
) -> dict[str, Any]:
    """Return the problem+json object."""
    body: dict[str, Any] = {
        "type": f"urn:finops:problem:{code}",
        "title": title,
        "status": status,
        "code": code,
        "detail": detail,
    }
    listed = [{"field": f.field, "code": f.code, "message": f.message} for f in fields]
    return body | ({"errors": listed} if listed else {})


def refusal_response(refusal: errors.Refusal) -> HttpResponse:
    """Answer a refusal from a plain Django view."""
    status, title = _lookup(refusal)
    body = problem_body(
        status=status,
        title=title,
        code=refusal.code,
        detail=refusal.message,
        fields=refusal.errors,
    )
    response = HttpResponse(orjson.dumps(body), content_type=PROBLEM, status=status)
    for name, value in _headers(refusal).items():
        response[name] = value
    return response


def problem_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Answer any exception of a DRF view as problem+json; unknown ones stay unhandled."""
    if isinstance(exc, errors.Refusal):
        status, title = _lookup(exc)
        return _drf(
            problem_body(
                status=status, title=title, code=exc.code, detail=exc.message, fields=exc.errors
            ),
            status,
            _headers(exc),
        )
    if isinstance(exc, Http404):
        return problem_handler(errors.Missing("There is nothing at this address."), context)
    if isinstance(exc, PermissionDenied):
        return problem_handler(errors.Forbidden("You may not do this."), context)
    if isinstance(exc, RequestDataTooBig):
        most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        message = f"The body is longer than {most} bytes; send it in parts."
        return problem_handler(errors.TooLarge(message, code="body_too_large"), context)
    if isinstance(exc, exceptions.APIException):
        return _from_drf(exc)
    return None


def _lookup(refusal: errors.Refusal) -> tuple[int, str]:
    for kind in type(refusal).__mro__:
        if kind in _STATUS:
            return _STATUS[kind]
    return 400, "Bad request"


def _headers(refusal: errors.Refusal) -> dict[str, str]:
    if isinstance(refusal, errors.Unauthenticated):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(refusal, errors.TooMany):
        return {"Retry-After": str(refusal.retry_after)}
    retry_after = getattr(refusal, "retry_after", None)
    if retry_after is not None:
        return {"Retry-After": str(retry_after)}
    if isinstance(refusal, errors.Unavailable) and not refusal.permanent:
        return {"Retry-After": "5"}
    return {}


def _from_drf(exc: exceptions.APIException) -> Response:
    fields: list[errors.FieldError] = []
    code = str(exc.default_code)
    if isinstance(exc, exceptions.ValidationError):
        code, fields = "invalid", list(_field_errors(exc.detail))
    elif isinstance(exc, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
        code = "unauthenticated"
    detail = fields[0].message if fields else str(exc.detail)
    headers = {}
    if getattr(exc, "auth_header", None):
        headers["WWW-Authenticate"] = str(exc.auth_header)  # type: ignore[attr-defined]
    if getattr(exc, "wait", None):
        headers["Retry-After"] = str(int(exc.wait) + 1)  # type: ignore[attr-defined]
    title = HTTPStatus(exc.status_code).phrase.capitalize()
    return _drf(
        problem_body(status=exc.status_code, title=title, code=code, detail=detail, fields=fields),
        exc.status_code,
        headers,
    )


def _field_errors(detail: Any, path: str = "") -> Iterable[errors.FieldError]:
    if isinstance(detail, dict):
        for name, inner in detail.items():
            own = f"{path}.{name}" if path else str(name)
            is_whole = name == api_settings.NON_FIELD_ERRORS_KEY
            yield from _field_errors(inner, path if is_whole else own)
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            nested = f"{path}.{index}" if isinstance(inner, dict | list) else path
            yield from _field_errors(inner, nested)
    else:
        yield errors.FieldError(path or "body", getattr(detail, "code", "invalid"), str(detail))


def _drf(body: dict[str, Any], status: int, headers: dict[str, str]) -> Response:
    return Response(body, status=status, headers=headers, content_type=PROBLEM)
