"""Every URL, called with another tenant's key, session and ids: nothing of it is ever shown."""

from __future__ import annotations

from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from django_tenants.utils import schema_context

from apps.core.domain.access import Role, Scope
from tests.accounts.people import bearer, browser, person, service_key
from tests.isolation.conftest import is_let_in
from tests.isolation.routes import routes
from tests.isolation.test_role_matrix import OPEN_TO_NOBODY, TENANT

SECRET_NAME = "Only Acme Knows This"


def tenant_routes():
    return [
        (route, method)
        for route in routes(TENANT)
        for method in route.methods
        if route.pattern not in {*OPEN_TO_NOBODY, "/admin/login/"}
    ]


def test_another_tenants_key_opens_nothing(call, acme, globex):
    with schema_context(acme.schema):
        key = service_key(Scope.ADMIN)
    client = Client(headers={"host": "globex.localhost", **bearer(key)})
    for route, method in tenant_routes():
        answer = call(client, method, route)
        assert not 200 <= answer.status_code < 300, f"{method} {route.path()}"
        if route.is_api:
            assert answer.status_code == 401, f"{method} {route.path()}: {answer.status_code}"


def test_another_tenants_session_opens_nothing(call, acme, globex):
    with schema_context(acme.schema):
        owner = browser("acme")
        owner.force_login(person(Role.OWNER))
    thief = browser("globex")
    thief.cookies["sessionid"] = owner.cookies["sessionid"].value
    for route, method in tenant_routes():
        answer = call(thief, method, route)
        assert not 200 <= answer.status_code < 300, f"{method} {route.path()}"


def test_nobody_opens_nothing_on_the_shared_host(call, acme):
    """Without a key the bare host shows of the API not even which URLs there are."""
    connection.set_schema_to_public()
    answers = {
        (answer.status_code, answer.content)
        for route, method in tenant_routes()
        if route.is_api
        for answer in [call(browser(""), method, route)]
    }
    assert [status for status, _ in answers] == [401]


def test_another_tenants_ids_name_nothing(call, acme, globex):
    """Every URL with an id, called by an owner of globex with each id that acme has."""
    with schema_context(acme.schema):
        service_key(Scope.ADMIN)
        person(Role.MEMBER)
        ids = identifiers(acme.schema)
    owner = browser("globex")
    owner.force_login(person(Role.OWNER))
    connection.set_schema(globex.schema)
    assert len(ids) >= 4
    for route, method in tenant_routes():
        for value in {str(one) for one in ids}:
            named = dict.fromkeys(route.taking(value), value)
            if not named or route.is_admin:
                continue
            answer = call(owner, method, route, values=named)
            assert answer.status_code in (302, 400, 403, 404, 405, 409, 415, 422), (
                f"{method} {route.path(**named)} of globex answers {answer.status_code} to an id "
                "of acme"
            )


def identifiers(schema: str) -> list[UUID]:
    """Return up to three UUIDs of each column of each table of a schema."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name FROM information_schema.columns "
            "WHERE table_schema = %s AND data_type = 'uuid' ORDER BY 1, 2",
            [schema],
        )
        found: list[UUID] = []
        for table, column in cursor.fetchall():
            cursor.execute(f'SELECT DISTINCT "{column}" FROM "{schema}"."{table}" LIMIT 3')
            found += [value for (value,) in cursor.fetchall() if value is not None]
    return found


@pytest.mark.parametrize("slug", ["acme", ""])
def test_no_url_breaks_on_senseless_ids(call, acme, slug):
    key = service_key(Scope.ADMIN)
    client = Client(headers={"host": f"{slug}.localhost".lstrip("."), **bearer(key)})
    for route, method in tenant_routes():
        if not route.is_api:
            continue
        for text in ("0", "-1", "..", "%00", "%F0%9F%A6%84", "a" * 300, "9999-99", "'; --"):
            if values := dict.fromkeys(route.taking(text), text):
                answer = call(client, method, route, values=values)
                assert answer.status_code < 500 or answer.status_code == 503, (
                    f"{method} {route.path(**values)}: {answer.status_code}"
                )


def test_a_page_of_one_tenant_names_no_other(call, acme, globex):
    with schema_context(acme.schema):
        user = person(Role.FINANCE, email="only-acme@people.example")
        user.name = SECRET_NAME
        user.save()
    owner = browser("globex")
    owner.force_login(person(Role.OWNER))
    connection.set_schema(globex.schema)
    shown = 0
    for route in routes(TENANT):
        if "GET" in route.methods:
            answer = call(owner, "GET", route)
            if answer.status_code == 200 and is_let_in(answer):
                text = b"" if answer.streaming else answer.content
                shown += 1
                for word in (SECRET_NAME, "only-acme@", "Acme Corp", "t_acme"):
                    assert word.encode() not in text, f"{route.path()} of globex shows {word!r}"
    assert shown > 5
