"""The form of a what-if question; it is a query string, so that an answer can be passed on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from django import forms

from apps.catalog.domain.meters import METERS
from apps.core.domain.months import Month
from apps.insights.selectors import Question
from apps.rating import selectors as rating
from apps.tenants import selectors as tenants

SWAPS: Final = 3
PRICES: Final = 4
_SIZES: Final = [("1000000", "1M"), ("1000", "1K"), ("1", "1"), ("1000000000", "1B")]
_PLAIN: Final = {"autocomplete": "off", "spellcheck": "false"}
_NAME: Final = "Write it as provider/model: openai/gpt-4o."


class WhatIfForm(forms.Form):
    """A month, models to take for others, prices to suppose, and whose usage."""

    month = forms.ChoiceField()
    team = forms.CharField(max_length=200, required=False, help_text="Empty: every team.")
    product = forms.CharField(max_length=200, required=False, help_text="Empty: every product.")

    def __init__(
        self, data: Mapping[str, Any], *, months: Sequence[tuple[str, str]], used: Sequence[str]
    ) -> None:
        super().__init__(data)
        self._choice("month").choices = months
        models = [("", "None"), *((name, name) for name in used)]
        for number in range(1, SWAPS + 1):
            self.fields[f"used_{number}"] = forms.ChoiceField(
                label="Instead of", choices=models, required=False
            )
            self.fields[f"other_{number}"] = _text("Take", "models")
        for number in range(1, PRICES + 1):
            self.fields[f"model_{number}"] = _text("Model", "used")
            self.fields[f"meter_{number}"] = forms.ChoiceField(
                label="Meter", choices=_meters(), required=False
            )
            self.fields[f"amount_{number}"] = forms.DecimalField(
                label="Amount",
                max_digits=30,
                decimal_places=18,
                min_value=0,
                required=False,
                widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
            )
            self.fields[f"size_{number}"] = forms.ChoiceField(
                label="Per", choices=_SIZES, required=False
            )

    @property
    def swaps(self) -> Iterator[tuple[forms.BoundField, forms.BoundField]]:
        """Yield the pairs of models as fields."""
        for number in range(1, SWAPS + 1):
            yield self[f"used_{number}"], self[f"other_{number}"]

    @property
    def price_rows(self) -> Iterator[list[forms.BoundField]]:
        """Yield the supposed prices as rows of fields."""
        for number in range(1, PRICES + 1):
            yield [self[f"{name}_{number}"] for name in ("model", "meter", "amount", "size")]

    def clean(self) -> dict[str, Any]:
        """Ask for the other half of what is filled in by half."""
        entered = super().clean() or self.cleaned_data
        for number in range(1, SWAPS + 1):
            self._whole((f"used_{number}", f"other_{number}"), f"other_{number}")
        for number in range(1, PRICES + 1):
            self._whole((f"model_{number}", f"amount_{number}"), f"model_{number}")
        return entered

    @property
    def asks_something(self) -> bool:
        """Tell whether any model or price is supposed."""
        return bool(self.is_valid() and (self._swaps() or self._prices()))

    def to_question(self) -> Question:
        """Return what is asked."""
        entered = self.cleaned_data
        return Question(
            month=Month.parse(entered["month"]),
            prices=tuple(self._prices()),
            substitutions=tuple(self._swaps()),
            filters={name: entered[name] for name in ("team", "product") if entered[name]},
        )

    def _choice(self, name: str) -> forms.ChoiceField:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        return field

    def _whole(self, names: tuple[str, str], place: str) -> None:
        given = [self.cleaned_data.get(name) not in (None, "") for name in names]
        if any(given) and not all(given) and place not in self.errors:
            self.add_error(place, "Fill in both, or neither.")
        text = self.cleaned_data.get(place)
        if isinstance(text, str) and text and "/" not in text:
            self.add_error(place, _NAME)

    def _swaps(self) -> list[rating.Substitution]:
        entered = self.cleaned_data
        return [
            rating.Substitution(_name(entered[f"used_{n}"]), _name(entered[f"other_{n}"]))
            for n in range(1, SWAPS + 1)
            if entered.get(f"used_{n}")
        ]

    def _prices(self) -> list[rating.ContractDraft]:
        entered = self.cleaned_data
        start, end = Month.parse(entered["month"]).bounds(tenants.current().timezone)
        found = []
        for number in range(1, PRICES + 1):
            if not entered.get(f"model_{number}"):
                continue
            provider, model = _name(entered[f"model_{number}"])
            found.append(
                rating.ContractDraft(
                    provider=provider,
                    model=model,
                    meter=entered[f"meter_{number}"] or "input_tokens",
                    amount=entered[f"amount_{number}"],
                    unit_size=int(entered[f"size_{number}"] or 1_000_000),
                    currency="USD",
                    valid_from=start,
                    valid_to=end,
                )
            )
        return found


def _text(label: str, listed: str) -> forms.CharField:
    widget = forms.TextInput(attrs={**_PLAIN, "list": listed, "placeholder": "provider/model"})
    return forms.CharField(label=label, max_length=265, required=False, widget=widget)


def _meters() -> list[tuple[str, str]]:
    return [(meter.code, meter.label) for meter in METERS.values()]


def _name(text: str) -> tuple[str, str]:
    provider, _, model = text.partition("/")
    return provider.strip(), model.strip()
