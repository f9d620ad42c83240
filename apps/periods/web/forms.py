"""Forms of the exchange rates."""

from __future__ import annotations

from typing import Any

from django import forms

from apps.core.domain.errors import Refusal
from apps.core.domain.months import Month
from apps.periods.domain.fx import RateKind

_KINDS = [
    (RateKind.BUDGET.value, "Budget rate, until the month is frozen"),
    (RateKind.FROZEN.value, "Frozen rate, from the freeze on"),
]
_CODE = {"autocomplete": "off", "spellcheck": "false", "maxlength": "3"}


class RateForm(forms.Form):
    """An exchange rate to enter."""

    month = forms.ChoiceField(help_text="A budget rate stays in force until another is set.")
    kind = forms.ChoiceField(choices=_KINDS)
    base = forms.CharField(
        label="One unit of", max_length=3, widget=forms.TextInput(attrs=_CODE), help_text="As USD."
    )
    quote = forms.CharField(
        label="Is worth in", max_length=3, widget=forms.TextInput(attrs=_CODE), help_text="As EUR."
    )
    rate = forms.DecimalField(
        max_digits=24,
        decimal_places=12,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
        help_text="Units of the second currency for one of the first. It is used as entered and "
        "never turned round.",
    )
    source = forms.CharField(max_length=200, help_text="Who published it, as ECB reference rates.")
    rate_on = forms.DateField(
        label="Published for",
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )

    def __init__(self, *args: Any, months: list[tuple[str, str]], **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["month"].choices = months  # type: ignore[attr-defined]

    def to_values(self) -> dict[str, Any]:
        """Return the values as the service takes them."""
        entered = self.cleaned_data
        return {
            **entered,
            "month": Month.parse(entered["month"]),
            "kind": RateKind(entered["kind"]),
            "base": entered["base"].upper(),
            "quote": entered["quote"].upper(),
        }


def show_refusal(form: forms.Form, refusal: Refusal) -> None:
    """Put a service's refusal beside the fields that it names, else above the form."""
    for wrong in refusal.errors:
        form.add_error(wrong.field if wrong.field in form.fields else None, wrong.message)
    if not refusal.errors:
        form.add_error(None, refusal.message)
