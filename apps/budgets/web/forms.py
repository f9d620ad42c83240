"""Forms of budgets, policies and the guardrail tester."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final

from django import forms

from apps.budgets.domain.budgets import (
    DEFAULT_THRESHOLDS,
    Basis,
    BudgetDraft,
    BudgetFacts,
    OnFailure,
    Threshold,
    Unpriced,
)
from apps.budgets.domain.decisions import Ask, Verdict
from apps.budgets.domain.limits import Limit, Rollover
from apps.budgets.domain.policies import PolicyDraft, PolicyFacts, Rules, read_rules
from apps.budgets.domain.scope import KEYS
from apps.budgets.domain.windows import Window
from apps.core.domain.canonical import plain_decimal

_SHORT: Final = {"autocomplete": "off", "spellcheck": "false"}
_DAY: Final = {"type": "date"}
_SCOPE_LABELS: Final = {
    "team": "Team",
    "cost_center": "Cost center and all below",
    "product": "Product",
    "feature": "Feature",
    "customer": "Customer",
    "experiment": "Experiment",
    "environment": "Environment",
    "provider": "Provider",
    "model": "Model",
    "family": "Model family",
    "credential": "Credential",
    "account": "Provider account",
}
FIRST_KEYS: Final = ("team", "model", "environment", "cost_center")
_THRESHOLD: Final = re.compile(r"(?:(forecast|held|actual)\s+)?(\d+(?:\.\d{1,2})?)\s*%?")


def scope_fields() -> dict[str, forms.CharField]:
    """Return a text field a key of scopes."""
    return {
        f"scope_{key}": forms.CharField(
            label=_SCOPE_LABELS[key],
            max_length=256,
            required=False,
            widget=forms.TextInput(attrs=_SHORT | {"list": f"codes-{key}"}),
        )
        for key in KEYS
    }


class ScopedForm(forms.Form):
    """A form with a text field a key of scopes."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields.update(scope_fields())

    @property
    def scope(self) -> dict[str, str]:
        """Return the codes that were entered."""
        entered = {key: self.cleaned_data.get(f"scope_{key}", "").strip() for key in KEYS}
        return {key: value for key, value in entered.items() if value}

    @property
    def first_scope(self) -> list[forms.BoundField]:
        """Return the fields of the keys that most budgets name."""
        return [self[f"scope_{key}"] for key in FIRST_KEYS]

    @property
    def more_scope(self) -> list[forms.BoundField]:
        """Return the fields of the other keys."""
        return [self[f"scope_{key}"] for key in KEYS if key not in FIRST_KEYS]

    @property
    def has_more_scope(self) -> bool:
        """Tell whether one of the other keys is named or wrong."""
        return any(field.value() or field.errors for field in self.more_scope)


class BudgetForm(ScopedForm):
    """A budget to set or to change."""

    name = forms.CharField(max_length=200)
    amount = forms.DecimalField(min_value=0, max_digits=27, decimal_places=12)
    currency = forms.CharField(max_length=3, widget=forms.TextInput(attrs=_SHORT))
    limit = forms.ChoiceField(
        label="At the limit",
        choices=[
            (Limit.SOFT.value, "Warn: calls go on"),
            (Limit.HARD.value, "Refuse: no authorization beyond it"),
        ],
        help_text="Use that happened is never refused; a hard limit stops what asks first.",
    )
    window = forms.ChoiceField(
        choices=[
            (Window.MONTH.value, "Every month"),
            (Window.QUARTER.value, "Every quarter"),
            (Window.YEAR.value, "Every year"),
            (Window.FIXED.value, "Fixed dates"),
            (Window.ROLLING.value, "Rolling days"),
        ]
    )
    starts_on = forms.DateField(
        label="First day",
        required=False,
        widget=forms.DateInput(attrs=_DAY),
        help_text="Empty: the present window.",
    )
    ends_on = forms.DateField(
        label="Last day",
        required=False,
        widget=forms.DateInput(attrs=_DAY),
        help_text="Of fixed dates.",
    )
    days = forms.IntegerField(required=False, min_value=1, help_text="Of a rolling window.")
    unused_cap = forms.DecimalField(
        label="Carry over unused money up to",
        required=False,
        min_value=0,
        max_digits=27,
        decimal_places=12,
        help_text="Empty: nothing is carried over.",
    )
    overspend = forms.BooleanField(label="Take overspend off the next window", required=False)
    thresholds = forms.CharField(
        label="Alert at",
        required=False,
        max_length=500,
        help_text="Percents of the limit, divided by commas: 80, 100, held 90, forecast 100.",
    )
    owners = forms.CharField(
        label="Tell",
        required=False,
        max_length=2000,
        help_text="E-mail addresses, divided by commas. Empty: finance.",
    )
    unpriced = forms.ChoiceField(
        label="A call without a price",
        choices=[
            (Unpriced.DENY.value, "is refused at a hard limit"),
            (Unpriced.NEEDS_APPROVAL.value, "needs approval at a hard limit"),
        ],
    )
    on_failure = forms.ChoiceField(
        label="When the guardrail cannot be asked",
        choices=[
            (OnFailure.OPEN.value, "calls go out (fail open)"),
            (OnFailure.CLOSED.value, "calls wait (fail closed)"),
        ],
    )

    def clean_currency(self) -> str:
        """Return the code in capitals."""
        return str(self.cleaned_data["currency"]).upper()

    def clean_thresholds(self) -> tuple[Threshold, ...]:
        """Read the thresholds."""
        text = self.cleaned_data["thresholds"].strip()
        if not text:
            return ()
        found = []
        for part in text.split(","):
            read = _THRESHOLD.fullmatch(part.strip().lower())
            if read is None:
                raise forms.ValidationError("Write percents such as 80, held 90, forecast 100.")
            found.append(Threshold(Decimal(read[2]), Basis(read[1] or Basis.ACTUAL.value)))
        return tuple(found)

    def clean_owners(self) -> tuple[str, ...]:
        """Read the addresses."""
        parts = re.split(r"[,;\s]+", self.cleaned_data["owners"])
        return tuple(part for part in parts if part)

    def to_draft(self) -> BudgetDraft:
        """Return the budget as the service takes it."""
        entered = self.cleaned_data
        return BudgetDraft(
            name=entered["name"],
            amount=entered["amount"],
            currency=entered["currency"],
            scope=self.scope,
            window=Window(entered["window"]),
            starts_on=entered["starts_on"],
            ends_on=entered["ends_on"],
            days=entered["days"],
            limit=Limit(entered["limit"]),
            rollover=Rollover(entered["unused_cap"], entered["overspend"]),
            thresholds=entered["thresholds"],
            owners=entered["owners"],
            unpriced=Unpriced(entered["unpriced"]),
            on_failure=OnFailure(entered["on_failure"]),
        )


def new_budget(currency: str) -> dict[str, Any]:
    """Return what the form of a new budget begins with."""
    return {"currency": currency, "thresholds": _thresholds(DEFAULT_THRESHOLDS)}


def kept_budget(budget: BudgetFacts) -> dict[str, Any]:
    """Return what the form of a budget begins with."""
    cap = budget.rollover.unused_cap
    return {
        "name": budget.name,
        "amount": plain_decimal(budget.amount),
        "currency": budget.currency,
        "limit": budget.limit.value,
        "window": budget.rule.kind.value,
        "starts_on": budget.rule.starts_on,
        "ends_on": budget.rule.ends_on,
        "days": budget.rule.days,
        "unused_cap": None if cap is None else plain_decimal(cap),
        "overspend": budget.rollover.overspend,
        "thresholds": _thresholds(budget.thresholds),
        "owners": ", ".join(budget.owners),
        "unpriced": budget.unpriced.value,
        "on_failure": budget.on_failure.value,
        **{f"scope_{key}": value for key, value in budget.scope.items()},
    }


def _thresholds(thresholds: tuple[Threshold, ...]) -> str:
    return ", ".join(
        plain_decimal(one.percent)
        if one.basis is Basis.ACTUAL
        else f"{one.basis.value} {plain_decimal(one.percent)}"
        for one in thresholds
    )


class RaiseForm(forms.Form):
    """More money for a while."""

    amount = forms.DecimalField(min_value=0, max_digits=27, decimal_places=12)
    expires_at = forms.DateTimeField(
        label="Until",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
        help_text="Then the limit falls back by itself.",
    )
    reason = forms.CharField(max_length=1000)


class SnoozeForm(forms.Form):
    """Silence for a while."""

    until = forms.DateTimeField(widget=forms.DateTimeInput(attrs={"type": "datetime-local"}))
    reason = forms.CharField(max_length=1000)


class PolicyForm(ScopedForm):
    """A model policy to put in force, or to try."""

    name = forms.CharField(max_length=200)
    verdict = forms.ChoiceField(
        label="What objects",
        choices=[
            (Verdict.DENY.value, "is refused"),
            (Verdict.NEEDS_APPROVAL.value, "needs approval"),
            (Verdict.WARN.value, "is warned of"),
        ],
    )
    on_failure = forms.ChoiceField(
        label="When the guardrail cannot be asked",
        choices=[
            (OnFailure.OPEN.value, "calls go out (fail open)"),
            (OnFailure.CLOSED.value, "calls wait (fail closed)"),
        ],
    )
    valid_from = forms.DateField(label="From", widget=forms.DateInput(attrs=_DAY))
    valid_to = forms.DateField(
        label="Until",
        required=False,
        widget=forms.DateInput(attrs=_DAY),
        help_text="First day without it; empty: no end.",
    )
    allowed_models = forms.CharField(
        required=False,
        max_length=4000,
        help_text="Names or patterns, divided by commas: gpt-4o*, anthropic/*. Empty: every model.",
    )
    denied_models = forms.CharField(required=False, max_length=4000)
    environments = forms.CharField(
        required=False, max_length=1000, help_text="In which use is allowed; empty: in all."
    )
    max_context_tokens = forms.IntegerField(
        label="Largest context", required=False, min_value=0, help_text="In tokens, of a request."
    )
    max_output_tokens = forms.IntegerField(
        label="Largest output", required=False, min_value=0, help_text="In tokens, of a request."
    )
    ultra_context_tokens = forms.IntegerField(
        label="A justification is needed from",
        required=False,
        min_value=0,
        help_text="In tokens of context.",
    )
    price_ceiling = forms.DecimalField(
        label="Most that a request may cost",
        required=False,
        min_value=0,
        max_digits=24,
        decimal_places=12,
    )
    currency = forms.CharField(required=False, max_length=3, widget=forms.TextInput(attrs=_SHORT))
    hours = forms.CharField(
        required=False,
        max_length=200,
        help_text="In which use is allowed, in your timezone: mon-fri 08:00-20:00. Empty: always.",
    )

    def clean(self) -> dict[str, Any]:
        """Read the rules."""
        entered = super().clean() or {}
        sent: dict[str, Any] = {
            name: [part.strip() for part in entered.get(name, "").split(",") if part.strip()]
            for name in ("allowed_models", "denied_models", "environments")
        }
        for name in ("max_context_tokens", "max_output_tokens", "ultra_context_tokens", "hours"):
            if entered.get(name) not in (None, ""):
                sent[name] = entered[name]
        if entered.get("price_ceiling") is not None:
            sent |= {
                "price_ceiling": entered["price_ceiling"],
                "currency": entered.get("currency", "").upper(),
            }
        rules, wrong = read_rules(sent)
        for one in wrong:
            name = one.field.removeprefix("rules.")
            self.add_error(name if name in self.fields else None, one.message)
        self.rules = rules
        return entered

    def to_draft(self) -> PolicyDraft:
        """Return the policy as the service takes it."""
        entered = self.cleaned_data
        assert isinstance(self.rules, Rules)
        return PolicyDraft(
            name=entered["name"],
            rules=self.rules,
            scope=self.scope,
            verdict=Verdict(entered["verdict"]),
            on_failure=OnFailure(entered["on_failure"]),
            valid_from=entered["valid_from"],
            valid_to=entered["valid_to"],
        )


def kept_policy(policy: PolicyFacts) -> dict[str, Any]:
    """Return what the form of a policy begins with."""
    rules = policy.rules
    ceiling = rules.price_ceiling
    return {
        "name": policy.name,
        "verdict": policy.verdict.value,
        "on_failure": policy.on_failure.value,
        "valid_to": policy.valid_to,
        "allowed_models": ", ".join(rules.allowed_models),
        "denied_models": ", ".join(rules.denied_models),
        "environments": ", ".join(rules.environments),
        "max_context_tokens": rules.max_context_tokens,
        "max_output_tokens": rules.max_output_tokens,
        "ultra_context_tokens": rules.ultra_context_tokens,
        "price_ceiling": None if ceiling is None else plain_decimal(ceiling),
        "currency": rules.currency,
        "hours": rules.hours,
        **{f"scope_{key}": value for key, value in policy.scope.items()},
    }


class JustificationForm(forms.Form):
    """Why a team may use ultra-large contexts."""

    team = forms.CharField(
        required=False,
        max_length=256,
        help_text="Empty: everybody.",
        widget=forms.TextInput(_SHORT),
    )
    valid_from = forms.DateField(label="From", widget=forms.DateInput(attrs=_DAY))
    valid_to = forms.DateField(label="Until", widget=forms.DateInput(attrs=_DAY))
    reason = forms.CharField(
        label="Expected return", max_length=2000, widget=forms.Textarea(attrs={"rows": 2})
    )


class TesterForm(forms.Form):
    """A use to try the guardrail with."""

    provider = forms.CharField(max_length=200, required=False, widget=forms.TextInput(_SHORT))
    model = forms.CharField(max_length=200, widget=forms.TextInput(_SHORT))
    input_tokens = forms.IntegerField(min_value=0, initial=1000)
    output_tokens = forms.IntegerField(min_value=0, initial=500)
    requests = forms.IntegerField(min_value=1, initial=1)
    team = forms.CharField(max_length=256, required=False, widget=forms.TextInput(_SHORT))
    feature = forms.CharField(max_length=256, required=False, widget=forms.TextInput(_SHORT))
    environment = forms.CharField(max_length=256, required=False, widget=forms.TextInput(_SHORT))
    experiment = forms.CharField(max_length=256, required=False, widget=forms.TextInput(_SHORT))

    def to_ask(self) -> Ask:
        """Return the use as the service takes it."""
        entered = self.cleaned_data
        tags = ("team", "feature", "environment", "experiment")
        return Ask(
            provider=entered["provider"],
            model=entered["model"],
            tags={name: entered[name] for name in tags if entered[name]},
            input_tokens=entered["input_tokens"],
            output_tokens=entered["output_tokens"],
            requests=entered["requests"],
        )
