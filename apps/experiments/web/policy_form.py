"""The form of an approval policy: the money that passes by itself, routes, and their steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeVar

from django import forms

from apps.core.domain.canonical import plain_decimal
from apps.experiments.domain.policies import Approvers, Policy, Route, StepRule
from apps.experiments.domain.policy_text import MOST_ROUTES, MOST_STEPS
from apps.experiments.domain.proposals import Sensitivity, without_blanks

_TURNS: Final = ("First", "Second", "Third", *(f"{n}th" for n in range(4, MOST_STEPS + 1)))
_F = TypeVar("_F", bound=forms.Form)
_PLAIN: Final = {"autocomplete": "off", "spellcheck": "false"}
_MONEY: Final = {"inputmode": "decimal", "autocomplete": "off"}
_WHO: Final = (
    ("approver", "Any approver"),
    ("owner", "Any owner"),
    ("either", "Any approver or owner"),
    ("team", "The team's owner"),
    ("people", "These people"),
)


def _amount(label: str, help: str = "") -> forms.DecimalField:
    return forms.DecimalField(
        label=label,
        required=False,
        min_value=0,
        max_digits=15,
        decimal_places=3,
        widget=forms.TextInput(attrs=_MONEY),
        help_text=help,
    )


def _words(label: str, placeholder: str) -> forms.CharField:
    return forms.CharField(
        label=label,
        required=False,
        max_length=500,
        widget=forms.TextInput(attrs={**_PLAIN, "placeholder": placeholder}),
    )


class PolicyForm(forms.Form):
    """What holds for all routes."""

    up_to = _amount("Passes by itself up to", "Empty: nothing passes by itself.")
    team_month = _amount("In sum a team, in thirty days")
    expire_days = forms.IntegerField(
        label="Lapses after, days", min_value=1, max_value=365, initial=14
    )
    note = forms.CharField(
        label="Why it is changed", max_length=2000, widget=forms.Textarea(attrs={"rows": 2})
    )


class StepForm(forms.Form):
    """One step: who decides it, how many, how fast."""

    name = forms.CharField(label="Step", required=False, max_length=80)
    who = forms.ChoiceField(label="Decided by", choices=_WHO, required=False)
    people = _words("People", "paula@example.com, …")
    quorum = forms.IntegerField(label="How many", required=False, min_value=1, max_value=20)
    hours = forms.IntegerField(label="Within, hours", required=False, min_value=1, max_value=2160)
    order = forms.ChoiceField(
        label="When",
        required=False,
        choices=[(str(n), word) for n, word in enumerate(_TURNS, start=1)],
        help_text="Steps of the same turn are open together.",
    )

    def to_step(self) -> dict[str, Any] | None:
        """Return the step as policies are written, None when it is not filled in."""
        said = self.cleaned_data
        if not said["name"].strip():
            return None
        return {
            "name": said["name"].strip(),
            "order": int(said["order"] or "1"),
            "quorum": said["quorum"] or 1,
            "hours": said["hours"] or 48,
            "approvers": self._approvers(said),
        }

    @staticmethod
    def _approvers(said: dict[str, Any]) -> dict[str, Any]:
        match said["who"]:
            case "team":
                return {"team_owner": True}
            case "people":
                return {"people": list(without_blanks(said["people"].split(",")))}
            case "either":
                return {"roles": ["approver", "owner"]}
            case role:
                return {"roles": [role or "approver"]}


class RouteForm(forms.Form):
    """When a route applies."""

    name = forms.CharField(label="Route", required=False, max_length=80)
    amount_over = _amount("Amount above")
    context_over = forms.IntegerField(
        label="Context above, tokens", required=False, min_value=0, max_value=10**9
    )
    models = _words("Models", "o1-pro*, openai/gpt-5*")
    teams = _words("Teams", "research")
    environments = _words("Environments", "production")
    sensitivities = forms.MultipleChoiceField(
        label="Data",
        required=False,
        choices=[(one.value, one.value.capitalize()) for one in Sensitivity],
        widget=forms.CheckboxSelectMultiple,
    )
    needs_roi = forms.BooleanField(label="Needs a case for its return", required=False)

    def to_route(self, steps: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the route as policies are written."""
        said = self.cleaned_data
        amount = said["amount_over"]
        return {
            "name": said["name"],
            "needs_roi": said["needs_roi"],
            "when": {
                "amount_over": None if amount is None else plain_decimal(amount),
                "context_over": said["context_over"],
                "sensitivities": said["sensitivities"],
                **{
                    name: list(without_blanks(said[name].split(",")))
                    for name in ("models", "teams", "environments")
                },
            },
            "steps": steps,
        }


class Editor:
    """All forms of a policy together: the general one, routes with their steps, and the rest.

    As many as the policy has and one more of each; `add` is the deed of a button that asks for
    another route, or for another step of a group: what was entered is shown again with it.
    """

    def __init__(self, *, policy: Policy, data: Any = None, add: str = "") -> None:
        self._data, self._shows_again = data, bool(add)
        routes = list(policy.routes)
        count = len(routes) + 1
        if data is not None:
            count = _posted(data, "r{}-name", MOST_ROUTES) + (add == "route")
        self.form = self._form(PolicyForm, initial=_general(policy))
        self.routes = [
            self._route(n, routes[n] if n < len(routes) else None, add)
            for n in range(min(count, MOST_ROUTES))
        ]
        self.otherwise = self._steps("o", policy.otherwise, add)

    @property
    def may_add(self) -> bool:
        """Tell whether there may be another route."""
        return len(self.routes) < MOST_ROUTES

    def _form(self, kind: type[_F], **options: Any) -> _F:
        """Return a form of what was posted, or shown again without judging it."""
        if self._data is None or not self._shows_again:
            return kind(self._data, **options)
        blank = kind(**options)
        values = {
            name: field.widget.value_from_datadict(self._data, {}, blank.add_prefix(name))
            for name, field in blank.fields.items()
        }
        return kind(**{**options, "initial": values})

    def _route(self, number: int, route: Route | None, add: str) -> _RouteForms:
        prefix = f"r{number}"
        form = self._form(RouteForm, prefix=prefix, initial=_route_initial(route))
        steps = self._steps(f"{prefix}s", route.steps if route else (), add)
        data = self._data
        is_new = data is not None and f"{prefix}-name" not in data
        is_open = (
            route is not None
            or is_new
            or add == f"step:{prefix}s"
            or (data is not None and bool(data.get(f"{prefix}-name", "").strip()))
        )
        return _RouteForms(number + 1, f"{prefix}s", form, steps, is_open)

    def _steps(self, prefix: str, steps: tuple[StepRule, ...], add: str) -> list[StepForm]:
        """Return the forms of the steps, and one more to fill in."""
        count = max(len(steps) + 1, 2)
        if self._data is not None:
            count = max(_posted(self._data, prefix + "{}-name", MOST_STEPS), 2)
            count += add == f"step:{prefix}"
        return [
            self._form(
                StepForm,
                prefix=f"{prefix}{number}",
                initial=_step_initial(steps[number]) if number < len(steps) else {},
                use_required_attribute=False,
            )
            for number in range(min(count, MOST_STEPS))
        ]

    def is_valid(self) -> bool:
        """Tell whether every form can be read."""
        forms = [self.form, *self.otherwise]
        forms += [one for route in self.routes for one in (route.form, *route.steps)]
        return sum(bool(form.errors) for form in forms) == 0

    def to_value(self) -> dict[str, Any]:
        """Return the policy as JSON, the way the API takes it; routes without a name are left
        out."""
        said = self.form.cleaned_data
        up_to = said["up_to"]
        month = said["team_month"] if said["team_month"] is not None else up_to
        return {
            "auto": None
            if up_to is None
            else {"up_to": plain_decimal(up_to), "team_month": plain_decimal(month)},
            "routes": [
                route.form.to_route(_read(route.steps))
                for route in self.routes
                if route.form.cleaned_data["name"].strip()
            ],
            "otherwise": _read(self.otherwise),
            "expire_days": said["expire_days"],
        }


@dataclass(frozen=True, slots=True)
class _RouteForms:
    """One route with its steps; `group` is what a button for another step names."""

    number: int
    group: str
    form: RouteForm
    steps: list[StepForm]
    is_open: bool

    @property
    def may_add(self) -> bool:
        """Tell whether there may be another step."""
        return len(self.steps) < MOST_STEPS


def _posted(data: Any, name: str, most: int) -> int:
    """Return how many forms of a kind were posted."""
    return next((n for n in range(most) if name.format(n) not in data), most)


def _read(steps: list[StepForm]) -> list[dict[str, Any]]:
    return [found for form in steps if (found := form.to_step()) is not None]


def fits(policy: Policy) -> bool:
    """Tell whether the form can show a policy whole; others are written by the API."""
    groups = [policy.otherwise, *(route.steps for route in policy.routes)]
    usual = StepRule(name="", approvers=Approvers()).escalate_to
    return all(
        _who(step.approvers) is not None and step.escalate_to == usual
        for steps in groups
        for step in steps
    )


def _general(policy: Policy) -> dict[str, Any]:
    auto = policy.auto
    return {
        "up_to": auto and auto.up_to,
        "team_month": auto and auto.team_month,
        "expire_days": policy.expire_days,
    }


def _route_initial(route: Route | None) -> dict[str, Any]:
    if route is None:
        return {}
    when = route.when
    return {
        "name": route.name,
        "amount_over": when.amount_over,
        "context_over": when.context_over,
        "models": ", ".join(when.models),
        "teams": ", ".join(when.teams),
        "environments": ", ".join(when.environments),
        "sensitivities": list(when.sensitivities),
        "needs_roi": route.needs_roi,
    }


def _step_initial(step: StepRule) -> dict[str, Any]:
    return {
        "name": step.name,
        "who": _who(step.approvers) or "approver",
        "people": ", ".join(sorted(step.approvers.people)),
        "quorum": step.quorum,
        "hours": step.hours,
        "order": str(step.order),
    }


def _who(approvers: Approvers) -> str | None:
    """Return the choice that means these approvers, None when there is none."""
    match (sorted(approvers.roles), approvers.team_owner, bool(approvers.people)):
        case (["approver"], False, False):
            return "approver"
        case (["owner"], False, False):
            return "owner"
        case (["approver", "owner"], False, False):
            return "either"
        case ([], True, False):
            return "team"
        case ([], False, True):
            return "people"
    return None
