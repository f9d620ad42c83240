"""The forms of journals: a posting, an account, the columns of files."""

from __future__ import annotations

from django import forms

from apps.chargeback.domain.journal import AccountOf, MappingKind
from apps.chargeback.domain.journal_layout import CUSTOM, PRESETS
from apps.core.domain.months import Month


class PostingForm(forms.Form):
    """The ledger's reference of a journal."""

    reference = forms.CharField(label="Ledger reference", max_length=100)
    posted_on = forms.DateField(label="Posted on", widget=forms.DateInput(attrs={"type": "date"}))


class MappingForm(forms.Form):
    """An account for a cost center or a provider."""

    kind = forms.ChoiceField(
        label="What",
        choices=[
            (MappingKind.COST_CENTER.value, "Cost center, debited"),
            (MappingKind.CLEARING.value, "Provider, credited"),
        ],
    )
    key = forms.CharField(
        label="Code",
        max_length=64,
        help_text="The cost center's code, or the provider's; * is any provider.",
    )
    account = forms.CharField(
        label="General-ledger account",
        max_length=64,
        required=False,
        help_text="Empty ends the mapping.",
    )
    target = forms.CharField(
        label="Cost center in the ledger",
        max_length=64,
        required=False,
        help_text="When it has another code there.",
    )
    valid_from = forms.RegexField(
        label="From month", regex=r"^[0-9]{4}-(0[1-9]|1[0-2])$", help_text="As 2026-10."
    )

    def to_mapping(self) -> AccountOf:
        """Return the mapping as the service takes it."""
        asked = self.cleaned_data
        return AccountOf(
            kind=MappingKind(asked["kind"]),
            key=asked["key"],
            account=asked["account"],
            target=asked["target"],
            valid_from=Month.parse(asked["valid_from"]),
        )


class LayoutForm(forms.Form):
    """The columns of journal files."""

    preset = forms.ChoiceField(
        label="Columns of",
        choices=[*((code, name) for code, (name, _) in PRESETS.items()), (CUSTOM, "Your own")],
    )
    company = forms.CharField(
        label="Company code", max_length=64, required=False, help_text="Legal entity or ledger."
    )
    columns = forms.CharField(
        label="Your own columns",
        required=False,
        widget=forms.Textarea(attrs={"rows": 12, "class": "mono", "spellcheck": "false"}),
        help_text='A line a column: Head = field, or Head = "text". Used when you chose your own.',
    )
