"""Forms of bills, provider accounts and attribution rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson
from django import forms

from apps.core.domain.errors import FieldError, Refusal
from apps.costs.domain.accounts import AccountDraft, Feed, Truth
from apps.directory import services as directory
from apps.directory.domain.rules import Rule, parse

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


class RuleForm(forms.Form):
    """An attribution rule; match and settings as the API writes them."""

    name = forms.CharField(max_length=120)
    priority = forms.IntegerField(
        initial=100, min_value=0, max_value=1_000_000, help_text="The lowest is asked first."
    )
    match = forms.CharField(
        label="When",
        required=False,
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
        help_text='Such as {"provider": ["aws"], "tags": {"business_unit": ["Vienna*"]}}. A star '
        "at the end stands for any ending; empty matches everything.",
    )
    sets = forms.CharField(
        label="Then",
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text='Such as {"team": "search"}, or {"customer": {"tag": "tenant"}} to copy a tag.',
    )
    valid_from = forms.DateField(
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text="Empty: for every day that is not closed yet.",
    )
    valid_to = forms.DateField(
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text="The first day on which it holds no longer. Empty: for good.",
    )

    def __init__(self, *args: Any, fixed_name: str = "", **options: Any) -> None:
        super().__init__(*args, **options)
        if fixed_name:
            self.fields["name"].disabled = True

    def to_rule(self) -> Rule:
        """Return the rule as the service takes it.

        :raises RuleRefused: when match or settings cannot be read; names every mistake.
        """
        entered = self.cleaned_data
        read = parse(match=_json(entered["match"] or "{}"), sets=_json(entered["sets"]))
        if read.errors:
            raise directory.RuleRefused(read.errors[0].message, errors=read.errors)
        return Rule(
            name=entered["name"],
            priority=entered["priority"],
            match=read.match,
            sets=read.sets,
            valid_from=entered["valid_from"],
            valid_to=entered["valid_to"],
        )


class MappingForm(forms.Form):
    """A value that is to stand for a registered code."""

    tag = forms.CharField(max_length=64, strip=False)
    value = forms.CharField(max_length=256, strip=False)
    dimension = forms.CharField(max_length=64)
    target = forms.CharField(max_length=64)


def written(value: object) -> str:
    """Return a rule's match or settings as a person edits them."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def show_refusal(form: forms.Form, refusal: Refusal) -> None:
    """Put a service's refusal beside the fields that it names, else above the form."""
    for wrong in refusal.errors:
        form.add_error(_field_of(wrong, form), wrong.message)
    if not refusal.errors:
        form.add_error(None, refusal.message)


def _field_of(wrong: FieldError, form: forms.Form) -> str | None:
    name = wrong.field.partition(".")[0]
    return name if name in form.fields else None


def _json(text: str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
