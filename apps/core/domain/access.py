"""Who acts, and what each role and scope may do (rules 21 to 23)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Literal

from apps.core.domain.errors import Forbidden


class Role(StrEnum):
    """A person's role in one tenant."""

    OWNER = "owner"
    FINANCE = "finance"
    APPROVER = "approver"
    ANALYST = "analyst"
    MEMBER = "member"


class Scope(StrEnum):
    """What a key or a person may do."""

    USAGE_WRITE = "usage:write"
    USAGE_READ = "usage:read"
    USAGE_CORRECT = "usage:correct"
    COSTS_READ = "costs:read"
    BUDGETS_READ = "budgets:read"
    BUDGETS_WRITE = "budgets:write"
    BUDGETS_AUTHORIZE = "budgets:authorize"
    EXPERIMENTS_WRITE = "experiments:write"
    APPROVALS_DECIDE = "approvals:decide"
    BILLING_READ = "billing:read"
    BILLING_WRITE = "billing:write"
    PRICES_WRITE = "prices:write"
    ALLOCATION_WRITE = "allocation:write"
    CLOSE_RUN = "close:run"
    DIRECTORY_WRITE = "directory:write"
    ADMIN = "admin"


_READ: Final = frozenset(
    {Scope.USAGE_READ, Scope.COSTS_READ, Scope.BUDGETS_READ, Scope.BILLING_READ}
)
_MEMBER: Final = frozenset(
    {
        Scope.USAGE_READ,
        Scope.COSTS_READ,
        Scope.BUDGETS_READ,
        Scope.USAGE_WRITE,
        Scope.BUDGETS_AUTHORIZE,
        Scope.EXPERIMENTS_WRITE,
    }
)

ROLE_SCOPES: Final[Mapping[Role, frozenset[Scope]]] = MappingProxyType(
    {
        Role.OWNER: frozenset(Scope),
        Role.FINANCE: _READ
        | {
            Scope.USAGE_WRITE,
            Scope.USAGE_CORRECT,
            Scope.BUDGETS_WRITE,
            Scope.BILLING_WRITE,
            Scope.PRICES_WRITE,
            Scope.ALLOCATION_WRITE,
            Scope.CLOSE_RUN,
            Scope.DIRECTORY_WRITE,
        },
        Role.APPROVER: _READ | {Scope.APPROVALS_DECIDE, Scope.EXPERIMENTS_WRITE},
        Role.ANALYST: _READ,
        Role.MEMBER: _MEMBER,
    }
)

PERSONAL_ONLY: Final = frozenset({Scope.APPROVALS_DECIDE})


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever calls a service: a person, a key, a shell command or the system itself.

    `user_id` names the person behind a session or a personal key; service keys, the shell and
    the system have none. `key_id` is the key's own, as two keys may share a name. `teams` limits
    what a member sees; `None` means no limit.
    """

    kind: Literal["user", "key", "shell", "system"]
    label: str
    scopes: frozenset[Scope]
    user_id: int | None = None
    role: Role | None = None
    teams: frozenset[str] | None = None
    bound_tags: Mapping[str, str] = field(default_factory=dict)
    key_id: int | None = None

    @property
    def identity(self) -> str:
        """Return what tells the actor from every other of the tenant, as labels need not."""
        if self.key_id is not None:
            return f"key:{self.key_id}"
        return self.label if self.user_id is None else f"user:{self.user_id}"

    @property
    def is_limited(self) -> bool:
        """Tell whether the actor sees a part of the tenant only: some teams, or bound tags."""
        return self.teams is not None or bool(self.bound_tags)

    def may(self, scope: Scope) -> bool:
        """Tell whether the actor holds the scope; the scope `admin` implies all but deciding."""
        if scope in self.scopes:
            return True
        return Scope.ADMIN in self.scopes and scope not in PERSONAL_ONLY

    def require(self, scope: Scope) -> None:
        """Pass when the actor holds the scope.

        :raises Forbidden: when it does not.
        """
        if not self.may(scope):
            raise Forbidden(
                f"This needs the scope {scope.value}; ask an owner of your organization to "
                "grant it.",
                code="scope_missing",
            )

    @property
    def is_person(self) -> bool:
        """Tell whether a named person stands behind the actor."""
        return self.user_id is not None


def system_actor(name: str) -> Actor:
    """Return the actor of scheduled work, holding every scope that needs no person."""
    return Actor(kind="system", label=f"system:{name}", scopes=frozenset(Scope) - PERSONAL_ONLY)


def shell_actor(name: str) -> Actor:
    """Return the actor of a management command run by the operating-system user `name`."""
    return Actor(kind="shell", label=f"shell:{name}", scopes=frozenset(Scope) - PERSONAL_ONLY)
