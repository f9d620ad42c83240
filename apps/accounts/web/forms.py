"""Forms of the pages about people, passwords and keys."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django import forms

from apps.accounts.domain.keys import KeyKind
from apps.accounts.services import KeyRequest, default_limits, tenant_limits
from apps.core.domain.access import Actor, Role, Scope
from apps.core.domain.errors import Refusal
from apps.core.domain.limits import MOST_PER_SECOND, Limits
from apps.tenants import selectors as tenants

ROLE_WORDS = {
    Role.OWNER: "Owner: everything but deciding own requests",
    Role.FINANCE: "Finance: money, close, prices",
    Role.APPROVER: "Approver: decides on requests",
    Role.ANALYST: "Analyst: reads everything",
    Role.MEMBER: "Member: own teams, requests and keys",
}
SCOPE_WORDS = {
    Scope.USAGE_WRITE: "send usage events",
    Scope.USAGE_READ: "read usage events and receipts",
    Scope.USAGE_CORRECT: "void and amend events",
    Scope.COSTS_READ: "read costs, prices and statements",
    Scope.BUDGETS_READ: "read budgets and experiments",
    Scope.BUDGETS_WRITE: "change budgets and limits",
    Scope.BUDGETS_AUTHORIZE: "ask whether money may be spent, and hold it",
    Scope.EXPERIMENTS_WRITE: "request budgets for experiments",
    Scope.APPROVALS_DECIDE: "approve and reject, in person only",
    Scope.BILLING_READ: "read customers, bills and journals",
    Scope.BILLING_WRITE: "change customers, bills and terms",
    Scope.PRICES_WRITE: "change contract prices",
    Scope.ALLOCATION_WRITE: "change allocation rules and drivers",
    Scope.CLOSE_RUN: "close and reopen months",
    Scope.DIRECTORY_WRITE: "change teams, cost centers, products and attribution",
    Scope.ADMIN: "everything but deciding; people and keys too",
}
_ROLES = [(role.value, words) for role, words in ROLE_WORDS.items()]
_PERSONAL = (KeyKind.PERSONAL.value, "Personal: acts as you")
_SERVICE = (KeyKind.SERVICE.value, "Service: acts for a program, outlives its maker")
_NEW = {"autocomplete": "new-password"}


def show_refusal(form: forms.Form, refusal: Refusal) -> None:
    """Put a service's refusal beside the fields that it names, else above the form."""
    for wrong in refusal.errors:
        name = wrong.field if wrong.field in form.fields else None
        form.add_error(name, wrong.message)
    if not refusal.errors:
        form.add_error(None, refusal.message)


class SignInForm(forms.Form):
    """E-mail address and password."""

    email = forms.EmailField(
        label="E-mail address",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True}),
    )
    password = forms.CharField(
        max_length=1000,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


class AskForLinkForm(forms.Form):
    """The address to which a link to set a password is sent."""

    email = forms.EmailField(
        label="E-mail address",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True}),
    )


class NewPasswordForm(forms.Form):
    """A new password, twice."""

    new_password = forms.CharField(
        max_length=1000,
        strip=False,
        widget=forms.PasswordInput(attrs=_NEW),
        help_text="At least 12 characters; a sentence is easier to keep than a riddle.",
    )
    again = forms.CharField(
        label="The same again", max_length=1000, strip=False, widget=forms.PasswordInput(attrs=_NEW)
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        first, second = cleaned.get("new_password"), cleaned.get("again")
        if first and second and first != second:
            self.add_error("again", "This differs from the password above; type it again.")
        return cleaned


class ChangePasswordForm(NewPasswordForm):
    """The present password and a new one."""

    old_password = forms.CharField(
        label="Present password",
        max_length=1000,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    field_order = ["old_password", "new_password", "again"]


class AccessForm(forms.Form):
    """A person's role and teams."""

    role = forms.ChoiceField(choices=_ROLES, initial=Role.MEMBER.value)
    teams = forms.CharField(
        required=False,
        max_length=7000,
        help_text="Team codes, separated by commas. A member sees the spend of these teams only.",
    )

    def to_role(self) -> Role:
        """Return the chosen role."""
        return Role(self.cleaned_data["role"])

    def to_teams(self) -> list[str]:
        """Return the team codes."""
        return [code.strip() for code in self.cleaned_data["teams"].split(",") if code.strip()]


class InviteForm(AccessForm):
    """A new person."""

    email = forms.EmailField(label="E-mail address", max_length=254)
    name = forms.CharField(required=False, max_length=120)
    field_order = ["email", "name", "role", "teams"]


class LimitsForm(forms.Form):
    """Requests and events a second; empty is the default."""

    requests_per_second = forms.IntegerField(
        required=False, min_value=1, max_value=MOST_PER_SECOND, label="Requests per second"
    )
    events_per_second = forms.IntegerField(
        required=False, min_value=1, max_value=MOST_PER_SECOND, label="Events per second"
    )

    def hint(self, inherited: Limits, *, most: Limits) -> None:
        """Say beside each field what holds while it is empty, and what is the most."""
        for name in ("requests_per_second", "events_per_second"):
            default, top = getattr(inherited, name), getattr(most, name)
            self.fields[name].help_text = f"Empty: {min(default, top):,}. At most {top:,}."

    def hint_of_key(self) -> None:
        """Say what holds for a key of the current tenant."""
        self.hint(default_limits("KEY"), most=tenant_limits(tenants.current().limits))

    def to_limits(self) -> Limits:
        """Return the limits."""
        cleaned = self.cleaned_data
        return Limits(cleaned.get("requests_per_second"), cleaned.get("events_per_second"))


class KeyForm(LimitsForm):
    """A new API key; offers only what its maker may grant."""

    name = forms.CharField(
        max_length=120, help_text="Where the key will be used, such as gateway-eu production."
    )
    kind = forms.ChoiceField(choices=[_PERSONAL])
    scopes = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple,
        help_text="Choose as little as the program needs.",
    )
    bound_tags = forms.CharField(
        required=False,
        label="Bound tags",
        max_length=4000,
        help_text="Such as team=search, environment=production. Events without these tags get "
        "them; events with other values are refused, and reads are limited alike.",
    )
    expires_on = forms.DateField(
        required=False,
        label="Expires after",
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="The last day (UTC) on which the key works. Empty: until it is revoked.",
    )
    field_order = ["name", "kind", "scopes", "bound_tags", "expires_on"]

    def __init__(self, *args: Any, actor: Actor, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        grantable = [scope for scope in Scope if actor.may(scope)]
        self._choices_of("scopes").choices = [
            (scope.value, f"{scope.value}: {SCOPE_WORDS[scope]}") for scope in grantable
        ]
        if actor.may(Scope.ADMIN):
            service = (KeyKind.SERVICE.value, "Service: acts for a program, outlives its maker")
            self._choices_of("kind").choices = [
                service,
                (KeyKind.PERSONAL.value, "Personal: acts as you"),
            ]
            self.fields["kind"].initial = KeyKind.SERVICE.value
            self.hint_of_key()
        else:
            del self.fields["requests_per_second"], self.fields["events_per_second"]

    def clean_bound_tags(self) -> dict[str, str]:
        """Read `key=value, key=value`."""
        tags: dict[str, str] = {}
        for part in filter(
            None, (part.strip() for part in self.cleaned_data["bound_tags"].split(","))
        ):
            key, separator, value = (piece.strip() for piece in part.partition("="))
            if not separator or not key or not value:
                raise forms.ValidationError(f"Write {part!r} as key=value.")
            tags[key] = value
        return tags

    def clean_expires_on(self) -> date | None:
        """Refuse a day that has no day after it."""
        last_day: date | None = self.cleaned_data["expires_on"]
        if last_day is not None and last_day == date.max:
            raise forms.ValidationError("Choose an earlier day, or leave it empty.")
        return last_day

    def to_request(self) -> KeyRequest:
        """Return what the service is asked for."""
        cleaned = self.cleaned_data
        last_day = cleaned["expires_on"]
        ends = datetime.combine(last_day + timedelta(days=1), time(), UTC) if last_day else None
        return KeyRequest(
            kind=KeyKind(cleaned["kind"]),
            name=cleaned["name"],
            scopes=frozenset(Scope(scope) for scope in cleaned["scopes"]),
            bound_tags=cleaned["bound_tags"],
            expires_at=ends,
            limits=self.to_limits(),
        )

    def _choices_of(self, name: str) -> forms.ChoiceField:
        found = self.fields[name]
        assert isinstance(found, forms.ChoiceField)
        return found
