"""The forms of requests: short, with likely figures first and the rest by default."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from django import forms

from apps.core.domain.errors import Refusal
from apps.experiments.domain.bands import Counts
from apps.experiments.domain.proposals import (
    LimitKind,
    ModelPlan,
    Proposal,
    Sensitivity,
    without_blanks,
)

PLANS: Final = 3
_PLAIN: Final = {"autocomplete": "off", "spellcheck": "false"}
_WHOLE: Final = {"inputmode": "numeric", "autocomplete": "off", "min": "0"}
_MONEY: Final = {"inputmode": "decimal", "autocomplete": "off"}
_COUNTS: Final = ("runs", "input_tokens", "output_tokens")


def _count(label: str, *, required: bool = False) -> forms.IntegerField:
    return forms.IntegerField(
        label=label,
        required=required,
        min_value=0,
        max_value=10**9,
        widget=forms.NumberInput(attrs=_WHOLE),
    )


class PlanForm(forms.Form):
    """Runs of one model; low and high are the likely figure unless they are stated."""

    model = forms.CharField(
        label="Model",
        max_length=500,
        widget=forms.TextInput(attrs={**_PLAIN, "list": "models", "placeholder": "openai/gpt-4o"}),
        help_text="As provider/model.",
    )
    runs_likely = _count("Likely", required=True)
    runs_low = _count("At least")
    runs_high = _count("At most")
    input_tokens_likely = _count("Likely", required=True)
    input_tokens_low = _count("At least")
    input_tokens_high = _count("At most")
    output_tokens_likely = _count("Likely", required=True)
    output_tokens_low = _count("At least")
    output_tokens_high = _count("At most")
    cache_percent = forms.DecimalField(
        label="Input from the cache, %",
        required=False,
        min_value=0,
        max_value=100,
        max_digits=6,
        decimal_places=2,
        widget=forms.TextInput(attrs=_MONEY),
    )
    batch = forms.BooleanField(label="In batch mode", required=False)

    def to_plan(self) -> ModelPlan:
        """Return the plan of a form that is filled in."""
        said = self.cleaned_data
        provider, slash, model = said["model"].strip().partition("/")
        share = said["cache_percent"] or Decimal(0)
        return ModelPlan(
            provider=provider if slash else "",
            model=model if slash else provider,
            runs=self._counts("runs"),
            input_tokens=self._counts("input_tokens"),
            output_tokens=self._counts("output_tokens"),
            cache_share=share / 100,
            batch=said["batch"],
        )

    def _counts(self, name: str) -> Counts:
        low, likely, high = (
            self.cleaned_data[f"{name}_{point}"] for point in ("low", "likely", "high")
        )
        return Counts(likely if low is None else low, likely, likely if high is None else high)

    @property
    def grid(self) -> list[tuple[str, list[forms.BoundField]]]:
        """Return the figures in groups: of what, and its three cases."""
        words = ("Runs", "Input tokens a run", "Output tokens a run")
        return [
            (word, [self[f"{name}_{point}"] for point in ("likely", "low", "high")])
            for word, name in zip(words, _COUNTS, strict=True)
        ]


class RequestForm(forms.Form):
    """What a request says, but for its plans."""

    title = forms.CharField(
        label="What do you want to try?",
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    hypothesis = forms.CharField(
        label="What do you expect to learn?",
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    team = forms.CharField(
        label="Team", max_length=64, widget=forms.TextInput(attrs={**_PLAIN, "list": "teams"})
    )
    starts_on = forms.DateField(label="From", widget=forms.DateInput(attrs={"type": "date"}))
    ends_on = forms.DateField(label="To", widget=forms.DateInput(attrs={"type": "date"}))
    amount = forms.DecimalField(
        label="Amount",
        required=False,
        max_digits=24,
        decimal_places=12,
        widget=forms.TextInput(attrs=_MONEY),
        help_text="Empty: the high end of the estimate.",
    )
    outcome_name = forms.CharField(
        label="Outcome",
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs=_PLAIN),
        help_text="Its name as you send it, such as answer_accepted.",
    )
    outcome_target = forms.IntegerField(
        label="Successes expected",
        required=False,
        min_value=1,
        widget=forms.NumberInput(attrs=_WHOLE),
    )
    outcome_value = forms.DecimalField(
        label="Worth of one success",
        required=False,
        max_digits=24,
        decimal_places=12,
        widget=forms.TextInput(attrs=_MONEY),
    )
    roi_case = forms.CharField(
        label="Why is it worth the money?",
        required=False,
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    owner = forms.CharField(
        label="Who spends it",
        max_length=254,
        widget=forms.TextInput(attrs=_PLAIN),
        help_text="E-mail address of a person here.",
    )
    environments = forms.CharField(
        label="Environments",
        required=False,
        max_length=500,
        widget=forms.TextInput(attrs=_PLAIN),
        help_text="Separated by commas, such as staging.",
    )
    sensitivity = forms.ChoiceField(
        label="Most sensitive data",
        choices=[(one.value, one.value.capitalize()) for one in Sensitivity],
        initial=Sensitivity.INTERNAL.value,
    )
    max_context_tokens = forms.IntegerField(
        label="Largest context, tokens",
        required=False,
        min_value=1,
        widget=forms.NumberInput(attrs=_WHOLE),
        help_text="Empty: the most that one planned run takes.",
    )
    product = forms.CharField(
        label="Product",
        required=False,
        max_length=64,
        widget=forms.TextInput(attrs={**_PLAIN, "list": "products"}),
        help_text="Where its usage carries one: its budgets are asked too.",
    )
    feature = forms.CharField(
        label="Feature",
        required=False,
        max_length=64,
        widget=forms.TextInput(attrs={**_PLAIN, "list": "features"}),
    )
    code = forms.CharField(
        label="Tag",
        required=False,
        max_length=40,
        widget=forms.TextInput(attrs=_PLAIN),
        help_text="Where usage carries one already; else you are given one.",
    )
    limit = forms.ChoiceField(
        label="When the money is spent",
        choices=[
            (LimitKind.HARD.value, "Refuse more (hard limit)"),
            (LimitKind.SOFT.value, "Warn only (soft limit)"),
        ],
        initial=LimitKind.HARD.value,
    )

    def to_proposal(self, plans: tuple[ModelPlan, ...]) -> Proposal:
        """Return the content."""
        said = {name: value for name, value in self.cleaned_data.items() if name != "code"}
        return Proposal(
            **{
                **said,
                "plans": plans,
                "environments": without_blanks(said["environments"].split(",")),
                "sensitivity": Sensitivity(said["sensitivity"]),
                "limit": LimitKind(said["limit"]),
            }
        )


class AmendForm(forms.Form):
    """More money, more time, or both."""

    amount = forms.DecimalField(
        label="New total",
        required=False,
        max_digits=24,
        decimal_places=12,
        widget=forms.TextInput(attrs=_MONEY),
    )
    ends_on = forms.DateField(
        label="New last day", required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    note = forms.CharField(label="Why", max_length=2000, widget=forms.Textarea(attrs={"rows": 3}))


class AwayForm(forms.Form):
    """Who stands in while somebody is away."""

    delegate = forms.ChoiceField(label="Who decides meanwhile")
    starts_on = forms.DateField(label="From", widget=forms.DateInput(attrs={"type": "date"}))
    ends_on = forms.DateField(label="To", widget=forms.DateInput(attrs={"type": "date"}))
    reason = forms.CharField(label="Reason", max_length=200, required=False)

    def __init__(self, *args: Any, people: list[tuple[str, str]], **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["delegate"].choices = people  # type: ignore[attr-defined]


def initial_of(proposal: Proposal) -> dict[str, Any]:
    """Return what a request's form shows of content."""
    names = [name for name in RequestForm.base_fields if name not in ("environments", "code")]
    values = {name: getattr(proposal, name) for name in names}
    return {
        **values,
        "environments": ", ".join(proposal.environments),
        "sensitivity": proposal.sensitivity.value,
        "limit": proposal.limit.value,
    }


def plan_initial(plan: ModelPlan) -> dict[str, Any]:
    """Return what a plan's form shows."""
    values: dict[str, Any] = {"model": plan.name, "batch": plan.batch}
    for name in _COUNTS:
        counts: Counts = getattr(plan, name)
        values[f"{name}_likely"] = counts.likely
        values[f"{name}_low"] = counts.low if counts.low != counts.likely else None
        values[f"{name}_high"] = counts.high if counts.high != counts.likely else None
    values["cache_percent"] = (plan.cache_share * 100).normalize() if plan.cache_share else None
    return values


def fresh_dates(today: date) -> dict[str, date]:
    """Return the days that a new request proposes: two weeks from today."""
    return {"starts_on": today, "ends_on": today + timedelta(days=13)}


def show_refusal(form: forms.Form, refusal: Refusal) -> None:
    """Put a refusal beside the fields that it names, or on top."""
    for wrong in refusal.errors:
        form.add_error(wrong.field if wrong.field in form.fields else None, wrong.message)
    if not refusal.errors:
        form.add_error(None, refusal.message)


def in_words(refusal: Refusal) -> str:
    """Return a refusal as a message of a page: fields by the labels that people see."""
    if not refusal.errors:
        return refusal.message
    labels = {name: field.label for name, field in RequestForm.base_fields.items()}
    said = ((labels.get(wrong.field), wrong.message) for wrong in refusal.errors)
    return " ".join(f"{label}: {text}" if label else text for label, text in said)
