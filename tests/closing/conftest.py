"""A small organization, three people, and a month whose cost the tests state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from apps.accounts import selectors as accounts
from apps.accounts import services as account_services
from apps.core.domain.access import Actor, Role
from tests.allocation.base import ACTOR, NOW, Costs, enter_directory, line, use_costs


def invite(*names: tuple[str, Role]) -> dict[str, Actor]:
    """Invite people and return them as actors by name."""
    for name, role in names:
        account_services.invite(
            actor=ACTOR,
            email=f"{name}@example.com",
            name=name.title(),
            role=role,
            teams=("search",) if role is Role.MEMBER else (),
            now=NOW,
        )
    return {name: accounts.actor_of_person(f"{name}@example.com") for name, _ in names}


@pytest.fixture
def people(acme: Any) -> dict[str, Actor]:
    """Anna prepares, Bob approves, Olga owns, Lee is a member of one team."""
    return invite(
        ("anna", Role.FINANCE),
        ("bob", Role.APPROVER),
        ("olga", Role.OWNER),
        ("lee", Role.MEMBER),
    )


@pytest.fixture
def costs(acme: Any, monkeypatch: pytest.MonkeyPatch, store: Path) -> Costs:
    """Cost of January 2026: two teams and something that nobody owns."""
    enter_directory()
    return use_costs(
        monkeypatch,
        [
            line("a", "300.004", team="ads", customer="hooli"),
            line("b", "100.009", team="search"),
            line("c", "7.001"),
        ],
    )


@pytest.fixture
def store(settings: Any, tmp_path: Path) -> Path:
    """Keep documents in a folder of the test."""
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path)},
        },
    }
    return tmp_path
