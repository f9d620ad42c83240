"""What a model policy allows: models, context, output, price, hours, environments."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from apps.budgets.domain.budgets import OnFailure
from apps.budgets.domain.decisions import Reason, Verdict
from apps.budgets.domain.scope import Scope, Subject, matches, refusals_of_scope
from apps.catalog.domain.windows import WindowInvalid, parse_window
from apps.core.domain.canonical import plain_decimal
from apps.core.domain.errors import FieldError

_CURRENCY: Final = re.compile("[A-Z]{3}")
_LISTS: Final = ("allowed_models", "denied_models", "environments")
_COUNTS: Final = ("max_context_tokens", "max_output_tokens", "ultra_context_tokens")
_KNOWN: Final = (*_LISTS, *_COUNTS, "price_ceiling", "currency", "hours")
_MOST_NAMES: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What is allowed; what is empty or None says nothing.

    Models are names or patterns (`gpt-4o*`, `anthropic/*`), matched against the model and
    provider/model. `price_ceiling` is the cost of one request, in `currency`. `hours` are those of
    the week in the tenant's timezone in which use is allowed (`mon-fri 08:00-20:00`). A context of
    `ultra_context_tokens` or more needs a justification that is in force.
    """

    allowed_models: tuple[str, ...] = ()
    denied_models: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    max_context_tokens: int | None = None
    max_output_tokens: int | None = None
    ultra_context_tokens: int | None = None
    price_ceiling: Decimal | None = None
    currency: str = ""
    hours: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return what is stored: only what says something."""
        kept: dict[str, Any] = {
            **{name: list(getattr(self, name)) for name in _LISTS},
            **{name: getattr(self, name) for name in _COUNTS},
            "hours": self.hours,
        }
        if self.price_ceiling is not None:
            kept |= {"price_ceiling": plain_decimal(self.price_ceiling), "currency": self.currency}
        return {name: value for name, value in kept.items() if value not in (None, "", [])}

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Rules:
        """Read stored rules."""
        ceiling = stored.get("price_ceiling")
        return cls(
            allowed_models=tuple(stored.get("allowed_models", ())),
            denied_models=tuple(stored.get("denied_models", ())),
            environments=tuple(stored.get("environments", ())),
            max_context_tokens=stored.get("max_context_tokens"),
            max_output_tokens=stored.get("max_output_tokens"),
            ultra_context_tokens=stored.get("ultra_context_tokens"),
            price_ceiling=None if ceiling is None else Decimal(ceiling),
            currency=stored.get("currency", ""),
            hours=stored.get("hours", ""),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyDraft:
    """A policy to put in force from a day on; `valid_to` is the first day it does not hold."""

    name: str
    rules: Rules
    scope: Scope
    verdict: Verdict = Verdict.DENY
    on_failure: OnFailure = OnFailure.OPEN
    valid_from: date
    valid_to: date | None = None


@dataclass(frozen=True, slots=True)
class PolicyFacts:
    """A policy as it is in force."""

    id: UUID
    name: str
    scope: Scope
    rules: Rules
    verdict: Verdict
    on_failure: OnFailure
    valid_from: date
    valid_to: date | None

    @classmethod
    def of(cls, *, rules: Mapping[str, Any], **fields: Any) -> PolicyFacts:
        """Return the facts of a stored policy."""
        return cls(rules=Rules.of(rules), **fields)

    def holds_on(self, day: date) -> bool:
        """Tell whether the policy is in force on a day."""
        return self.valid_from <= day and (self.valid_to is None or day < self.valid_to)


@dataclass(frozen=True, slots=True)
class JustifiedScope:
    """A scope that may use ultra-large contexts over [valid_from, valid_to)."""

    scope: Scope
    valid_from: date
    valid_to: date

    def covers(self, subject: Subject, day: date) -> bool:
        """Tell whether it justifies a use on a day."""
        return self.valid_from <= day < self.valid_to and matches(self.scope, subject)


@dataclass(frozen=True, slots=True)
class Use:
    """One planned or past request, as policies look at it.

    `cost` is that of one request in the currency of the policy that is asked, by currency; None
    of what has no price or no rate.
    """

    subject: Subject
    at: datetime
    context_tokens: int
    output_tokens: int
    cost: Mapping[str, Decimal | None]

    def day(self, zone: ZoneInfo) -> date:
        """Return the day of the use in a timezone."""
        return self.at.astimezone(zone).date()


def judge(
    *,
    policies: Iterable[PolicyFacts],
    use: Use,
    zone: ZoneInfo,
    justified: Iterable[JustifiedScope],
) -> list[Reason]:
    """Return every reason that the policies in force have against a use."""
    day = use.day(zone)
    listed = [one for one in policies if one.holds_on(day) and matches(one.scope, use.subject)]
    excused = any(each.covers(use.subject, day) for each in justified)
    return [
        Reason(code, f"{policy.name}: {text}", policy.verdict, policy=policy.id)
        for policy in listed
        for code, text in _objections(policy.rules, use, zone, excused=excused)
    ]


def _objections(rules: Rules, use: Use, zone: ZoneInfo, *, excused: bool) -> list[tuple[str, str]]:
    return [
        *_of_model(rules, use.subject),
        *_of_size(rules, use, excused=excused),
        *_of_price(rules, use),
        *_of_place(rules, use, zone),
    ]


def _of_model(rules: Rules, subject: Subject) -> list[tuple[str, str]]:
    model, provider = subject.values.get("model", ""), subject.values.get("provider", "")
    names = (model.lower(), f"{provider}/{model}".lower())
    found = []
    if any(_names(pattern, names) for pattern in rules.denied_models):
        found.append(("model_denied", f"the model {model} is not to be used; choose another."))
    if rules.allowed_models and not any(_names(p, names) for p in rules.allowed_models):
        allowed = ", ".join(rules.allowed_models[:8])
        found.append(("model_not_allowed", f"{model} is not among the allowed models: {allowed}."))
    return found


def _of_size(rules: Rules, use: Use, *, excused: bool) -> list[tuple[str, str]]:
    context, output = use.context_tokens, use.output_tokens
    found = []
    most = rules.max_context_tokens
    if most is not None and context > most:
        text = f"the context has {context:,} tokens, at most {most:,} are allowed; shorten it."
        found.append(("context_too_large", text))
    most = rules.max_output_tokens
    if most is not None and output > most:
        text = f"up to {output:,} output tokens were asked for, at most {most:,} are allowed."
        found.append(("output_too_large", text))
    ultra = rules.ultra_context_tokens
    if ultra is not None and context >= ultra and not excused:
        text = (
            f"a context of {ultra:,} tokens or more needs a current justification of its return; "
            "record one under Guardrails."
        )
        found.append(("context_not_justified", text))
    return found


def _of_price(rules: Rules, use: Use) -> list[tuple[str, str]]:
    if rules.price_ceiling is None:
        return []
    cost = use.cost.get(rules.currency)
    ceiling = f"{plain_decimal(rules.price_ceiling)} {rules.currency}"
    if cost is None:
        return [("price_unknown", f"the price is unknown, and a request may cost {ceiling}.")]
    if cost > rules.price_ceiling:
        text = (
            f"a request would cost {plain_decimal(cost)} {rules.currency}, at most {ceiling} is "
            "allowed."
        )
        return [("price_ceiling", text)]
    return []


def _of_place(rules: Rules, use: Use, zone: ZoneInfo) -> list[tuple[str, str]]:
    found = []
    if rules.hours and not parse_window(f"{rules.hours} {zone.key}").holds(use.at):
        found.append(("outside_hours", f"use is allowed {rules.hours} ({zone.key}) only."))
    environment = use.subject.values.get("environment", "")
    if rules.environments and environment not in rules.environments:
        allowed = ", ".join(rules.environments[:8])
        shown = environment or "no environment"
        text = f"{shown} is not among the allowed environments: {allowed}; tag the call."
        found.append(("environment_not_allowed", text))
    return found


def _names(pattern: str, names: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern.lower()) for name in names)


def read_rules(sent: Mapping[str, Any]) -> tuple[Rules | None, tuple[FieldError, ...]]:
    """Read rules as sent; return them, or what is wrong field by field."""
    found = [
        FieldError(f"rules.{str(name)[:64]}", "unknown", f"Known are {', '.join(_KNOWN)}.")
        for name in sent
        if name not in _KNOWN
    ]
    for name in _LISTS:
        found += _refusals_of_names(name, sent.get(name, []))
    for name in _COUNTS:
        value = sent.get(name)
        if value is not None and (type(value) is not int or not 0 <= value < 10**12):
            found.append(FieldError(f"rules.{name}", "range", "Give a whole number of tokens."))
    ceiling, wrong = _ceiling(sent)
    found += [*wrong, *_refusals_of_hours(sent.get("hours", ""))]
    if found:
        return None, tuple(found)
    rules = Rules.of({**sent, "price_ceiling": ceiling})
    if not rules.as_json():
        text = "Say at least one thing that the policy allows or forbids."
        return None, (FieldError("rules", "required", text),)
    return rules, ()


def _refusals_of_names(name: str, sent: object) -> list[FieldError]:
    is_list = isinstance(sent, list | tuple) and len(sent) <= _MOST_NAMES
    if not is_list or not all(
        isinstance(one, str) and 0 < len(one) <= 200 and one.isprintable()
        for one in sent  # type: ignore[attr-defined]
    ):
        text = f"Give a list of at most {_MOST_NAMES} names of 1 to 200 characters."
        return [FieldError(f"rules.{name}", "names", text)]
    return []


def _ceiling(sent: Mapping[str, Any]) -> tuple[Decimal | None, list[FieldError]]:
    value = sent.get("price_ceiling")
    if value is None:
        return None, []
    try:
        ceiling = Decimal(value) if isinstance(value, str | Decimal) else Decimal("NaN")
    except InvalidOperation:
        ceiling = Decimal("NaN")
    if not ceiling.is_finite() or not 0 <= ceiling < 10**12:
        text = 'Give an amount as a string, such as "0.50".'
        return None, [FieldError("rules.price_ceiling", "range", text)]
    currency = sent.get("currency", "")
    if not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
        text = "Give the currency of the price ceiling, as USD."
        return None, [FieldError("rules.currency", "currency", text)]
    return ceiling, []


def _refusals_of_hours(sent: object) -> list[FieldError]:
    if not isinstance(sent, str):
        return [FieldError("rules.hours", "text", "Give hours such as mon-fri 08:00-20:00.")]
    if not sent:
        return []
    try:
        parse_window(f"{sent} UTC")
    except WindowInvalid as wrong:
        return [FieldError("rules.hours", "window", str(wrong))]
    return []


def refusals_of_policy(draft: PolicyDraft) -> tuple[FieldError, ...]:
    """Return what is wrong with a draft whose rules were read."""
    found = list(refusals_of_scope(draft.scope))
    if not draft.name.strip() or len(draft.name) > 200 or not draft.name.isprintable():
        found.append(FieldError("name", "required", "Give a name of at most 200 characters."))
    if draft.verdict is Verdict.ALLOW:
        text = "A policy warns, asks for approval, or denies."
        found.append(FieldError("verdict", "verdict", text))
    if draft.valid_to is not None and draft.valid_to <= draft.valid_from:
        text = "Give a day after the first one; it is the first that the policy does not hold."
        found.append(FieldError("valid_to", "order", text))
    return tuple(found)
