"""What a guardrail is asked, and what it answers with every reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from apps.core.domain.canonical import plain_decimal
from apps.core.domain.money import published

LONGEST_HOLD: Final = 86_400
DEFAULT_HOLD: Final = 300


class Verdict(StrEnum):
    """The answers, from the mildest on."""

    ALLOW = "allow"
    WARN = "warn"
    NEEDS_APPROVAL = "needs_approval"
    DENY = "deny"


_ORDER: Final = list(Verdict)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the strictest of the verdicts; allow when there is none."""
    return max(verdicts, key=_ORDER.index, default=Verdict.ALLOW)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the answer is no milder: a stable code, words with the remedy, and what it is about."""

    code: str
    message: str
    verdict: Verdict
    budget: UUID | None = None
    policy: UUID | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the reason as the API shows it."""
        return {
            "code": self.code,
            "message": self.message,
            "verdict": self.verdict.value,
            "budget": None if self.budget is None else str(self.budget),
            "policy": None if self.policy is None else str(self.policy),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A use that is planned: either tokens and requests, or an amount; times in seconds.

    `input_tokens` and `output_tokens` are those of one request; `requests` multiplies the cost.
    """

    provider: str = ""
    model: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    credential: str = ""
    account: str = ""
    service_tier: str = ""
    region: str = ""
    batch: bool = False
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    requests: int = 1
    amount: Decimal | None = None
    currency: str = ""
    ttl_seconds: int = DEFAULT_HOLD

    def as_json(self) -> dict[str, Any]:
        """Return what is kept of it with a decision."""
        kept: dict[str, Any] = {
            "provider": self.provider,
            "model": self.model,
            "tags": dict(self.tags),
            "credential": self.credential,
            "account": self.account,
            "requests": self.requests,
        }
        if self.amount is None:
            return kept | {
                "input_tokens": self.input_tokens,
                "cached_input_tokens": self.cached_input_tokens,
                "output_tokens": self.output_tokens,
                "batch": self.batch,
            }
        return kept | {"amount": plain_decimal(self.amount), "currency": self.currency}


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a use is expected to cost; an amount of None is unpriced, `missing` says what lacks."""

    amount: Decimal | None
    currency: str
    missing: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the estimate as the API shows it."""
        amount = None if self.amount is None else published(self.amount)
        return {"amount": amount, "currency": self.currency or None}


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer: strictest verdict of all reasons, what is held, and what to do on a failure.

    `on_failure` tells the client what the policies want done when the guardrail cannot be asked:
    open lets the call pass, closed does not.
    """

    id: UUID | None
    verdict: Verdict
    reasons: tuple[Reason, ...]
    estimate: Estimate
    hold: UUID | None
    expires_at: datetime | None
    on_failure: str

    def as_dict(self) -> dict[str, Any]:
        """Return the decision as the API shows it."""
        return {
            "id": None if self.id is None else str(self.id),
            "decision": self.verdict.value,
            "reasons": [one.as_dict() for one in self.reasons],
            "estimate": self.estimate.as_dict(),
            "hold": None if self.hold is None else str(self.hold),
            "expires_at": None if self.expires_at is None else _shown(self.expires_at),
            "on_failure": self.on_failure,
        }


def _shown(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
