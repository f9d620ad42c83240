"""The header `Idempotency-Key` on requests that create money."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from hashlib import sha256
from typing import Any, Final, TypeVar, cast

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.services.answers import Answer, answer_once
from apps.accounts.services.claims import Claim, claim
from apps.core.api.permissions import actor_of
from apps.core.domain.canonical import canonical_json
from apps.core.domain.errors import FieldError, Invalid

View = TypeVar("View", bound=Callable[..., Any])

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotent-Replayed"


def once(post: View) -> View:
    """Do a POST of a DRF view once under its Idempotency-Key, and answer repetitions alike.

    Without the header the view is called as it is. The view must write nothing outside of its
    transaction but what may be lost or done twice.
    """

    @wraps(post)
    def answered(view: Any, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        key = request.headers.get(HEADER)
        if key is None:
            response: HttpResponseBase = post(view, request, *args, **kwargs)
            return response
        answer = answer_once(
            owner=actor_of(request).identity,
            key=key,
            request=asked(request),
            now=timezone.now(),
            act=lambda: _answer(post(view, request, *args, **kwargs)),
        )
        return response_of(answer)

    answered.takes_idempotency_key = True  # type: ignore[attr-defined]
    return answered  # type: ignore[return-value]


def asked(request: Request) -> bytes:
    """Return what makes two requests the same.

    Of a form with files it is what was filled in: its bytes name a boundary that clients make up
    anew for every try.
    """
    sent = request._request
    head = "\n".join((sent.method or "", sent.get_full_path(), "")).encode()
    if sent.content_type != "multipart/form-data":
        return head + sent.body
    form = cast("QueryDict", request.data)
    filled = [(name, form.getlist(name)) for name in sorted(form)]
    shown = [[name, *(_told(value) for value in values)] for name, values in filled]
    return head + canonical_json({"form": shown})


def claim_of(request: Request, *, owner: str) -> Claim:
    """Return what a request under its Idempotency-Key is told from others by.

    For views that are done together with others and see to the key themselves.

    :raises Invalid: when there is no key, or it cannot be one.
    """
    key = request.headers.get(HEADER)
    if key is None:
        text = f"Send an {HEADER}, so that a repeated request does nothing twice."
        wrong = FieldError(HEADER, "required", text)
        raise Invalid(text, code="idempotency_key_required", errors=(wrong,))
    return claim(owner=owner, key=key, request=asked(request))


def _told(value: object) -> str:
    if not isinstance(value, UploadedFile):
        return str(value)
    digest = sha256()
    for chunk in value.chunks():
        digest.update(chunk)
    value.seek(0)
    return f"{value.name} {digest.hexdigest()}"


def _answer(response: HttpResponseBase) -> Answer:
    if isinstance(response, Response):
        body = b"" if response.data is None else JSONRenderer().render(response.data)
        return Answer(response.status_code, "application/json", body)
    assert isinstance(response, HttpResponse)
    kind = response.headers.get("Content-Type", "application/json")
    return Answer(response.status_code, kind, response.content)


def response_of(answer: Answer) -> HttpResponse:
    """Return an answer, which says so when it was given before."""
    response = HttpResponse(answer.body, status=answer.status, content_type=answer.content_type)
    if answer.replayed:
        response[REPLAYED] = "true"
    return response
