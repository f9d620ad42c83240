"""Answers of the short ways: status, body and the headers that are theirs alone."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from django.http import HttpResponse

from apps.core.api.errors import refusal_response
from apps.core.domain.errors import Refusal
from apps.core.domain.limits import Standing

Environ = dict[str, Any]
Headers = list[tuple[str, str]]
Answer = tuple[str, bytes, Headers]
"""Status, body, and the headers of this answer alone."""


def read_body(environ: Environ, length: int) -> bytes:
    """Read the body, and leave it to be read again."""
    body: bytes = environ["wsgi.input"].read(length)
    environ["wsgi.input"] = BytesIO(body)
    return body


def accepted(body: bytes, standing: Standing) -> Answer:
    """Return a good answer in JSON."""
    headers = headers_of("application/json", len(body), standing, str(standing.reset))
    return "200 OK", body, headers


def refused(refusal: Refusal, standing: Standing) -> Answer:
    """Return what the ordinary way would answer to a refusal."""
    response: HttpResponse = refusal_response(refusal)
    status = f"{response.status_code} {response.reason_phrase}"
    wait = response.headers.get("Retry-After")
    headers = headers_of(
        response.headers["Content-Type"],
        len(response.content),
        standing,
        wait or str(standing.reset),
    )
    more = [(name, value) for name, value in response.items() if name != "Content-Type"]
    return status, response.content, headers + more


def headers_of(kind: str, length: int, standing: Standing, reset: str) -> Headers:
    """Return the headers of an answer, and where its caller stands."""
    return [
        ("Content-Type", kind),
        ("Content-Length", str(length)),
        ("X-RateLimit-Limit", str(standing.limit)),
        ("X-RateLimit-Remaining", str(standing.remaining)),
        ("X-RateLimit-Reset", reset),
        ("X-RateLimit-Resource", standing.resource),
    ]
