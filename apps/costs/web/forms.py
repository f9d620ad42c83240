"""Forms of bills, provider accounts and mappings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from django import forms

from apps.core.domain.errors import Refusal
from apps.costs.domain.accounts import AccountDraft, Feed, Truth

_SHORT: Final = {"autocomplete": "off", "spellcheck": "false"}
_TRUTHS: Final = [
    (Truth.BILLED.value, "The bill; until it is there, our metering"),
    (Truth.METERED.value, "Our metering; bills are compared only"),
    (Truth.TRUED_UP.value, "Our metering, trued up to the bill"),
]
_FEEDS: Final = [(Feed.REQUEST.value, "Single requests"), (Feed.BUCKET.value, "Provider's totals")]


class UploadForm(forms.Form):
    """A bill as a file."""

    account = forms.ChoiceField(label="Provider account")
    file = forms.FileField(
        label="FOCUS file",
        help_text="FOCUS 1.0 or later, CSV in UTF-8, plain or gzip. The same file again changes "
        "nothing.",
    )

    def __init__(self, *args: Any, accounts: Sequence[tuple[str, str]], **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["account"].choices = accounts  # type: ignore[attr-defined]


class AccountForm(forms.Form):
    """A provider account to declare."""

    code = forms.CharField(max_length=64, widget=forms.TextInput(attrs=_SHORT))
    name = forms.CharField(max_length=200)
    provider = forms.CharField(
        label="Metered provider",
        max_length=64,
        required=False,
        widget=forms.TextInput(attrs=_SHORT),
        help_text="As your usage names it, as openai. Empty: its bills stand beside the usage.",
    )
    account = forms.CharField(
        label="Its account",
        max_length=256,
        required=False,
        widget=forms.TextInput(attrs=_SHORT),
        help_text="As your usage names it; * for every account.",
    )
    truth = forms.ChoiceField(label="What counts", choices=_TRUTHS)
    feed = forms.ChoiceField(label="Usage arrives as", choices=_FEEDS)

    def to_draft(self) -> AccountDraft:
        """Return the account as the service takes it."""
        entered = self.cleaned_data
        return AccountDraft(
            **{**entered, "truth": Truth(entered["truth"]), "feed": Feed(entered["feed"])}
        )


class MappingForm(forms.Form):
    """A value that is to stand for a registered code."""

    tag = forms.CharField(max_length=64, strip=False)
    value = forms.CharField(max_length=256, strip=False)
    dimension = forms.CharField(max_length=64)
    target = forms.CharField(max_length=64)


def show_refusal(form: forms.Form, refusal: Refusal, field_of: Callable[[str], str] = str) -> None:
    """Put a service's refusal beside the fields that it names, else above the form."""
    for wrong in refusal.errors:
        name = field_of(wrong.field)
        form.add_error(name if name in form.fields else None, wrong.message)
    if not refusal.errors:
        form.add_error(None, refusal.message)
