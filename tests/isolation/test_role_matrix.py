"""Who is let in where: every URL of a tenant by every role, against a committed table (rule 23).

A new URL fails here until `role_matrix.json` says who may use it. After looking at what changed:

    FINOPS_UPDATE_ROLE_MATRIX=1 pytest tests/isolation/test_role_matrix.py
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from apps.core.domain.access import ROLE_SCOPES, Actor, Role
from tests.isolation.conftest import is_let_in
from tests.isolation.routes import Route, routes

TENANT = "finops_platform.urls_tenant"
MATRIX = Path(__file__).with_name("role_matrix.json")
UPDATE = "FINOPS_UPDATE_ROLE_MATRIX"

# What somebody who is nobody may reach; adding to it is a decision about security.
OPEN_TO_NOBODY = {
    "/api/v1/docs/",  # the reference of this open-source API: the same document for everybody
    "/api/v1/schema/",
    "/login/",
    "/password/",
    "/password/done/",
    "/password/invite/<str:token>/",
    "/password/reset/<str:token>/",
    "/password/sent/",
    "/logout/",
    "/exports/file/<str:token>/",  # a signed link to one file, for a day
    "/statements/shared/<str:token>/",  # a signed link to one PDF; without a token it is 404
}


def test_every_url_lets_in_whom_the_matrix_says(call, clients):
    table, broken = _observed(call, clients)
    if os.environ.get(UPDATE):
        MATRIX.write_text(_compact(table))
    expected = json.loads(MATRIX.read_text())
    differences = [
        f"  {url}: lets in {', '.join(table.get(url, ())) or 'nobody'}; the matrix says "
        f"{', '.join(expected[url]) or 'nobody' if url in expected else 'nothing: it is new'}"
        for url in sorted(table.keys() | expected.keys())
        if table.get(url) != expected.get(url)
    ]
    assert not differences, (
        "who is let in differs from tests/isolation/role_matrix.json. If that is meant, look at "
        f"each line, then run with {UPDATE}=1 and commit the file:\n" + "\n".join(differences)
    )
    _check_against_rules(table)
    assert not broken, "a senseless request must be answered:\n" + "\n".join(broken)


def _observed(call: Any, clients: dict[str, Any]) -> tuple[dict[str, list[str]], list[str]]:
    """Return who is let in by method and URL, admin sites left out, and what broke."""
    table: dict[str, list[str]] = {}
    broken: list[str] = []
    for route in routes(TENANT):
        for method in [] if route.is_admin else route.methods:
            answers = {who: call(client, method, route) for who, client in clients.items()}
            table[f"{method} {route.pattern}"] = [
                who for who, answer in answers.items() if is_let_in(answer)
            ]
            broken += [
                f"  {method} {route.path()} as {who}: {answer.status_code}"
                for who, answer in answers.items()
                if answer.status_code >= 500 and answer.status_code != 503
            ]
    return table, broken


def _compact(table: dict[str, list[str]]) -> str:
    """Write a URL a line, so that a change shows as one."""
    lines = [f"  {json.dumps(url)}: {json.dumps(table[url])}" for url in sorted(table)]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _check_against_rules(table: dict[str, list[str]]) -> None:
    """Check what no update may change: nobody gets nothing, and declared scopes are enforced."""
    for route in routes(TENANT):
        for method in [] if route.is_admin else route.methods:
            let_in = set(table[f"{method} {route.pattern}"])
            if route.pattern not in OPEN_TO_NOBODY:
                assert "anonymous" not in let_in, f"{method} {route.pattern} is open to anybody"
            assert let_in - {"anonymous", "key"} <= _holders(route, method), (
                f"{method} {route.pattern} lets in more roles than hold its declared scope"
            )


def _holders(route: Route, method: str) -> set[str]:
    scope = (route.scopes or {}).get(method)
    if scope is None:
        return {role.value for role in Role}
    return {role.value for role in Role if Actor("user", "", ROLE_SCOPES[role]).may(scope)}


def test_the_admin_site_opens_to_owners_and_finance_only(call, clients):
    for route in routes(TENANT):
        if not route.is_admin or route.pattern.startswith("/admin/login"):
            continue
        for who, client in clients.items():
            answer = call(client, "GET", route)
            assert answer.status_code < 500, f"{route.path()} as {who}: {answer.status_code}"
            if who not in ("owner", "finance"):
                assert answer.status_code in (302, 403, 404), f"{route.path()} is open to {who}"


def test_the_admin_site_changes_nothing(call, clients):
    for route in routes(TENANT):
        writes = route.pattern.endswith(("/add/", "/change/", "/delete/"))
        if route.is_admin and writes:
            answer = call(clients["owner"], "POST", route)
            assert answer.status_code in (302, 403, 404, 405), f"POST {route.path()}"
