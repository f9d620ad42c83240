"""Operators who decide on changes of prices, for tests."""

from __future__ import annotations

from datetime import datetime

from django_tenants.utils import schema_context

from apps.accounts.models import User
from apps.catalog import services
from apps.catalog.models import PriceChange
from apps.core.domain.access import Actor, Role, Scope


def operator(email: str = "ada@platform.example") -> Actor:
    """Return an operator of the platform; the same address is the same person."""
    with schema_context("public"):
        user = User.objects.filter(email=email).first()
        if user is None:
            now = datetime.fromisoformat("2026-01-01T00:00:00Z")
            user = User.invited(email=email, name="Operator", role=Role.OWNER, now=now)
            user.is_staff = True
            user.save()
    return Actor(
        kind="user",
        label=email,
        scopes=frozenset({Scope.ADMIN}),
        user_id=user.pk,
        role=Role.OWNER,
    )


def waiting(**wanted: object) -> list[PriceChange]:
    """Return the changes that wait for a person."""
    with schema_context("public"):
        return list(PriceChange.objects.filter(state="proposed", **wanted).order_by("pk"))


def approve(*changes: PriceChange, by: Actor | None = None, now: datetime) -> services.Decided:
    """Approve changes as one person."""
    decision = services.Decision(
        changes=tuple(change.public_id for change in changes), verdict=services.Verdict.APPROVE
    )
    return services.decide(decision=decision, actor=by or operator(), now=now)


def approve_all(*, now: datetime) -> None:
    """Approve everything that waits, by two people where two are needed."""
    for email in ("ada@platform.example", "ben@platform.example"):
        left = waiting()
        if left:
            approve(*left, by=operator(email), now=now)
