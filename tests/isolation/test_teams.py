"""What a member sees: the spend of their own teams and of nobody else (rule 23)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django_tenants.utils import schema_context

from apps.core.domain.access import Role
from tests.accounts.people import browser, person
from tests.isolation.journey import month

MARKER = "marker-one"


@pytest.fixture
def lived(acme: Any, settings: Any, tmp_path: Path) -> Any:
    """Acme after a month: teams ads and search used the same model and account."""
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path)},
        },
    }
    list(month(MARKER))
    return acme


def member(acme: Any, *teams: str) -> Any:
    with schema_context(acme.schema):
        client = browser("acme")
        client.force_login(person(Role.MEMBER, email=f"{'-'.join(teams)}@x.example", teams=teams))
    return client


LISTS = {
    "/api/v1/statements?period=2026-01": "results",
    "/api/v1/usage/events?start=2026-01-01&end=2026-02-01": "results",
    "/api/v1/usage/summary?start=2026-01-01&end=2026-02-01&group_by=team": "rows",
    "/api/v1/costs?period=2026-01&group_by=team": "rows",
}


@pytest.mark.parametrize("url", LISTS)
def test_a_member_of_another_team_finds_nothing(lived, url):
    stranger = member(lived, "elsewhere").get(url)
    assert stranger.status_code == 200, stranger.content
    assert stranger.json()[LISTS[url]] == []
    own = member(lived, "search").get(url).json()
    everything = signed_in_as(lived, Role.ANALYST).get(url).json()
    assert 0 < len(own[LISTS[url]]) < len(everything[LISTS[url]])
    assert "ads" not in str(own[LISTS[url]])


def test_a_member_cannot_open_another_teams_documents(lived):
    with connection.cursor() as cursor:
        cursor.execute("SELECT public_id FROM t_acme.documents_document")
        documents = [str(value) for (value,) in cursor.fetchall()]
    assert documents
    client = member(lived, "elsewhere")
    for document in documents:
        for path in (f"/api/v1/statements/{document}", f"/api/v1/statements/{document}.pdf"):
            assert client.get(path).status_code == 404, path
    for center in ("cc-ads", "cc-search", "UNALLOCATED"):
        for tail in ("", "lines/", "explanation/", "history/"):
            path = f"/statements/2026-01/{center}/{tail}"
            assert client.get(path).status_code == 404, path


def test_a_member_cannot_open_another_teams_event(lived):
    path = f"/api/v1/usage/events/gateway/{MARKER}-1-0"  # of ads
    assert member(lived, "search").get(path).status_code == 404
    assert member(lived, "ads").get(path).status_code == 200


def signed_in_as(acme: Any, role: Role) -> Any:
    with schema_context(acme.schema):
        client = browser("acme")
        client.force_login(person(role))
    return client
