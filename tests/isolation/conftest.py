"""Callers of every kind, and a way to call that leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client

from apps.core.domain.access import Role, Scope
from tests.accounts.people import bearer, browser, person, service_key
from tests.isolation.routes import Route

Call = Callable[..., HttpResponse]

_NO_BODY = {"GET", "DELETE"}


@pytest.fixture
def call() -> Call:
    """Call a route and roll back whatever the call did."""

    def do(client: Client, method: str, route: Route, **options: Any) -> HttpResponse:
        path = route.path(**options.pop("values", {}))
        schema = connection.schema_name
        body = {} if method in _NO_BODY else {"data": _body(path), "content_type": _type(path)}
        client.raise_request_exception = False
        cookies = deepcopy(client.cookies)
        try:
            with transaction.atomic():
                answer = getattr(client, method.lower())(path, **body, **options)
                _read(answer)
                transaction.set_rollback(True)
        finally:
            connection.set_schema(schema)
            client.cookies = cookies  # whoever signed out is still signed in for the next call
        return answer

    return do


@pytest.fixture
def clients(acme: Any) -> dict[str, Client]:
    """Return a caller of acme for every role, one who is nobody, and a key of little use."""
    made = {"anonymous": browser("acme")}
    for role in Role:
        user = person(role, teams=("search",) if role is Role.MEMBER else ())
        made[role.value] = browser("acme")
        made[role.value].force_login(user)
        connection.set_schema(acme.schema)
    key = service_key(Scope.BUDGETS_AUTHORIZE)
    made["key"] = Client(headers={"host": "acme.localhost", **bearer(key)})
    return made


def is_let_in(answer: HttpResponse) -> bool:
    """Tell whether a caller came past the door, whatever was found behind it."""
    to_sign_in = answer.status_code == 302 and "/login/?" in answer["Location"]
    return not to_sign_in and answer.status_code not in (401, 403)


def _body(path: str) -> Any:
    return "{}" if _is_api(path) else {}


def _type(path: str) -> str:
    return "application/json" if _is_api(path) else "multipart/form-data; boundary=BoUnDaRyStRiNg"


def _is_api(path: str) -> bool:
    return path.startswith(("/api/", "/v1/", "/webhooks/"))


def _read(answer: HttpResponse) -> None:
    """Read a streamed answer to its end, while its rows are there."""
    if answer.streaming:
        answer._read = b"".join(answer.streaming_content)
