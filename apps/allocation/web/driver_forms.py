"""The form that driver values are entered by: a CSV file, or rows that are pasted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django import forms
from django.core.files.uploadedfile import UploadedFile

from apps.allocation.domain.driver_rows import (
    MOST_BYTES,
    MOST_ROWS,
    DriverRows,
    read_driver_rows,
)
from apps.allocation.domain.rules import Axis
from apps.core import presentation
from apps.core.domain.months import Month

_PLAIN: Final = {"autocomplete": "off", "spellcheck": "false"}
_LINES: Final = forms.Textarea(
    attrs={"rows": 12, **_PLAIN, "placeholder": "search,12.5\nads,8", "class": "figure"}
)


class DriverForm(forms.Form):
    """Values of a driver in a month; `rows` is what was read once the form is valid."""

    code = forms.CharField(
        label="Driver",
        max_length=64,
        widget=forms.TextInput(attrs=_PLAIN),
        help_text="The name that rules call it by, as headcount or gpu-hours.",
    )
    month = forms.ChoiceField(
        help_text="The values of a closed month are final.",
        error_messages={"invalid_choice": "That month takes no values; choose one of the list."},
    )
    axis = forms.ChoiceField(
        label="Receivers are",
        choices=[
            (Axis.TEAM.value, "Teams and cost centers"),
            (Axis.CUSTOMER.value, "Customers"),
        ],
    )
    file = forms.FileField(
        label="CSV file",
        required=False,
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,text/csv,text/plain"}),
        help_text=f"Up to {MOST_ROWS:,} rows and {MOST_BYTES // 1024} KiB, in UTF-8. It takes the "
        "place of the rows below.",
    )
    lines = forms.CharField(
        label="Or rows, one a line",
        required=False,
        strip=False,
        max_length=MOST_BYTES,
        widget=_LINES,
        help_text="Code of the receiver, a comma, the value with a point for decimals.",
    )

    rows: DriverRows

    def __init__(self, *args: Any, months: Sequence[Month], **options: Any) -> None:
        super().__init__(*args, **options)
        choices = [(str(one), presentation.month(one)) for one in months]
        self.fields["month"].choices = choices  # type: ignore[attr-defined]

    def clean_file(self) -> str:
        """Return the text of the file, empty without one."""
        file = self.cleaned_data["file"]
        return _text_of(file) if isinstance(file, UploadedFile) else ""

    def clean(self) -> dict[str, Any]:
        """Read the rows; those of a file take the place of what was pasted, to be mended there."""
        entered = super().clean() or self.cleaned_data
        if self.errors.keys() & {"file", "lines"}:
            return entered
        if entered["file"]:
            entered["lines"] = entered["file"]
            sent = {name: self.data.get(name, "") for name in self.data}
            self.data = {**sent, "lines": entered["file"]}
        self.rows = read_driver_rows(entered["lines"])
        if not self.rows.count:
            self.add_error("lines", "Choose a file, or write at least one row: search,12.5.")
        elif self.rows.count > MOST_ROWS:
            self.add_error(
                "lines",
                f"These are {self.rows.count:,} rows; enter at most {MOST_ROWS:,} at once. "
                "Receivers that are not named keep their value, so several files are fine.",
            )
        return entered


def _text_of(file: Any) -> str:
    if (file.size or 0) > MOST_BYTES:
        raise forms.ValidationError(
            f"The file is larger than {MOST_BYTES // 1024} KiB; leave out other columns, or split "
            "it."
        )
    try:
        text = bytes(file.read()).decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\x00"
    if "\x00" in text:
        raise forms.ValidationError("This is not text in UTF-8. Save it as CSV UTF-8.")
    if not text.strip():
        raise forms.ValidationError("The file has no rows; choose another one.")
    return text
