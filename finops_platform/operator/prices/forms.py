"""Forms of the operator's pages of prices."""

from __future__ import annotations

from uuid import UUID

from django import forms
from django.core.files.uploadedfile import UploadedFile

from apps.catalog import selectors as catalog
from apps.catalog.domain.statements import LITELLM, SHEET

MOST_BYTES = 32 * 1024 * 1024


class PriceFileForm(forms.Form):
    """A file of prices: LiteLLM's, or a sheet."""

    source = forms.ChoiceField(
        choices=[
            (LITELLM.code, "LiteLLM's model_prices_and_context_window.json"),
            (SHEET.code, "A reviewed sheet (CSV)"),
        ],
        help_text="LiteLLM's file is compared whole: what it no longer lists, it withdraws. "
        "A sheet adds to what sheets said before.",
    )
    file = forms.FileField(
        allow_empty_file=False,
        help_text="A sheet has the columns provider, model, meter, conditions, amount, unit_size, "
        "currency, valid_from, valid_to and note.",
    )

    def clean_file(self) -> UploadedFile[bytes]:
        """Refuse what is too large before it is read."""
        file: UploadedFile[bytes] = self.cleaned_data["file"]
        if file.size is None or file.size > MOST_BYTES:
            raise forms.ValidationError("Choose a file of at most 32 MiB.")
        return file


class SelectedForm(forms.Form):
    """Which changes are decided on, and why; shown first, posted again when confirmed."""

    reason = forms.CharField(max_length=500, required=False)
    confirmed = forms.BooleanField(required=False)

    def __init__(self, *, selected: list[str], data: object) -> None:
        super().__init__(data)  # type: ignore[arg-type]
        self._selected = selected

    def ids(self) -> tuple[UUID, ...]:
        """Return the chosen changes; what is no id is left out."""
        found = []
        for text in ",".join(self._selected).split(","):
            try:
                found.append(UUID(text))
            except ValueError:
                continue
        return tuple(dict.fromkeys(found))


class ReasonForm(forms.Form):
    """Why a change is approved; may stay empty."""

    reason = forms.CharField(
        max_length=500,
        required=False,
        label="Reason",
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Where you checked it. May stay empty.",
    )


class HistoryForm(forms.Form):
    """Which price's history is shown, as of which knowledge."""

    provider = forms.ChoiceField()
    model = forms.CharField(max_length=200, help_text="The model's code, such as gpt-4o.")
    known_at = forms.DateTimeField(
        label="As known on",
        required=False,
        widget=forms.DateTimeInput(
            attrs={"type": "datetime-local", "step": "1"}, format="%Y-%m-%dT%H:%M:%S"
        ),
        help_text="UTC. Empty: what is known today.",
    )

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        names = catalog.provider_names()
        self.fields["provider"].choices = list(names.items())  # type: ignore[attr-defined]
