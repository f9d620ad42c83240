"""Forms of discounts, commitments, cost models and sheets."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from django import forms

from apps.rating.domain.cost_models import CostModelDraft
from apps.rating.domain.terms import CommitmentDraft, DiscountDraft, LevelDraft, Scope
from apps.rating.services import Priced
from apps.rating.web.forms import UNIT_SIZES, meter_choices, moment_field

LEVELS: Final = 6
_SHORT: Final = {"autocomplete": "off", "spellcheck": "false"}
_NUMBER: Final = {"inputmode": "decimal", "autocomplete": "off"}
_ANY: Final = [("", "Every meter")]
_BATCH: Final = [("", "Batch and others"), ("yes", "Batch only"), ("no", "Not batch")]
_OPEN: Final = "Empty: until further notice."
_YES: Final = {"yes": True, "no": False, "": None}
_CLASSES: Final = (
    ("input_tokens", "Input"),
    ("cached_input_tokens", "Cached input"),
    ("output_tokens", "Output"),
)


def _number(label: str, *, digits: int, places: int, **options: Any) -> forms.DecimalField:
    widget = forms.TextInput(attrs=_NUMBER)
    return forms.DecimalField(
        label=label, max_digits=digits, decimal_places=places, widget=widget, **options
    )


class ScopeForm(forms.Form):
    """What a term is about."""

    provider = forms.CharField(
        max_length=64,
        required=False,
        widget=forms.TextInput(attrs=_SHORT),
        help_text="Such as openai or azure. Empty: every provider.",
    )
    model = forms.CharField(
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs=_SHORT),
        help_text='A model, or several with a star: "gpt-4o*". Empty: every model.',
    )
    family = forms.CharField(
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs=_SHORT),
        help_text="A family of the catalogue instead of a model, such as claude-sonnet.",
    )
    meter = forms.ChoiceField(choices=[*_ANY, *meter_choices()], required=False)

    def scope(self) -> Scope:
        """Return the scope that was entered."""
        names = ("provider", "family", "model", "meter")
        return Scope(**{name: self.cleaned_data[name] for name in names})


class DiscountForm(ScopeForm):
    """A discount to record."""

    percent = _number("Percent off list", digits=9, places=6, help_text="15 for 15 % off.")
    valid_from = moment_field(label="Valid from")
    valid_to = moment_field(label="Valid to", required=False, help_text=_OPEN)
    service_tier = forms.CharField(
        max_length=64, required=False, help_text="Empty: every tier. Else standard, flex, ..."
    )
    batch = forms.ChoiceField(choices=_BATCH, required=False)
    region = forms.CharField(max_length=64, required=False, help_text="Empty: every region.")
    note = forms.CharField(max_length=500, required=False, help_text="Which contract says so.")
    replaces = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def to_draft(self) -> DiscountDraft:
        """Return the discount as the service takes it."""
        entered = self.cleaned_data
        return DiscountDraft(
            scope=self.scope(),
            percent=entered["percent"],
            valid_from=entered["valid_from"],
            valid_to=entered["valid_to"],
            service_tier=entered["service_tier"],
            batch=_YES[entered["batch"]],
            region=entered["region"],
            note=entered["note"],
            replaces=entered["replaces"],
        )


class CommitmentForm(ScopeForm):
    """A commitment with its levels."""

    name = forms.CharField(max_length=200, widget=forms.TextInput(attrs=_SHORT))
    measure = forms.ChoiceField(
        choices=[("spend", "Spend a month"), ("quantity", "Quantity of the meter a month")],
        label="What is committed",
    )
    currency = forms.CharField(max_length=3, min_length=3, initial="USD")
    note = forms.CharField(max_length=500, required=False, help_text="Which contract says so.")

    field_order = ("name", "measure", "currency", "provider", "model", "family", "meter", "note")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for number in range(1, LEVELS + 1):
            needed = number == 1
            self.fields[f"commit_{number}"] = _number(
                f"Level {number}: commit a month", digits=34, places=12, required=needed
            )
            self.fields[f"percent_{number}"] = _number(
                "Percent off list", digits=9, places=6, required=False
            )
            self.fields[f"amount_{number}"] = _number(
                "Or a price", digits=30, places=18, required=False
            )
            self.fields[f"size_{number}"] = forms.ChoiceField(
                label="Per", choices=UNIT_SIZES, required=False, initial="1000000"
            )

    @property
    def levels(self) -> Iterator[list[forms.BoundField]]:
        """Yield the levels as rows of fields."""
        for number in range(1, LEVELS + 1):
            yield [self[f"{name}_{number}"] for name in ("commit", "percent", "amount", "size")]

    def to_draft(self) -> CommitmentDraft:
        """Return the commitment as the service takes it."""
        entered = self.cleaned_data
        return CommitmentDraft(
            name=entered["name"],
            scope=self.scope(),
            measure=entered["measure"],
            currency=entered["currency"].upper(),
            levels=tuple(self._levels()),
            note=entered["note"],
        )

    def _levels(self) -> Iterator[LevelDraft]:
        entered = self.cleaned_data
        for number in range(1, LEVELS + 1):
            if entered.get(f"commit_{number}") is None:
                continue
            amount = entered[f"amount_{number}"]
            yield LevelDraft(
                commit=entered[f"commit_{number}"],
                percent=entered[f"percent_{number}"],
                amount=amount,
                unit_size=None if amount is None else int(entered[f"size_{number}"] or 1_000_000),
            )


class LevelForm(forms.Form):
    """Which level is in force over which time."""

    level = forms.TypedChoiceField(coerce=int)
    valid_from = moment_field(label="In force from")
    valid_to = moment_field(label="To", required=False, help_text=_OPEN)
    note = forms.CharField(max_length=500, required=False)

    def __init__(self, *args: Any, levels: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["level"]
        assert isinstance(field, forms.TypedChoiceField)
        field.choices = levels


class CostModelForm(forms.Form):
    """What a self-hosted model runs on."""

    name = forms.CharField(
        max_length=200, help_text="Such as: Llama 3 70B on 8 H100, October 2026."
    )
    provider = forms.CharField(
        max_length=64,
        required=False,
        widget=forms.TextInput(attrs=_SHORT),
        help_text="As usage names it, such as in-house.",
    )
    model = forms.CharField(max_length=200, widget=forms.TextInput(attrs=_SHORT))
    gpu_hourly_rate = _number("One GPU, an hour", digits=30, places=12)
    currency = forms.CharField(max_length=3, min_length=3, initial="USD")
    gpus = _number("GPUs", digits=20, places=6)
    utilization = _number(
        "Utilization in percent",
        digits=9,
        places=6,
        required=False,
        help_text="How busy the fleet is: 60. Or say below what it made.",
    )
    hours = _number(
        "Measured over hours",
        digits=20,
        places=6,
        required=False,
        help_text="744 for a month of 31 days.",
    )
    valid_from = moment_field(label="Prices valid from")
    valid_to = moment_field(label="Valid to", required=False, help_text=_OPEN)
    note = forms.CharField(max_length=500, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for meter, label in _CLASSES:
            self.fields[f"speed_{meter}"] = _number(
                f"{label} tokens a second", digits=24, places=6, required=False
            )
            self.fields[f"made_{meter}"] = _number(
                f"{label} tokens measured", digits=24, places=0, required=False
            )

    @property
    def classes(self) -> Iterator[list[forms.BoundField]]:
        """Yield throughput and measured tokens of each class."""
        for meter, _ in _CLASSES:
            yield [self[f"speed_{meter}"], self[f"made_{meter}"]]

    def to_draft(self) -> CostModelDraft:
        """Return the inputs as the service takes them."""
        entered = self.cleaned_data
        busy: Decimal | None = entered["utilization"]
        return CostModelDraft(
            name=entered["name"],
            gpu_hourly_rate=entered["gpu_hourly_rate"],
            gpus=entered["gpus"],
            currency=entered["currency"].upper(),
            throughput=self._of("speed"),
            utilization=None if busy is None else busy.scaleb(-2),
            measured=self._of("made"),
            hours=entered["hours"],
        )

    def to_priced(self) -> Priced:
        """Return for what and when the prices hold."""
        names = ("provider", "model", "valid_from", "valid_to", "note")
        return Priced(**{name: self.cleaned_data[name] for name in names})

    def _of(self, kind: str) -> dict[str, Decimal]:
        found = {meter: self.cleaned_data[f"{kind}_{meter}"] for meter, _ in _CLASSES}
        return {meter: number for meter, number in found.items() if number is not None}


class SheetForm(forms.Form):
    """A CSV file of contract prices and discounts."""

    file = forms.FileField(
        label="CSV file",
        help_text="With the columns of the export. Up to 2,000 rows. It is tried first; nothing "
        "is recorded before you say so.",
    )
