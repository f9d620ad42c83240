"""Where official clients send to: a committed tenant whose calendar reaches the present."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from finops_platform.provisioning import extend_months


@pytest.fixture
def living_tenant(fresh_tenant: Any) -> Any:
    """A new tenant that takes usage of this very moment: clients send by the machine's clock."""
    extend_months(tenant=fresh_tenant, now=timezone.now())
    return fresh_tenant
