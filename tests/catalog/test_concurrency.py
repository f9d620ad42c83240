"""Imports at once: one after the other, and each change once."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connections
from django_tenants.utils import schema_context

from apps.catalog import services
from apps.catalog.models import AiModel, ListPrice, PriceDecision, Recognition
from apps.core.domain.access import system_actor
from tests.catalog.reviewers import approve, forget, operator, waiting
from tests.catalog.test_import import published
from tests.catalog.test_review import SHELL
from tests.catalog.test_sources import sheet

LATER = datetime(2031, 1, 1, tzinfo=UTC)


def test_imports_at_once_change_nothing_twice(committed_db):
    """The template holds the same package already, so nothing is left behind."""
    catalog = published()
    before = [table.objects.count() for table in (AiModel, ListPrice, Recognition)]
    start = threading.Barrier(4)

    def run(_index):
        try:
            start.wait(timeout=20)
            return services.import_catalog(catalog=catalog, now=LATER, actor=system_actor("tests"))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(run, range(4)))
    assert not any(report.changed for report in reports)
    assert [table.objects.count() for table in (AiModel, ListPrice, Recognition)] == before


@pytest.fixture
def provider(committed_db):
    """A provider of the test's own; what is committed about it is removed."""
    name = f"race-{uuid.uuid4().hex[:8]}"
    yield name
    connections.close_all()
    forget(name)


def test_of_four_people_who_approve_at_once_one_publishes(provider):
    at = datetime(2026, 1, 2, tzinfo=UTC)  # after the template's import, before any test's
    row = f"{provider},wise,input_tokens,,1.00,1000000,USD,2026-01-01T00:00:00Z,,"
    services.load_prices(
        source="sheet", content=sheet(row), file_name=provider, actor=SHELL, now=at
    )
    (change,) = waiting(provider=provider)
    people = [operator(f"{who}@{provider}.example") for who in ("ada", "ben", "cy", "di")]
    start = threading.Barrier(4)

    def decide(actor):
        try:
            start.wait(timeout=20)
            return approve(change, by=actor, now=at + timedelta(seconds=1)).published
        except services.ChangeSettled:
            return 0
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        published_by = list(pool.map(decide, people))
    assert sorted(published_by) == [0, 0, 0, 1]
    with schema_context("public"):
        assert ListPrice.objects.filter(model__provider__code=provider).count() == 1
        assert PriceDecision.objects.filter(change=change).count() == 1
