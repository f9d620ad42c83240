"""Approval policies: which steps a request needs, by what it asks for."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from fnmatch import fnmatchcase

from apps.core.domain.money import EXACT
from apps.experiments.domain.wording import money


@dataclass(frozen=True, slots=True)
class Approvers:
    """Who may fill a seat: by role, by owning the request's team, or by name (e-mail address)."""

    roles: frozenset[str] = frozenset()
    team_owner: bool = False
    people: frozenset[str] = frozenset()

    def __or__(self, other: Approvers) -> Approvers:
        return Approvers(
            self.roles | other.roles,
            self.team_owner or other.team_owner,
            self.people | other.people,
        )

    @property
    def is_empty(self) -> bool:
        """Tell whether it names nobody."""
        return not (self.roles or self.team_owner or self.people)

    def may_be(self, role: str, email: str) -> bool:
        """Tell whether a person of that role could be meant; of a team's owner anybody could."""
        return role in self.roles or email in self.people or self.team_owner

    @property
    def in_words(self) -> str:
        """Say who that is."""
        said = [f"any {role}" for role in sorted(self.roles)]
        said += ["the team's owner"] if self.team_owner else []
        return ", ".join([*said, *sorted(self.people)])


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRule:
    """One step: steps of equal `order` are open together, `quorum` people have to approve.

    After `hours` the step is late: it is reminded of at half of them, and opened to `escalate_to`
    when they are over.
    """

    name: str
    approvers: Approvers
    order: int = 1
    quorum: int = 1
    hours: int = 48
    escalate_to: Approvers = field(default_factory=lambda: Approvers(frozenset({"owner"})))

    def joined(self, other: StepRule) -> StepRule:
        """Return one step that is as strict as both; of the same name they are one."""
        return StepRule(
            name=self.name,
            approvers=self.approvers | other.approvers,
            order=min(self.order, other.order),
            quorum=max(self.quorum, other.quorum),
            hours=min(self.hours, other.hours),
            escalate_to=self.escalate_to | other.escalate_to,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """When a route applies: everything that is stated must hold; lists hold by any of theirs."""

    amount_over: Decimal | None = None
    context_over: int | None = None
    models: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    sensitivities: tuple[str, ...] = ()

    def holds(self, risk: Risk) -> bool:
        """Tell whether it holds; an amount that nobody knows counts as above any other."""
        over = risk.amount is None or self.amount_over is None or risk.amount > self.amount_over
        return (
            over
            and (self.context_over is None or risk.context > self.context_over)
            and (not self.models or any(_named(self.models, model) for model in risk.models))
            and (not self.teams or risk.team in self.teams)
            and (not self.environments or bool(set(self.environments) & set(risk.environments)))
            and (not self.sensitivities or risk.sensitivity in self.sensitivities)
        )

    def in_words(self, currency: str) -> str:
        """Say when it holds."""
        said = []
        if self.amount_over is not None:
            said.append(f"more than {money(self.amount_over, currency)}")
        if self.context_over is not None:
            said.append(f"a context above {self.context_over:,} tokens")
        for label, values in (
            ("model", self.models),
            ("team", self.teams),
            ("environment", self.environments),
            ("data", self.sensitivities),
        ):
            if values:
                said.append(f"{label} {' or '.join(values)}")
        return ", ".join(said)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Steps that apply under a condition; `needs_roi`: nothing is submitted without a case."""

    name: str
    when: Condition
    steps: tuple[StepRule, ...]
    needs_roi: bool = False


@dataclass(frozen=True, slots=True)
class AutoApproval:
    """What passes by itself: up to an amount, and in sum up to another a team in thirty days."""

    up_to: Decimal
    team_month: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A whole policy; amounts in the tenant's currency."""

    routes: tuple[Route, ...]
    otherwise: tuple[StepRule, ...]
    auto: AutoApproval | None = None
    expire_days: int = 14


DEFAULT: Policy = Policy(
    routes=(),
    otherwise=(StepRule(name="Approval", approvers=Approvers(frozenset({"approver", "owner"}))),),
)
"""In force until a tenant states its own: one approver decides everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """What a policy looks at. Amounts in the tenant's currency.

    `budget_left` is what the tightest budget that it would draw still has, None when it draws
    none. `auto_used` is what passed by itself for the team in the last thirty days. `alarms` are
    cautions that call for a person.
    """

    amount: Decimal | None
    context: int
    models: tuple[str, ...]
    team: str
    environments: tuple[str, ...]
    sensitivity: str
    alarms: tuple[str, ...] = ()
    budget_left: Decimal | None = None
    auto_used: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Routing:
    """What a policy says of one request: the steps in their order, or that it passes by itself.

    `reasons` say why in words; `routes` are the names of those that matched.
    """

    automatic: bool
    routes: tuple[str, ...]
    steps: tuple[StepRule, ...]
    reasons: tuple[str, ...]
    needs_roi: bool = False


def route(policy: Policy, risk: Risk, *, currency: str) -> Routing:
    """Return what a request needs: never less than one step unless it passes by itself.

    Every route that matches adds its steps; steps of the same name are joined to one that is as
    strict as both. A route that matches goes before any automatic approval.
    """
    matching = [each for each in policy.routes if each.when.holds(risk)]
    if matching:
        reasons = tuple(f"{each.name}: {each.when.in_words(currency)}" for each in matching)
        steps = _joined([step for each in matching for step in each.steps])
        needs_roi = any(each.needs_roi for each in matching)
        return Routing(False, tuple(each.name for each in matching), steps, reasons, needs_roi)
    refusal = _not_automatic(policy.auto, risk, currency)
    if refusal is None:
        assert policy.auto is not None
        reason = f"Up to {money(policy.auto.up_to, currency)} passes by itself"
        return Routing(True, (), (), (reason,))
    return Routing(False, (), _joined(list(policy.otherwise)), (refusal,))


def _not_automatic(auto: AutoApproval | None, risk: Risk, currency: str) -> str | None:
    """Say why a request cannot pass by itself, None when it can."""
    if auto is None:
        return "The policy lets nothing pass by itself"
    if risk.alarms:
        return f"Somebody has to look at it: {', '.join(risk.alarms).replace('_', ' ')}"
    return _too_much(auto, risk, currency) or _no_budget(risk, currency)


def _too_much(auto: AutoApproval, risk: Risk, currency: str) -> str | None:
    if risk.amount is None or risk.amount > auto.up_to:
        return f"It asks for more than the {money(auto.up_to, currency)} that pass by themselves"
    if EXACT.add(risk.auto_used, risk.amount) > auto.team_month:
        return (
            f"The team has used {money(risk.auto_used, currency)} of the "
            f"{money(auto.team_month, currency)} that pass by themselves in thirty days"
        )
    return None


def _no_budget(risk: Risk, currency: str) -> str | None:
    """Say what lacks, without figures: the tightest budget may be one the team does not see."""
    if risk.budget_left is None:
        return f"No budget in {currency} covers it that it could be taken from"
    if risk.amount is None or risk.budget_left < risk.amount:
        return "A budget that it would draw has too little left for it"
    return None


def _joined(steps: list[StepRule]) -> tuple[StepRule, ...]:
    by_name: dict[str, StepRule] = {}
    for step in steps:
        known = by_name.get(step.name)
        by_name[step.name] = step if known is None else known.joined(step)
    return tuple(sorted(by_name.values(), key=lambda step: (step.order, step.name)))


def _named(patterns: tuple[str, ...], model: str) -> bool:
    """Tell whether a model is meant by a pattern: of its whole name, or of the part after `/`."""
    short = model.partition("/")[2] or model
    return any(
        fnmatchcase(name.lower(), pattern.lower())
        for pattern in patterns
        for name in (model, short)
    )


def text_of(routing: Routing) -> str:
    """Return the reasons as one sentence."""
    return "; ".join(routing.reasons)


__all__ = [
    "DEFAULT",
    "Approvers",
    "AutoApproval",
    "Condition",
    "Policy",
    "Risk",
    "Route",
    "Routing",
    "StepRule",
    "route",
    "text_of",
]
