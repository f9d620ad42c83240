"""Imports at once: one after the other, and each change once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from django.db import connections

from apps.catalog import services
from apps.catalog.models import AiModel, ListPrice, Recognition
from apps.core.domain.access import system_actor
from tests.catalog.test_import import published

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
