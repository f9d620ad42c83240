"""Forms of the price pages."""

from __future__ import annotations

from typing import Any, Final

from django import forms

from apps.catalog.domain.conditions import Conditions
from apps.catalog.domain.meters import METERS
from apps.core.domain.errors import Refusal
from apps.rating.services import ContractDraft

UNIT_SIZES: Final = [
    ("1", "1 unit"),
    ("1000", "1K (one thousand)"),
    ("1000000", "1M (one million)"),
    ("1000000000", "1B (one billion)"),
]
CONDITIONS: Final = ("service_tier", "region", "context_gt", "window", "batch")
"""Fields that most prices leave empty."""

_SHORT: Final = {"autocomplete": "off", "spellcheck": "false"}


def moment_field(**options: Any) -> forms.DateTimeField:
    """Return a field for a moment on the tenant's clock."""
    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
    return forms.DateTimeField(widget=widget, **options)


class ContractPriceForm(forms.Form):
    """A contract price to record."""

    provider = forms.CharField(
        max_length=64,
        required=False,
        widget=forms.TextInput(attrs=_SHORT),
        help_text="Such as openai, anthropic or azure; your own name for what you host yourself.",
    )
    model = forms.CharField(
        max_length=200,
        widget=forms.TextInput(attrs=_SHORT),
        help_text='A model, or a family with a star at its end: "gpt-4o*".',
    )
    meter = forms.CharField(
        max_length=64,
        widget=forms.TextInput(attrs={**_SHORT, "list": "meters"}),
        help_text="What is counted, such as input_tokens or output_tokens.",
    )
    amount = forms.DecimalField(
        max_digits=30,
        decimal_places=18,
        min_value=0,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )
    unit_size = forms.TypedChoiceField(
        label="Per",
        choices=UNIT_SIZES,
        coerce=int,
        initial="1000000",
        help_text="Units of the meter.",
    )
    currency = forms.CharField(max_length=3, min_length=3, initial="USD")
    valid_from = moment_field(label="Valid from")
    valid_to = moment_field(
        label="Valid to", required=False, help_text="Empty: until further notice."
    )
    service_tier = forms.CharField(
        max_length=64, required=False, help_text="Empty: standard. Else priority, flex, ..."
    )
    region = forms.CharField(max_length=64, required=False, help_text="Empty: all regions.")
    context_gt = forms.IntegerField(
        label="Context over",
        required=False,
        min_value=0,
        help_text="Tokens; the price then holds for all tokens of longer requests.",
    )
    window = forms.CharField(
        label="Hours of days",
        max_length=200,
        required=False,
        help_text="Such as mon-fri 16:30-00:30 Asia/Shanghai; without a zone in UTC. "
        "Empty: always.",
    )
    batch = forms.BooleanField(label="Batch requests", required=False)
    note = forms.CharField(
        max_length=500,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Which contract or amendment says so.",
    )
    replaces = forms.UUIDField(required=False, widget=forms.HiddenInput)
    confirm_unit_slip = forms.BooleanField(
        label="The price is meant, although it is far from the list price", required=False
    )

    def to_draft(self) -> ContractDraft:
        """Return the price as the service takes it."""
        entered = self.cleaned_data
        return ContractDraft(
            provider=entered["provider"],
            model=entered["model"],
            meter=entered["meter"],
            amount=entered["amount"],
            unit_size=entered["unit_size"],
            currency=entered["currency"].upper(),
            valid_from=entered["valid_from"],
            valid_to=entered["valid_to"],
            conditions=Conditions(
                service_tier=entered["service_tier"],
                batch=entered["batch"],
                region=entered["region"],
                context_gt=entered["context_gt"] or 0,
                window=entered["window"],
            ),
            note=entered["note"],
            replaces=entered["replaces"],
            confirm_unit_slip=entered["confirm_unit_slip"],
        )


class EndForm(forms.Form):
    """When a contract price ends."""

    valid_to = moment_field(label="Ends at")


def meter_choices() -> list[tuple[str, str]]:
    """Return the meters that prices are known for, with their labels."""
    return [(meter.code, meter.label) for meter in METERS.values()]


def show_refusal(form: forms.Form, refusal: Refusal) -> None:
    """Put a service's refusal beside the fields that it names, else above the form."""
    for wrong in refusal.errors:
        form.add_error(wrong.field if wrong.field in form.fields else None, wrong.message)
    if not refusal.errors:
        form.add_error(None, refusal.message)
