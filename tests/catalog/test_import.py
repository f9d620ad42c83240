"""Importing the genai-prices package: complete, repeatable, and in two times."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from apps.catalog import services as catalog

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.django_db
def test_import():
    import time

    start = time.time()
    report = catalog.import_list_prices(now=NOW)
    print(report, time.time() - start)
    start = time.time()
    again = catalog.import_list_prices(now=datetime(2026, 2, 1, tzinfo=UTC))
    print(again, time.time() - start)
