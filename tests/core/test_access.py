"""Roles and scopes as rules 21 to 23 settle them."""

import pytest

from apps.core.domain.access import ROLE_SCOPES, Actor, Role, Scope, shell_actor, system_actor
from apps.core.domain.errors import Forbidden


def actor(*scopes: Scope) -> Actor:
    return Actor(kind="key", label="key", scopes=frozenset(scopes))


def test_admin_implies_all_but_deciding() -> None:
    admin = actor(Scope.ADMIN)
    assert admin.may(Scope.CLOSE_RUN)
    assert not admin.may(Scope.APPROVALS_DECIDE)


def test_missing_scope_names_it() -> None:
    with pytest.raises(Forbidden, match="close:run"):
        actor(Scope.USAGE_READ).require(Scope.CLOSE_RUN)


def test_nobody_but_people_decides() -> None:
    for nobody in (system_actor("beat"), shell_actor("root")):
        assert not nobody.may(Scope.APPROVALS_DECIDE)
        assert not nobody.is_person


def test_members_cannot_touch_money() -> None:
    forbidden = {Scope.BILLING_WRITE, Scope.PRICES_WRITE, Scope.CLOSE_RUN, Scope.ADMIN}
    assert not forbidden & ROLE_SCOPES[Role.MEMBER]
    assert not {scope for scope in ROLE_SCOPES[Role.ANALYST] if not scope.endswith(":read")}
