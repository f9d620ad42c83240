"""The form of the statement terms."""

from __future__ import annotations

from django import forms

from apps.chargeback.domain.facts import Terms


class TermsForm(forms.Form):
    """Whom to ask, for how long, and where charges are credited."""

    dispute_contact = forms.CharField(
        label="Contact for questions",
        max_length=254,
        help_text="A person or a mailbox; printed on every statement.",
    )
    dispute_days = forms.IntegerField(
        label="Days for questions",
        min_value=1,
        max_value=90,
        help_text="Counted from the day of issue, 1 to 90.",
    )
    recovery_account = forms.CharField(
        label="Credited account",
        max_length=64,
        help_text="General-ledger account of the platform's recovery.",
    )
    recovery_name = forms.CharField(
        label="Text of the credit", max_length=200, help_text="Printed in the posting."
    )

    def to_terms(self) -> Terms:
        """Return the terms that were entered."""
        return Terms(**self.cleaned_data)
