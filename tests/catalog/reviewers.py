"""Operators who decide on changes of prices, for tests."""

from __future__ import annotations

from datetime import datetime

from django_tenants.utils import schema_context

from apps.accounts.models import User
from apps.catalog import services
from apps.catalog.models import PriceChange
from apps.core.domain.access import Actor, Role, Scope
from tests.conftest import connect_as_owner


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


def forget(provider: str) -> None:
    """Remove what a test committed about a provider of its own; only the owner can."""
    kept = ("pricedecision", "listprice", "pricechange", "priceobservation", "priceimport")
    models = (
        "SELECT m.id FROM catalog_aimodel m JOIN catalog_provider p ON p.id = m.provider_id "
        "WHERE p.code = %(it)s"
    )
    changes = "SELECT id FROM catalog_pricechange WHERE provider = %(it)s"
    statements = (
        f"DELETE FROM catalog_pricedecision WHERE change_id IN ({changes})",
        f"DELETE FROM catalog_listprice WHERE model_id IN ({models})",
        "DELETE FROM catalog_pricechange WHERE provider = %(it)s",
        "DELETE FROM catalog_priceobservation WHERE provider = %(it)s",
        "DELETE FROM catalog_priceimport WHERE file_name = %(it)s",
        "DELETE FROM catalog_recognition r USING catalog_provider p "
        "WHERE p.id = r.provider_id AND p.code = %(it)s",
        f"DELETE FROM catalog_aimodel WHERE id IN ({models})",
        "DELETE FROM catalog_provider WHERE code = %(it)s",
        "DELETE FROM accounts_user WHERE email LIKE '%%@' || %(it)s || '.example'",
    )
    guarded = (*kept, "recognition")
    with connect_as_owner() as connection:
        for table in guarded:
            connection.execute(f"ALTER TABLE catalog_{table} DISABLE TRIGGER USER")
        for statement in statements:
            connection.execute(statement, {"it": provider})
        for table in guarded:
            connection.execute(f"ALTER TABLE catalog_{table} ENABLE TRIGGER USER")


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
