"""What a guardrail answered, and what is raised when the answer is no."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

OnFailure = Literal["open", "closed"]


@dataclass(frozen=True)
class Reason:
    """Why the answer is no milder; `code` is stable, `budget` or `policy` is what it is about."""

    code: str
    message: str
    verdict: str | None = None
    budget: str | None = None
    policy: str | None = None


@dataclass(frozen=True)
class Decision:
    """The answer to one question.

    `decision` is allow, warn, deny or needs_approval. `amount` is the estimate in `currency`, None
    of what has no price. `hold` names the money that is set aside until `expires_at`. `answered`
    is False when the server could not be reached, so that `on_failure` decided.
    """

    decision: str
    reasons: tuple[Reason, ...] = ()
    amount: Decimal | None = None
    currency: str | None = None
    hold: str | None = None
    expires_at: str | None = None
    on_failure: OnFailure | None = None
    answered: bool = True

    @property
    def allows(self) -> bool:
        """Tell whether the call may go out."""
        return self.decision in ("allow", "warn")

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Decision:
        """Read an answer of the server; an answer that is none denies nothing and holds nothing.

        :raises ValueError: when there is no decision in it.
        """
        decision = body.get("decision")
        if decision not in ("allow", "warn", "deny", "needs_approval"):
            raise ValueError("the answer holds no decision; is the address right?")
        estimate = body.get("estimate") or {}
        wanted = body.get("on_failure")
        return cls(
            decision=decision,
            reasons=tuple(_reason(one) for one in body.get("reasons") or ()),
            amount=_amount(estimate.get("amount")),
            currency=estimate.get("currency"),
            hold=body.get("hold"),
            expires_at=body.get("expires_at"),
            on_failure=wanted if wanted in ("open", "closed") else None,
        )


class Denied(Exception):
    """The guardrail says no; the call did not go out. `decision` has every reason."""

    def __init__(self, decision: Decision) -> None:
        self.decision = decision
        said = "; ".join(f"{one.message} ({one.code})" for one in decision.reasons)
        super().__init__(f"{self._word}: {said or 'no reason was given'}")

    _word = "denied by the guardrail"


class NeedsApproval(Denied):
    """The call needs an approval first: ask for an experiment budget and tag the call with it."""

    _word = "the guardrail wants an approval first"


class Unreachable(Denied):
    """The guardrail could not be asked, and is to fail closed."""

    _word = "the guardrail cannot be asked and fails closed"


def refusal(decision: Decision) -> Denied:
    """Return what to raise for a decision that does not allow the call."""
    if not decision.answered:
        return Unreachable(decision)
    return (NeedsApproval if decision.decision == "needs_approval" else Denied)(decision)


def _reason(one: Mapping[str, Any]) -> Reason:
    return Reason(
        code=str(one.get("code") or ""),
        message=str(one.get("message") or ""),
        verdict=one.get("verdict"),
        budget=one.get("budget"),
        policy=one.get("policy"),
    )


def _amount(value: Any) -> Decimal | None:
    try:
        return None if value is None else Decimal(str(value))
    except InvalidOperation:
        return None
