"""The form of an allocation rule."""

from __future__ import annotations

from typing import Any, Final

from django import forms

from apps.allocation.domain.payload import EVERYONE, receivers_json, scope_json
from apps.allocation.domain.rules import FACT_FIELDS, Axis, Method, Rule, ZeroPolicy
from apps.core.domain.errors import Refusal
from apps.core.domain.months import Month

_METHODS: Final = [
    (Method.DIRECT.value, "Direct: all to one receiver"),
    (Method.EVEN.value, "Even: equal shares"),
    (Method.FIXED.value, "Fixed: percentages"),
    (Method.PROPORTIONAL.value, "Proportional to a driver"),
    (Method.TIERED.value, "Tiered: a driver weighed in bands"),
    (Method.MARKUP.value, "Markup or subsidy on what receivers are charged"),
    (Method.COMMITMENT.value, "Share what commitments save: by usage, or by purchase"),
]
_ZERO: Final = [
    (ZeroPolicy.UNALLOCATED.value, "Leave it unallocated"),
    (ZeroPolicy.EVEN.value, "Equal shares"),
    (ZeroPolicy.PREVIOUS_PERIOD.value, "Last month's driver"),
    (ZeroPolicy.FAIL.value, "Stop the close"),
]
_AXES: Final = [(Axis.TEAM.value, "Teams"), (Axis.CUSTOMER.value, "Customers")]
_PLAIN: Final = {"autocomplete": "off", "spellcheck": "false"}


def _text(**options: Any) -> forms.CharField:
    return forms.CharField(
        required=False, max_length=2000, widget=forms.TextInput(attrs=_PLAIN), **options
    )


def _lines(**options: Any) -> forms.CharField:
    widget = forms.Textarea(attrs={"rows": 3, **_PLAIN})
    return forms.CharField(required=False, max_length=20_000, widget=widget, **options)


class RuleForm(forms.Form):
    """One rule, as people write it: lists by commas, receivers and tags one a line."""

    code = forms.CharField(
        max_length=64,
        widget=forms.TextInput(attrs=_PLAIN),
        help_text="A short stable name, such as shared-gateway.",
    )
    name = forms.CharField(max_length=200, help_text="What statements call it.")
    axis = forms.ChoiceField(label="Split over", choices=_AXES)
    method = forms.ChoiceField(choices=_METHODS)
    owners = _text(
        help_text="Pass on what these receivers hold, by commas; UNALLOCATED for unowned cost."
    )
    origin = _text(help_text="usage, or bill: our metering, or charges of providers' bills.")
    service = _text(help_text="By commas; a star at the end matches all that begins so.")
    provider = _text()
    model = _text()
    meter = _text(help_text="Such as output_tokens.")
    charge_category = _text(help_text="Such as Tax, Credit or Purchase.")
    account = _text()
    tags = _lines(help_text="One a line: environment=production. A star means any value.")
    receivers = _lines(
        help_text="A star for everyone, else one a line; for percentages: search 40."
    )
    driver = _text(
        help_text="cost, tokens, requests, outcomes, meter:output_tokens, or an uploaded driver "
        "such as headcount. For savings of commitments: usage or purchase."
    )
    tiers = _lines(
        help_text="One a line, the upper end and the weight of a unit: 1000 1, then for the rest: "
        "* 0.5."
    )
    minimum_share = _text(label="Least share, percent")
    maximum_share = _text(label="Most share, percent", help_text="The rest stays unallocated.")
    zero_policy = forms.ChoiceField(label="When the driver is zero", choices=_ZERO)
    percent = _text(label="Markup percent", help_text="Below zero it is a subsidy.")
    level = forms.IntegerField(
        min_value=1,
        max_value=100,
        initial=1,
        help_text="Lower levels run first; later levels may pass on what they received.",
    )
    priority = forms.IntegerField(
        min_value=1, max_value=10_000, initial=100, help_text="In a level the smallest picks first."
    )
    final_only = forms.BooleanField(
        label="Leave out receivers that pass their own cost on", required=False
    )
    first_month = forms.RegexField(
        r"^\d{4}-\d{2}$", label="From month", help_text="The first month it applies to: 2026-11."
    )
    last_month = forms.RegexField(
        r"^\d{4}-\d{2}$", label="Last month", required=False, help_text="Empty: until ended."
    )
    expected_version = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def clean_tiers(self) -> str:
        """Pass when every line has an end and a weight: a weight left out is no weight of zero."""
        text = str(self.cleaned_data["tiers"])
        for line in filter(None, map(str.strip, text.splitlines())):
            if len(line.split()) != 2:
                raise forms.ValidationError(
                    f"{line[:60]}: write the upper end and the weight, as 1000 1 or * 0.5."
                )
        return text

    def clean_receivers(self) -> str:
        """Pass when every line is a receiver, perhaps with a percentage, and none comes twice."""
        text = str(self.cleaned_data["receivers"])
        codes: set[str] = set()
        for parts in filter(None, map(str.split, text.splitlines())):
            if len(parts) > 2:
                line = " ".join(parts)[:60]
                raise forms.ValidationError(f"{line}: write one receiver a line, as search 40.")
            if parts[0] in codes:
                raise forms.ValidationError(f"{parts[0][:60]} is named twice; name it once.")
            codes.add(parts[0])
        return text

    def to_body(self) -> dict[str, Any]:
        """Return the rule as the JSON object that `read_rule` reads."""
        entered = self.cleaned_data
        scope: dict[str, Any] = {
            name: _by_commas(entered[name])
            for name in ("owners", *FACT_FIELDS)
            if entered.get(name)
        }
        if entered["tags"].strip():
            scope["tags"] = _tags(entered["tags"])
        plain = ("code", "name", "axis", "method", "driver", "zero_policy", "final_only")
        return {
            **{name: entered[name] for name in plain},
            "scope": scope,
            "receivers": _receivers(entered["receivers"], entered["method"]),
            "percent": entered["percent"] or "0",
            "tiers": _tiers(entered["tiers"]),
            "minimum_share": entered["minimum_share"] or "0",
            "maximum_share": entered["maximum_share"] or "100",
            "level": entered["level"],
            "priority": entered["priority"],
            "first_month": entered["first_month"],
            "last_month": entered["last_month"] or None,
        }


def initial_of(rule: Rule) -> dict[str, Any]:
    """Return a rule as the form shows it."""
    scope = scope_json(rule.scope)
    tags = scope.pop("tags", {})
    lines = [f"{key}={value}" for key, values in tags.items() for value in values]
    return {
        "code": rule.code,
        "name": rule.name,
        "axis": rule.axis.value,
        "method": rule.method.value,
        **{name: ", ".join(values) for name, values in scope.items()},
        "tags": "\n".join(lines),
        "receivers": _receiver_lines(receivers_json(rule.receivers)),
        "driver": rule.driver,
        "zero_policy": rule.zero_policy.value,
        "percent": f"{rule.percent.normalize():f}" if rule.percent else "",
        "tiers": "\n".join(
            f"{EVERYONE if tier.up_to is None else f'{tier.up_to.normalize():f}'} "
            f"{tier.weight.normalize():f}"
            for tier in rule.tiers
        ),
        "minimum_share": f"{rule.minimum_share.normalize():f}" if rule.minimum_share else "",
        "maximum_share": f"{rule.maximum_share.normalize():f}" if rule.maximum_share != 100 else "",
        "level": rule.level,
        "priority": rule.priority,
        "final_only": rule.final_only,
        "last_month": str(Month.of(rule.valid_to) - 1) if rule.valid_to else "",
        "expected_version": rule.version,
    }


def show_refusal(form: RuleForm, refusal: Refusal) -> None:
    """Put a refusal's errors beside the fields they are about."""
    for error in refusal.errors:
        name = error.field.removeprefix("scope.").split(".")[0]
        name = {"valid_to": "last_month", "valid_from": "first_month"}.get(name, name)
        form.add_error(name if name in form.fields else None, error.message)
    if not refusal.errors:
        form.add_error(None, refusal.message)


def _by_commas(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _tags(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        key, _, value = line.partition("=")
        found.setdefault(key.strip(), []).append(value.strip() or "*")
    return found


def _tiers(text: str) -> list[dict[str, Any]]:
    lines = [line.split() for line in text.splitlines() if line.strip()]
    return [
        {
            "up_to": None if parts[0] == EVERYONE else parts[0],
            "weight": parts[1] if len(parts) > 1 else "0",
        }
        for parts in lines
    ]


def _receivers(text: str, method: str) -> Any:
    lines = [line.split() for line in text.splitlines() if line.strip()]
    if [EVERYONE] in lines:
        return EVERYONE
    bought = method == Method.COMMITMENT.value and any(len(parts) > 1 for parts in lines)
    if method == Method.FIXED.value or bought:
        return {parts[0]: parts[1].rstrip("%") if len(parts) > 1 else "0" for parts in lines}
    return [parts[0] for parts in lines]


def _receiver_lines(value: Any) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{code} {part}" for code, part in value.items())
    return value if isinstance(value, str) else "\n".join(value)
