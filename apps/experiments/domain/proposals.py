"""What an experiment request says: the content of one revision, and what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from apps.core.domain.canonical import plain_decimal
from apps.core.domain.errors import FieldError, Unprocessable
from apps.core.domain.money import minor_digits, minor_quantum
from apps.experiments.domain.bands import Counts

MOST_PLANS: Final = 10
MOST_RUNS: Final = 10**9
MOST_TOKENS: Final = 10**9
MOST_DAYS: Final = 366
MOST_AMOUNT: Final = Decimal(10) ** 12
_CODE: Final = re.compile(r"[^\s\x00][^\x00]{0,254}")


class Sensitivity(StrEnum):
    """The most sensitive data that the experiment sends to a model."""

    PUBLIC = "public"
    INTERNAL = "internal"
    CONFIDENTIAL = "confidential"
    PERSONAL = "personal"


class LimitKind(StrEnum):
    """Whether the granted money is a wall or a warning."""

    HARD = "hard"
    SOFT = "soft"


class ProposalInvalid(Unprocessable):
    """A field of the request cannot be taken as it is."""

    default_code = "proposal_invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPlan:
    """Runs of one model: how many, and the tokens of each, input with what the cache serves."""

    provider: str
    model: str
    runs: Counts
    input_tokens: Counts
    output_tokens: Counts
    cache_share: Decimal = Decimal(0)
    batch: bool = False
    service_tier: str = ""

    @property
    def name(self) -> str:
        """Return provider and model as people write them."""
        return f"{self.provider}/{self.model}"

    @property
    def largest_context(self) -> int:
        """Return the tokens that one run may need at once, input and output."""
        return self.input_tokens.high + self.output_tokens.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """The content of a request; `amount` and `outcome_value` in the tenant's currency.

    Without `amount` the high end of the estimate is asked for, rounded up to the minor unit.
    `outcome_value` is what one success is worth, `outcome_target` how many are expected.
    """

    title: str
    hypothesis: str
    owner: str
    team: str
    plans: tuple[ModelPlan, ...]
    starts_on: date
    ends_on: date
    amount: Decimal | None = None
    max_context_tokens: int | None = None
    environments: tuple[str, ...] = ()
    sensitivity: Sensitivity = Sensitivity.INTERNAL
    limit: LimitKind = LimitKind.HARD
    outcome_name: str = ""
    outcome_target: int | None = None
    outcome_value: Decimal | None = None
    roi_case: str = ""
    product: str = ""
    feature: str = ""

    def uses(self, code: str) -> tuple[Mapping[str, str], ...]:
        """Return the codes that planned usage will carry: one set a model and environment."""
        own = {"team": self.team, "experiment": code, "product": self.product}
        said = {key: value for key, value in {**own, "feature": self.feature}.items() if value}
        models = dict.fromkeys((plan.provider, plan.model) for plan in self.plans)
        return tuple(
            {**said, "provider": provider, "model": model}
            | ({"environment": environment} if environment else {})
            for provider, model in models
            for environment in self.environments or ("",)
        )

    @property
    def context(self) -> int:
        """Return the largest context in tokens: as stated, else what the plans may need."""
        needed = max((plan.largest_context for plan in self.plans), default=0)
        return max(self.max_context_tokens or 0, needed)

    @property
    def models(self) -> tuple[str, ...]:
        """Return the planned models, each once, as provider/model."""
        return tuple(dict.fromkeys(plan.name for plan in self.plans))

    @property
    def expected_value(self) -> Decimal | None:
        """Return what the expected successes are worth, None when nobody said."""
        if self.outcome_target is None or self.outcome_value is None:
            return None
        return self.outcome_target * self.outcome_value


@dataclass(slots=True)
class _Faults:
    found: list[FieldError] = field(default_factory=list)

    def say(self, name: str, code: str, message: str) -> None:
        self.found.append(FieldError(name, code, message))


def check(proposal: Proposal, *, currency: str) -> None:
    """Pass when the content can be kept.

    :raises ProposalInvalid: naming every wrong field and its remedy.
    """
    faults = list(_faults(proposal, currency))
    if faults:
        first = faults[0]
        raise ProposalInvalid(f"{first.field}: {first.message}", errors=tuple(faults))


def _faults(proposal: Proposal, currency: str) -> Iterator[FieldError]:
    faults = _Faults()
    _check_words(proposal, faults)
    _check_dates(proposal, faults)
    _check_money(proposal, currency, faults)
    if not proposal.plans:
        faults.say("plans", "required", "Plan at least one model.")
    if len(proposal.plans) > MOST_PLANS:
        faults.say("plans", "count", f"Plan at most {MOST_PLANS} models.")
    for number, plan in enumerate(proposal.plans):
        _check_plan(plan, f"plans.{number}", faults)
    yield from faults.found


def _check_words(proposal: Proposal, faults: _Faults) -> None:
    needed = {"title": 200, "hypothesis": 4000, "team": 64, "owner": 254}
    optional = {"roi_case": 4000, "outcome_name": 200, "product": 64, "feature": 64}
    for name, most in {**needed, **optional}.items():
        text = str(getattr(proposal, name))
        if name in needed and not text.strip():
            faults.say(name, "required", "Fill it in.")
        elif len(text) > most or "\x00" in text:
            faults.say(name, "length", f"Write up to {most} characters.")
    for environment in proposal.environments:
        if not _CODE.fullmatch(environment) or len(environment) > 64:
            faults.say("environments", "text", "Name environments as you tag them, as staging.")
    if proposal.outcome_target is not None and not proposal.outcome_name.strip():
        faults.say("outcome_name", "required", "Name the outcome whose successes you expect.")


def _check_dates(proposal: Proposal, faults: _Faults) -> None:
    if proposal.ends_on < proposal.starts_on:
        faults.say("ends_on", "order", "Let it end on the first day or later.")
    elif (proposal.ends_on - proposal.starts_on).days >= MOST_DAYS:
        faults.say("ends_on", "length", f"An experiment lasts at most {MOST_DAYS} days.")


def _check_money(proposal: Proposal, currency: str, faults: _Faults) -> None:
    if proposal.amount is not None:
        fits = proposal.amount.is_finite() and 0 < proposal.amount < MOST_AMOUNT
        if not fits or proposal.amount % minor_quantum(currency):
            digits = minor_digits(currency)
            faults.say(
                "amount", "range", f"Ask for {currency} above 0 with at most {digits} decimals."
            )
    value = proposal.outcome_value
    if value is not None and not (value.is_finite() and 0 <= value < MOST_AMOUNT):
        faults.say("outcome_value", "range", f"Say what one success is worth in {currency}.")
    target = proposal.outcome_target
    if target is not None and not 0 < target <= MOST_RUNS:
        faults.say("outcome_target", "range", "Expect at least one success.")
    context = proposal.max_context_tokens
    if context is not None and not 0 < context <= MOST_TOKENS:
        faults.say("max_context_tokens", "range", "Give the largest context in tokens.")


def _check_plan(plan: ModelPlan, path: str, faults: _Faults) -> None:
    for name in ("provider", "model"):
        if not _CODE.fullmatch(getattr(plan, name)):
            faults.say(f"{path}.{name}", "required", "Name it as usage does, as openai and gpt-4o.")
    _check_counts(plan.runs, f"{path}.runs", least=1, most=MOST_RUNS, faults=faults)
    for name in ("input_tokens", "output_tokens"):
        _check_counts(
            getattr(plan, name), f"{path}.{name}", least=0, most=MOST_TOKENS, faults=faults
        )
    if plan.input_tokens.high + plan.output_tokens.high == 0:
        faults.say(f"{path}.input_tokens", "required", "Say how many tokens one run takes.")
    if not (plan.cache_share.is_finite() and 0 <= plan.cache_share <= 1):
        faults.say(f"{path}.cache_share", "range", "Give a share from 0 to 1.")


def _check_counts(counts: Counts, path: str, *, least: int, most: int, faults: _Faults) -> None:
    if not counts.is_ordered:
        faults.say(path, "order", "Let low be at most likely, and likely at most high.")
    if counts.low < least or counts.high > most:
        faults.say(path, "range", f"Give whole numbers from {least} to {most}.")


def as_payload(proposal: Proposal) -> dict[str, Any]:
    """Return the content as it is kept, in plain JSON."""
    plain = ("title", "hypothesis", "owner", "team", "max_context_tokens", "outcome_name")
    return {
        **{name: getattr(proposal, name) for name in (*plain, "outcome_target", "roi_case")},
        "product": proposal.product,
        "feature": proposal.feature,
        "plans": [_plan_payload(plan) for plan in proposal.plans],
        "starts_on": proposal.starts_on.isoformat(),
        "ends_on": proposal.ends_on.isoformat(),
        "environments": list(proposal.environments),
        "sensitivity": proposal.sensitivity.value,
        "limit": proposal.limit.value,
        "amount": _text(proposal.amount),
        "outcome_value": _text(proposal.outcome_value),
    }


def read_payload(payload: Mapping[str, Any]) -> Proposal:
    """Return the content that was kept."""
    values = dict(payload)
    return Proposal(
        **{
            **values,
            "plans": tuple(_read_plan(plan) for plan in values["plans"]),
            "starts_on": date.fromisoformat(values["starts_on"]),
            "ends_on": date.fromisoformat(values["ends_on"]),
            "environments": tuple(values["environments"]),
            "sensitivity": Sensitivity(values["sensitivity"]),
            "limit": LimitKind(values["limit"]),
            "amount": _number(values["amount"]),
            "outcome_value": _number(values["outcome_value"]),
        }
    )


def _plan_payload(plan: ModelPlan) -> dict[str, Any]:
    bands = ("runs", "input_tokens", "output_tokens")
    return {
        "provider": plan.provider,
        "model": plan.model,
        **{name: _counts_payload(getattr(plan, name)) for name in bands},
        "cache_share": plain_decimal(plan.cache_share),
        "batch": plan.batch,
        "service_tier": plan.service_tier,
    }


def _read_plan(payload: Mapping[str, Any]) -> ModelPlan:
    bands = ("runs", "input_tokens", "output_tokens")
    return ModelPlan(
        **{
            **payload,
            **{name: Counts(**payload[name]) for name in bands},
            "cache_share": Decimal(payload["cache_share"]),
        }
    )


def _counts_payload(counts: Counts) -> dict[str, int]:
    return {"low": counts.low, "likely": counts.likely, "high": counts.high}


def _text(value: Decimal | None) -> str | None:
    return None if value is None else plain_decimal(value)


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def without_blanks(texts: Sequence[str]) -> tuple[str, ...]:
    """Return texts trimmed, each once, empty ones left out."""
    return tuple(dict.fromkeys(text.strip() for text in texts if text.strip()))
