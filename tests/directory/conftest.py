"""People and moments of the directory's tests."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from apps.core.domain.access import ROLE_SCOPES, Actor, Role

NOW = datetime(2026, 1, 20, 9, tzinfo=UTC)


def person(number: int, role: Role = Role.OWNER) -> Actor:
    return Actor(
        kind="user",
        label=f"person{number}@example.com",
        scopes=ROLE_SCOPES[role],
        user_id=number,
        role=role,
    )


@pytest.fixture
def ada() -> Actor:
    return person(1)
