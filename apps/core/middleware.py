"""Gives every request an id, which logs, error answers and the tasks it starts carry on."""

from __future__ import annotations

import re
from collections.abc import Callable
from uuid import uuid4

import structlog
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponseBase

HEADER = "X-Request-ID"
ACCEPTABLE = re.compile(r"[A-Za-z0-9._-]{8,64}")


class RequestIdMiddleware:
    """Takes the id a proxy sent when it is harmless text, and makes one up otherwise."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        sent = request.headers.get(HEADER, "")
        request_id = sent if ACCEPTABLE.fullmatch(sent) else uuid4().hex
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            response = self.get_response(request)
        finally:
            structlog.contextvars.clear_contextvars()
        response[HEADER] = request_id
        return response


class NoNulMiddleware:
    """Refuses, with 400, a NUL in path or query: no text column can hold one, so nothing has it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if "\x00" in request.path or "%00" in request.META.get("QUERY_STRING", ""):
            raise SuspiciousOperation("A NUL character is in the address.")
        return self.get_response(request)
