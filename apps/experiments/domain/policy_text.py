"""Reads an approval policy from JSON, naming every wrong field, and writes it back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from apps.core.domain.canonical import plain_decimal
from apps.core.domain.errors import FieldError, Unprocessable
from apps.experiments.domain.policies import (
    Approvers,
    AutoApproval,
    Condition,
    Policy,
    Route,
    StepRule,
)
from apps.experiments.domain.proposals import Sensitivity

ROLES: Final = ("approver", "owner")
"""The roles that may decide at all (rule 23)."""
MOST_ROUTES: Final = 50
MOST_STEPS: Final = 10
_MOST_AMOUNT: Final = Decimal(10) ** 12


class PolicyInvalid(Unprocessable):
    """The policy cannot be read or would let somebody wait for ever."""

    default_code = "policy_invalid"


def read_policy(value: object) -> Policy:
    """Return the policy of a JSON object.

    :raises PolicyInvalid: naming every wrong field and its remedy.
    """
    reader = _Reader()
    policy = reader.policy(value)
    if reader.faults:
        first = reader.faults[0]
        raise PolicyInvalid(f"{first.field}: {first.message}", errors=tuple(reader.faults))
    return policy


def policy_payload(policy: Policy) -> dict[str, Any]:
    """Return a policy as JSON, the way `read_policy` takes it."""
    auto = policy.auto
    return {
        "auto": auto
        and {"up_to": plain_decimal(auto.up_to), "team_month": plain_decimal(auto.team_month)},
        "routes": [
            {
                "name": route.name,
                "when": _condition_payload(route.when),
                "needs_roi": route.needs_roi,
                "steps": [step_payload(step) for step in route.steps],
            }
            for route in policy.routes
        ],
        "otherwise": [step_payload(step) for step in policy.otherwise],
        "expire_days": policy.expire_days,
    }


def step_payload(step: StepRule) -> dict[str, Any]:
    """Return a step as JSON; the form in which steps of a submission are frozen."""
    return {
        "name": step.name,
        "order": step.order,
        "quorum": step.quorum,
        "hours": step.hours,
        "approvers": _approvers_payload(step.approvers),
        "escalate_to": _approvers_payload(step.escalate_to),
    }


def read_approvers(value: Mapping[str, Any]) -> Approvers:
    """Return approvers that were kept by `step_payload`."""
    return Approvers(
        frozenset(value["roles"]), bool(value["team_owner"]), frozenset(value["people"])
    )


def _condition_payload(when: Condition) -> dict[str, Any]:
    amount = when.amount_over
    return {
        "amount_over": None if amount is None else plain_decimal(amount),
        "context_over": when.context_over,
        "models": list(when.models),
        "teams": list(when.teams),
        "environments": list(when.environments),
        "sensitivities": list(when.sensitivities),
    }


def _approvers_payload(approvers: Approvers) -> dict[str, Any]:
    return {
        "roles": sorted(approvers.roles),
        "team_owner": approvers.team_owner,
        "people": sorted(approvers.people),
    }


@dataclass(slots=True)
class _Reader:
    faults: list[FieldError] = field(default_factory=list)

    def policy(self, value: object) -> Policy:
        found = self._object(value, "policy", ("auto", "routes", "otherwise", "expire_days"))
        routes = self._list(found.get("routes", []), "routes", most=MOST_ROUTES)
        names = [route.get("name") for route in routes if isinstance(route, Mapping)]
        if len(names) != len(set(map(str, names))):
            self._say("routes", "repeated", "Give every route a name of its own.")
        return Policy(
            auto=self._auto(found.get("auto")),
            routes=tuple(self._route(one, f"routes.{at}") for at, one in enumerate(routes)),
            otherwise=self._steps(found.get("otherwise"), "otherwise"),
            expire_days=self._count(found.get("expire_days", 14), "expire_days", 1, 365),
        )

    def _auto(self, value: object) -> AutoApproval | None:
        if value is None:
            return None
        found = self._object(value, "auto", ("up_to", "team_month"))
        up_to = self._amount(found.get("up_to"), "auto.up_to")
        month = self._amount(found.get("team_month", found.get("up_to")), "auto.team_month")
        return AutoApproval(up_to, month)

    def _route(self, value: object, path: str) -> Route:
        found = self._object(value, path, ("name", "when", "steps", "needs_roi"))
        when = self._condition(found.get("when"), f"{path}.when")
        if when == Condition():
            self._say(f"{path}.when", "required", "State at least one condition.")
        return Route(
            name=self._name(found.get("name"), f"{path}.name"),
            when=when,
            steps=self._steps(found.get("steps"), f"{path}.steps"),
            needs_roi=self._flag(found.get("needs_roi", False), f"{path}.needs_roi"),
        )

    def _condition(self, value: object, path: str) -> Condition:
        names = (
            "amount_over",
            "context_over",
            "models",
            "teams",
            "environments",
            "sensitivities",
        )
        found = self._object(value, path, names)
        amount, context = found.get("amount_over"), found.get("context_over")
        kinds = self._texts(found.get("sensitivities", []), f"{path}.sensitivities")
        if not set(kinds) <= {kind.value for kind in Sensitivity}:
            known = ", ".join(kind.value for kind in Sensitivity)
            self._say(f"{path}.sensitivities", "choice", f"Known kinds are {known}.")
        return Condition(
            amount_over=None
            if amount is None
            else self._amount(amount, f"{path}.amount_over", least=Decimal(0)),
            context_over=None
            if context is None
            else self._count(context, f"{path}.context_over", 0, 10**9),
            models=self._texts(found.get("models", []), f"{path}.models"),
            teams=self._texts(found.get("teams", []), f"{path}.teams"),
            environments=self._texts(found.get("environments", []), f"{path}.environments"),
            sensitivities=kinds,
        )

    def _steps(self, value: object, path: str) -> tuple[StepRule, ...]:
        steps = self._list(value, path, most=MOST_STEPS)
        if not steps:
            self._say(path, "required", "State at least one step.")
        return tuple(self._step(one, f"{path}.{at}") for at, one in enumerate(steps))

    def _step(self, value: object, path: str) -> StepRule:
        names = ("name", "order", "quorum", "hours", "approvers", "escalate_to")
        found = self._object(value, path, names)
        escalate = found.get("escalate_to", {"roles": ["owner"]})
        return StepRule(
            name=self._name(found.get("name"), f"{path}.name"),
            order=self._count(found.get("order", 1), f"{path}.order", 1, MOST_STEPS),
            quorum=self._count(found.get("quorum", 1), f"{path}.quorum", 1, 20),
            hours=self._count(found.get("hours", 48), f"{path}.hours", 1, 24 * 90),
            approvers=self._approvers(found.get("approvers"), f"{path}.approvers"),
            escalate_to=self._approvers(escalate, f"{path}.escalate_to"),
        )

    def _approvers(self, value: object, path: str) -> Approvers:
        found = self._object(value, path, ("roles", "team_owner", "people"))
        roles = self._texts(found.get("roles", []), f"{path}.roles")
        if not set(roles) <= set(ROLES):
            self._say(f"{path}.roles", "choice", f"Roles that decide are {' and '.join(ROLES)}.")
        named = self._texts(found.get("people", []), f"{path}.people")
        people = frozenset(name.lower() for name in named)
        owner = self._flag(found.get("team_owner", False), f"{path}.team_owner")
        approvers = Approvers(frozenset(roles), owner, people)
        if approvers.is_empty:
            self._say(path, "required", "Name roles, people, or the team's owner.")
        return approvers

    def _object(self, value: object, path: str, known: Sequence[str]) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            self._say(path, "object", f"Give an object with {', '.join(known)}.")
            return {}
        for name in set(value) - set(known):
            message = f"There is no such field; known are {', '.join(known)}."
            self._say(f"{path}.{str(name)[:64]}", "unknown", message)
        return value

    def _list(self, value: object, path: str, *, most: int) -> list[object]:
        if not isinstance(value, list) or len(value) > most:
            self._say(path, "list", f"Give a list of at most {most}.")
            return []
        return value

    def _texts(self, value: object, path: str) -> tuple[str, ...]:
        fits = isinstance(value, list) and all(isinstance(one, str) for one in value)
        if not fits or any(not 0 < len(one.strip()) <= 254 or "\x00" in one for one in value):  # type: ignore[attr-defined]
            self._say(path, "list", "Give a list of words.")
            return ()
        return tuple(dict.fromkeys(one.strip() for one in value))  # type: ignore[attr-defined]

    def _name(self, value: object, path: str) -> str:
        if not isinstance(value, str) or not 0 < len(value.strip()) <= 80 or "\x00" in value:
            self._say(path, "text", "Give a name of up to 80 characters.")
            return ""
        return value.strip()

    def _flag(self, value: object, path: str) -> bool:
        if not isinstance(value, bool):
            self._say(path, "flag", "Give true or false.")
        return value is True

    def _count(self, value: object, path: str, least: int, most: int) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            self._say(path, "range", f"Give a whole number from {least} to {most}.")
            return least
        return value

    def _amount(self, value: object, path: str, least: Decimal = Decimal("0.001")) -> Decimal:
        try:
            amount = Decimal(value) if isinstance(value, str) else Decimal("NaN")
        except InvalidOperation:
            amount = Decimal("NaN")
        if not amount.is_finite() or not least <= amount < _MOST_AMOUNT:
            self._say(path, "amount", 'Give an amount as a string, such as "50.00".')
            return Decimal(1)
        return amount

    def _say(self, path: str, code: str, message: str) -> None:
        self.faults.append(FieldError(path, code, message))
