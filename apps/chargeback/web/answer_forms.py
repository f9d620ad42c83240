"""The forms of disputes, decisions, responders and the policy of acceptance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms

from apps.chargeback.domain.acceptance import (
    COMMENT_LIMIT,
    Decision,
    DisputeDraft,
    Lapse,
    Outcome,
    Policy,
    Upload,
)
from apps.core.domain.errors import Refusal


class SeveralFiles(forms.ClearableFileInput):
    """A control that takes several files."""

    allow_multiple_selected = True


class FilesField(forms.FileField):
    """Files, each checked by the service."""

    widget = SeveralFiles

    def clean(self, data: Any, initial: Any = None) -> list[Upload]:
        given = data if isinstance(data, list | tuple) else [data] if data else []
        return [Upload(name=one.name, content=one.read()) for one in given if one]


class DisputeForm(forms.Form):
    """What somebody objects to."""

    line = forms.ChoiceField(label="Line", required=False)
    comment = forms.CharField(
        label="What is wrong",
        max_length=COMMENT_LIMIT,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="Say what you expected and why; it is kept with the statement.",
    )
    amount = forms.DecimalField(
        label="What it should be", required=False, max_digits=24, decimal_places=3
    )
    files = FilesField(  # type: ignore[assignment]  # fields are taken off the class by Django
        label="Files",
        required=False,
        help_text="Up to three files of at most 5 MiB: pdf, png, jpg, csv, txt, xlsx.",
    )

    def __init__(
        self, *args: Any, lines: Sequence[tuple[int, str]], currency: str, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        whole = ("", "The whole statement")
        self.fields["line"].choices = [whole, *((str(at), text) for at, text in lines)]  # type: ignore[attr-defined]
        self.fields["amount"].help_text = f"In {currency}, if you know it."

    def to_draft(self) -> DisputeDraft:
        """Return the dispute as the service takes it."""
        asked = self.cleaned_data
        return DisputeDraft(
            comment=asked["comment"],
            position=int(asked["line"]) if asked["line"] else None,
            amount=asked["amount"],
            files=asked["files"],
        )


class ResolveForm(forms.Form):
    """Finance's decision."""

    outcome = forms.ChoiceField(
        label="Decision",
        widget=forms.RadioSelect,
        choices=[
            (Outcome.REJECTED.value, "Rejected: the statement is right"),
            (Outcome.CORRECTED.value, "Corrected by an adjustment"),
        ],
    )
    reference = forms.ChoiceField(
        label="Adjustment",
        required=False,
        help_text="Needed for a correction: one that moves cost of this cost center and that a "
        "second person has approved.",
    )
    reason = forms.CharField(
        label="Reason",
        max_length=COMMENT_LIMIT,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="The owner reads it on the statement.",
    )

    def __init__(self, *args: Any, adjustments: Sequence[tuple[str, str]], **options: Any) -> None:
        super().__init__(*args, **options)
        none = ("", "None" if adjustments else "None: no approved adjustment concerns it yet")
        self.fields["reference"].choices = [none, *adjustments]  # type: ignore[attr-defined]

    def to_decision(self) -> Decision:
        """Return the decision as the service takes it."""
        asked = self.cleaned_data
        return Decision(
            outcome=Outcome(asked["outcome"]), reason=asked["reason"], reference=asked["reference"]
        )


class PolicyForm(forms.Form):
    """What silence means."""

    lapse = forms.ChoiceField(
        label="When nobody answers",
        choices=[
            (Lapse.ACCEPT.value, "The statement counts as accepted"),
            (Lapse.STAY_OPEN.value, "The statement stays overdue until it is accepted"),
        ],
    )
    reminder_days = forms.IntegerField(
        label="Remind this many days before", min_value=1, max_value=30
    )

    def to_policy(self) -> Policy:
        """Return the policy as the service takes it."""
        return Policy(Lapse(self.cleaned_data["lapse"]), self.cleaned_data["reminder_days"])


class ResponderForm(forms.Form):
    """A person who answers for a cost center beside its owner."""

    cost_center = forms.ChoiceField(label="Cost center")
    email = forms.EmailField(label="E-mail of the person", max_length=254)

    def __init__(self, *args: Any, centers: Sequence[tuple[str, str]], **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["cost_center"].choices = centers  # type: ignore[attr-defined]


def show_refusal(form: forms.Form, refusal: Refusal) -> None:
    """Put a service's refusal beside the fields that it names, else above the form."""
    for wrong in refusal.errors:
        form.add_error(wrong.field if wrong.field in form.fields else None, wrong.message)
    if not refusal.errors:
        form.add_error(None, refusal.message)
