"""The operator's forms."""

from __future__ import annotations

from zoneinfo import available_timezones

from django import forms

CURRENCIES = (
    *("USD", "EUR", "GBP", "CHF", "JPY", "CAD", "AUD", "SEK", "NOK", "DKK"),
    *("PLN", "CZK", "INR", "BRL", "SGD", "HKD", "KRW", "KWD"),
)
LOCALES = ("en-US", "en-GB", "de-DE", "fr-FR", "es-ES", "it-IT", "nl-NL", "pt-BR", "ja-JP")


class ProvisionForm(forms.Form):
    """A new tenant; what is given here cannot be changed after the first event."""

    slug = forms.CharField(
        max_length=31,
        help_text="Short name in addresses and keys: lower-case letters, digits, hyphens.",
    )
    name = forms.CharField(max_length=120, help_text="As it stands on statements.")
    base_currency = forms.ChoiceField(
        choices=[(code, code) for code in CURRENCIES],
        label="Base currency",
        help_text="All totals and statements are in it.",
    )
    timezone = forms.ChoiceField(
        choices=[(name, name) for name in sorted(available_timezones())],
        initial="UTC",
        help_text="Bounds days and accounting months.",
    )
    locale = forms.ChoiceField(choices=[(code, code) for code in LOCALES])
    admin_email = forms.EmailField(
        max_length=254,
        label="First owner's e-mail address",
        help_text="Gets a link to choose a password, valid for seven days.",
    )


class SuspendForm(forms.Form):
    """Why a tenant is suspended."""

    reason = forms.CharField(max_length=500)
