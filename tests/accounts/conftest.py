"""People and browsers of the tests about access."""

from __future__ import annotations

import pytest
from django.core.cache import cache

from apps.accounts import keyring


@pytest.fixture(autouse=True)
def nothing_remembered():
    """Start every test without remembered keys and counted attempts."""
    cache.clear()
    keyring.forget()
    yield
    keyring.forget()
