"""Forms of the organization pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms

from apps.core.domain.errors import Refusal
from apps.directory import selectors
from apps.directory.domain.entries import (
    CostCenterFacts,
    CustomerFacts,
    Entry,
    FeatureFacts,
    ProductFacts,
    TeamFacts,
)


def _day(label: str, help_text: str) -> forms.DateField:
    widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    return forms.DateField(label=label, required=False, widget=widget, help_text=help_text)


class EntryForm(forms.Form):
    """An entry of the directory; the code of an existing one is fixed."""

    code = forms.CharField(
        max_length=64,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text="What senders put into the tag. It never changes.",
    )
    name = forms.CharField(max_length=200)
    valid_from = _day("Valid from", "Empty: always has been.")
    valid_to = _day("Valid to", "The first day on which it is no more. Empty: for good.")

    def __init__(self, *args: Any, fixed_code: str = "", **options: Any) -> None:
        super().__init__(*args, **options)
        if fixed_code:
            self.fields["code"].disabled = True
            self.fields["code"].help_text = "It never changes."

    def to_entry(self) -> Entry:
        """Return the entry as the service takes it."""
        raise NotImplementedError


class CostCenterForm(EntryForm):
    """A cost center."""

    owner_name = forms.CharField(max_length=200, required=False)
    owner_email = forms.CharField(max_length=254, required=False)
    gl_code = forms.CharField(label="Ledger code", max_length=200, required=False)
    parent = forms.ChoiceField(label="Under", required=False)
    since = _day("Under it from", "Empty: for every day.")
    field_order = ["code", "name", "owner_name", "owner_email", "gl_code", "parent", "since"]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        _choose(self, "parent", [(one.code, one.name) for one in selectors.cost_centers()])

    def to_entry(self) -> CostCenterFacts:
        """Return the entry as the service takes it."""
        return CostCenterFacts(**_without(self.cleaned_data, "since"))


class TeamForm(EntryForm):
    """A team."""

    cost_center = forms.ChoiceField(label="Cost center", required=False)
    since = _day("Belongs to it from", "Empty: for every day.")
    field_order = ["code", "name", "cost_center", "since"]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        _choose(self, "cost_center", [(one.code, one.name) for one in selectors.cost_centers()])

    def to_entry(self) -> TeamFacts:
        """Return the entry as the service takes it."""
        return TeamFacts(**_without(self.cleaned_data, "since"))


class ProductForm(EntryForm):
    """A product."""

    def to_entry(self) -> ProductFacts:
        """Return the entry as the service takes it."""
        return ProductFacts(**self.cleaned_data)


class FeatureForm(EntryForm):
    """A feature."""

    product = forms.ChoiceField(required=False)
    field_order = ["code", "name", "product"]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        _choose(self, "product", [(one.code, one.name) for one in selectors.products()])

    def to_entry(self) -> FeatureFacts:
        """Return the entry as the service takes it."""
        return FeatureFacts(**self.cleaned_data)


class CustomerForm(EntryForm):
    """A customer."""

    email = forms.CharField(label="E-mail", max_length=254, required=False)
    field_order = ["code", "name", "email"]

    def to_entry(self) -> CustomerFacts:
        """Return the entry as the service takes it."""
        return CustomerFacts(**self.cleaned_data)


def show_refusal(form: forms.Form, refusal: Refusal) -> None:
    """Put a service's refusal beside the fields that it names, else above the form."""
    for wrong in refusal.errors:
        form.add_error(wrong.field if wrong.field in form.fields else None, wrong.message)
    if not refusal.errors:
        form.add_error(None, refusal.message)


def _choose(form: forms.Form, name: str, codes: Sequence[tuple[str, str]]) -> None:
    choices = [("", "none"), *((code, f"{code}, {label}") for code, label in codes)]
    form.fields[name].choices = choices  # type: ignore[attr-defined]


def _without(values: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key != name}
