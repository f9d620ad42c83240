"""The pages of guardrails: the tester with its snippets, policies with a dry run, decisions."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any, ClassVar, Final
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.generic import TemplateView
from django.views.generic.base import View

from apps.budgets import selectors, services
from apps.budgets.domain.decisions import Ask, Decision
from apps.budgets.domain.policies import PolicyFacts
from apps.budgets.selectors import DryRun
from apps.budgets.web.budgets import codes, show, today
from apps.budgets.web.forms import JustificationForm, PolicyForm, TesterForm, kept_policy
from apps.core import presentation
from apps.core.domain.access import Scope
from apps.core.domain.errors import Refusal
from apps.core.domain.months import Month
from apps.core.web.lists import Column, DataList, Empty, Filter, ListState
from apps.core.web.page import Action, Crumb, Page, Tab
from apps.core.web.views import PageMixin
from apps.tenants import selectors as tenants

_READ: Final[dict[str, Scope | None]] = {"GET": Scope.BUDGETS_READ}
_WRITE: Final[dict[str, Scope | None]] = {"GET": Scope.BUDGETS_WRITE, "POST": Scope.BUDGETS_WRITE}
_ROOT: Final = Crumb("Guardrails", "/guardrails/")
_VERDICTS: Final = (
    ("allow", "Allowed"),
    ("warn", "Allowed with a warning"),
    ("needs_approval", "Needs approval"),
    ("deny", "Denied"),
)
_DECISIONS: Final = (
    Column(key="at", label="When", kind="when"),
    Column(key="model", label="Model"),
    Column(key="team", label="Team"),
    Column(key="amount", label="Estimate", kind="cost", currency_key="currency"),
    Column(key="verdict", label="Answer", kind="badge"),
    Column(key="reason", label="Why"),
    Column(key="actor", label="Who asked", wide=True),
)


def _tabs(active: str) -> list[Tab]:
    places = (
        ("tester", "Tester", "/guardrails/"),
        ("policies", "Policies", "/guardrails/policies/"),
        ("decisions", "Decisions", "/guardrails/decisions/"),
    )
    return [Tab(label=label, url=url, active=key == active) for key, label, url in places]


class Tester(PageMixin, TemplateView):
    """Asks the guardrail about a use, and gives the snippets that ask the same."""

    template_name = "budgets/tester.html"
    scopes = _READ

    def page(self) -> Page:
        return Page(
            title="Guardrails",
            subtitle="Try what a call would be answered, with every reason. Nothing is held.",
            crumbs=[],
            tabs=_tabs("tester"),
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        is_asked = "model" in self.request.GET
        form = TesterForm(self.request.GET) if is_asked else TesterForm()
        found: Decision | None = None
        snippets: list[tuple[str, str, str]] = []
        if is_asked and form.is_valid():
            ask = form.to_ask()
            snippets = _snippets(ask)
            try:
                found = services.check(ask=ask, actor=self.actor, now=timezone.now())
            except Refusal as refusal:
                form.add_error(None, refusal.message)
        return super().get_context_data(
            form=form,
            decision=found,
            snippets=snippets,
            codes=codes(),
            may_try=self.actor.may(Scope.BUDGETS_AUTHORIZE),
            **kwargs,
        )


class Policies(PageMixin, TemplateView):
    """Lists the model policies and the justifications of ultra-large contexts."""

    template_name = "budgets/policies.html"
    scopes = _WRITE | {"GET": Scope.BUDGETS_READ}

    def page(self) -> Page:
        may = self.actor.may(Scope.BUDGETS_WRITE)
        return Page(
            title="Policies",
            subtitle="Which models may be used, how far, when and where.",
            crumbs=[_ROOT],
            primary=Action(label="New policy", icon="plus", url="/guardrails/policies/new/")
            if may
            else None,
            tabs=_tabs("policies"),
        )

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Record a justification."""
        form = JustificationForm(request.POST)
        if form.is_valid():
            entered = form.cleaned_data
            draft = services.JustificationDraft(
                scope={"team": entered["team"]} if entered["team"] else {},
                reason=entered["reason"],
                valid_from=entered["valid_from"],
                valid_to=entered["valid_to"],
            )
            try:
                services.justify(draft=draft, actor=self.actor, now=timezone.now())
            except Refusal as refusal:
                show(form, refusal)
            else:
                messages.success(request, "The justification is in force for these days.")
                return HttpResponseRedirect("/guardrails/policies/")
        return self.render_to_response(self.get_context_data(form=form), status=422)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        on = today()
        start = {"valid_from": on, "valid_to": on + timedelta(days=90)}
        kwargs.setdefault("form", JustificationForm(initial=start))
        return super().get_context_data(
            policies=[(one, _words(one)) for one in selectors.policies(actor=self.actor)],
            justifications=selectors.justifications(actor=self.actor),
            may_change=self.actor.may(Scope.BUDGETS_WRITE),
            today=on,
            **kwargs,
        )


class _PolicyEditor(PageMixin, TemplateView):
    """A form of a policy, with what it would have blocked last month beside it."""

    template_name = "budgets/policy_form.html"
    scopes = _WRITE

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._shown(PolicyForm(initial={"valid_from": today(), **self.initial()}))

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        form = PolicyForm(request.POST)
        found: DryRun | None = None
        if form.is_valid():
            try:
                if "try" in request.POST:
                    month = Month.of(today()) - 1
                    found = selectors.dry_run(draft=form.to_draft(), month=month, actor=self.actor)
                    return self._shown(form, found)
                self.keep(form)
            except Refusal as refusal:
                show(form, refusal)
            else:
                messages.success(request, "The policy is in force from its first day on.")
                return HttpResponseRedirect("/guardrails/policies/")
        return self._shown(form, status=422)

    def initial(self) -> dict[str, Any]:
        """Return what the form begins with."""
        return {"currency": tenants.current().currency}

    def keep(self, form: PolicyForm) -> None:
        """Keep what was entered."""
        services.create_policy(draft=form.to_draft(), actor=self.actor, now=timezone.now())

    def _shown(
        self, form: PolicyForm, found: DryRun | None = None, status: int = 200
    ) -> HttpResponse:
        context = self.get_context_data(
            form=form, codes=codes(), run=found, month=Month.of(today()) - 1
        )
        return self.render_to_response(context, status=status)


class NewPolicy(_PolicyEditor):
    """Puts a policy in force."""

    def page(self) -> Page:
        return Page(
            title="New policy",
            subtitle="Try it on last month before it holds.",
            crumbs=[_ROOT, Crumb("Policies", "/guardrails/policies/")],
        )


class EditPolicy(_PolicyEditor):
    """Puts another policy in the place of one, from a day on."""

    def page(self) -> Page:
        return Page(
            title=f"Change {self._policy.name}",
            subtitle="The policy as it is ends on the first day of the new one.",
            crumbs=[_ROOT, Crumb("Policies", "/guardrails/policies/")],
        )

    def initial(self) -> dict[str, Any]:
        return kept_policy(self._policy)

    def keep(self, form: PolicyForm) -> None:
        services.replace_policy(
            policy=self.kwargs["policy"],
            draft=form.to_draft(),
            actor=self.actor,
            now=timezone.now(),
        )

    @property
    def _policy(self) -> PolicyFacts:
        return selectors.policy(id=self.kwargs["policy"], actor=self.actor)


class RetirePolicy(PageMixin, View):
    """Takes a policy out of force."""

    scopes: ClassVar[dict[str, Scope | None]] = {"POST": Scope.BUDGETS_WRITE}

    def post(self, request: HttpRequest, policy: UUID) -> HttpResponse:
        """Take it out of force, and go back to the list."""
        services.retire_policy(policy=policy, actor=self.actor, now=timezone.now())
        messages.success(request, "The policy holds no more.")
        return HttpResponseRedirect(reverse("budgets:policies"))


class Decisions(PageMixin, TemplateView):
    """Lists what authorizations were answered."""

    template_name = "budgets/decisions.html"
    scopes = _READ

    def page(self) -> Page:
        return Page(
            title="Decisions",
            subtitle="What authorizations were answered, newest first.",
            crumbs=[_ROOT],
            tabs=_tabs("decisions"),
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        state = ListState.of(self.request)
        verdict = state.get("verdict")
        known = verdict if verdict in dict(_VERDICTS) else ""
        found = selectors.decisions(actor=self.actor, verdict=known, limit=200)
        rows = [
            {
                "at": one.at,
                "model": one.request.get("model", ""),
                "team": one.request.get("tags", {}).get("team", ""),
                "amount": one.amount,
                "currency": one.currency,
                "verdict": one.verdict,
                "reason": " ".join(str(each["message"]) for each in one.reasons) or "–",
                "actor": one.actor,
            }
            for one in found
        ]
        shown = DataList(
            key="decisions",
            caption="The newest 200 decisions",
            columns=_DECISIONS,
            rows=rows,
            state=state,
            filters=[Filter(key="verdict", label="Answer", options=_VERDICTS)],
            empty=Empty(
                title="No authorizations yet",
                text="A gateway or program asks before it calls a model; see the tester for how.",
                icon="shield-check",
            ),
        )
        return super().get_context_data(list=shown, **kwargs)


def _words(policy: PolicyFacts) -> list[str]:
    """Return a policy's rules in words."""
    rules = policy.rules
    found = [
        f"{label}: {', '.join(names)}"
        for label, names in (
            ("Allowed models", rules.allowed_models),
            ("Denied models", rules.denied_models),
            ("Environments", rules.environments),
        )
        if names
    ]
    for label, count in (
        ("Context up to", rules.max_context_tokens),
        ("Output up to", rules.max_output_tokens),
        ("A justification from a context of", rules.ultra_context_tokens),
    ):
        if count is not None:
            found.append(f"{label} {presentation.quantity(count)} tokens")
    if rules.price_ceiling is not None:
        ceiling = presentation.exact_money(rules.price_ceiling, rules.currency)
        found.append(f"A request costs at most {ceiling}")
    if rules.hours:
        found.append(f"Hours: {rules.hours}")
    return found


def _snippets(ask: Ask) -> list[tuple[str, str, str]]:
    """Return id, title and text of the ways to ask the same from a program."""
    base = tenants.base_url(slug=tenants.current().slug)
    estimate = {
        "input_tokens": ask.input_tokens,
        "output_tokens": ask.output_tokens,
        "requests": ask.requests,
    }
    body = {
        "provider": ask.provider,
        "model": ask.model,
        "tags": dict(ask.tags),
        "estimate": estimate,
        "ttl_seconds": ask.ttl_seconds,
    }
    text = json.dumps(body, indent=1).replace("'", "'\\''")
    curl = (
        f"curl {base}/api/v1/guardrails/authorize \\\n"
        '  -H "Authorization: Bearer $FINOPS_KEY" \\\n'
        '  -H "Idempotency-Key: $(uuidgen)" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        f"  -d '{text}'"
    )
    python = (
        "import os\n\n"
        "from finops_metering import Client, Guard\n\n"
        f'client = Client("{base}", os.environ["FINOPS_KEY"], source="my-service")\n'
        f"guard = Guard(client, tags={dict(ask.tags)!r})\n\n"
        f"with guard.authorize(\n    provider={ask.provider!r}, model={ask.model!r},\n"
        f"    estimate={estimate!r},\n) as hold:\n"
        "    ...  # call the model; what is recorded here names the hold\n"
    )
    litellm = (
        "# config.yaml of the LiteLLM proxy\n"
        "litellm_settings:\n"
        '  callbacks: ["finops_metering.litellm.hook"]\n\n'
        "# every request names its tags\n"
        f"# metadata: {json.dumps({'tags': [f'{k}:{v}' for k, v in ask.tags.items()]})}\n"
    )
    return [
        ("curl", "curl", curl),
        ("python", "Python", python),
        ("litellm", "LiteLLM proxy", litellm),
    ]
