"""The approval policy: what holds, its history, and an editor that tries it on the past."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import cached_property
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.generic import TemplateView

from apps.core.domain.access import Scope
from apps.core.domain.errors import Refusal
from apps.core.web.page import Action, Crumb, Page
from apps.core.web.views import PageMixin
from apps.experiments import selectors, services
from apps.experiments.domain.policies import Policy
from apps.experiments.domain.policy_text import read_policy
from apps.experiments.web.policy_form import Editor, fits
from apps.experiments.web.shared import READ, approval_crumbs, approval_tabs
from apps.tenants import selectors as tenants

_WRITE: Mapping[str, Scope | None] = {"GET": Scope.BUDGETS_WRITE, "POST": Scope.BUDGETS_WRITE}
_PAST = timedelta(days=90)


class PolicyPage(PageMixin, TemplateView):
    """Shows the policy in force in words, and its earlier versions."""

    template_name = "experiments/policy.html"
    scopes = READ

    def page(self) -> Page:
        edit = Action(label="Change the policy", url=reverse("experiments:edit_policy"))
        return Page(
            title="Approval policy",
            subtitle="Who has to agree before money is spent. A request is judged by the version "
            "in force when it is submitted.",
            primary=edit if self.actor.may(Scope.BUDGETS_WRITE) else None,
            tabs=approval_tabs("policy", self.actor),
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        facts = selectors.current_policy()
        currency = tenants.current().currency
        return super().get_context_data(
            facts=facts,
            currency=currency,
            routes=[(one, one.when.in_words(currency)) for one in facts.policy.routes],
            versions=selectors.policies(),
            **kwargs,
        )


class EditPolicy(PageMixin, TemplateView):
    """Writes a new version; `Try it` judges the last ninety days by it first."""

    template_name = "experiments/policy_form.html"
    scopes = _WRITE

    def page(self) -> Page:
        return Page(
            title="Change the approval policy",
            subtitle="Open rounds keep the version that they were submitted under.",
            crumbs=[*approval_crumbs(), Crumb("Policy", reverse("experiments:policy"))],
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        kwargs.setdefault("editor", Editor(policy=self._facts.policy))
        return super().get_context_data(
            fits=fits(self._facts.policy),
            version=self._facts.version,
            currency=tenants.current().currency,
            cancel_url=reverse("experiments:policy"),
            **kwargs,
        )

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        deed = request.POST.get("deed", "")
        if deed == "route" or deed.startswith("step:"):
            editor = Editor(policy=self._facts.policy, data=request.POST, add=deed)
            return self._again(editor, status=200)
        editor = Editor(policy=self._facts.policy, data=request.POST)
        trying = deed == "try"
        if trying:
            editor.form.fields["note"].required = False
        if not editor.is_valid():
            return self._again(editor)
        try:
            policy = read_policy(editor.to_value())
            if trying:
                return self._again(editor, status=200, simulation=self._tried(policy))
            self._state(policy, editor.form.cleaned_data["note"])
        except Refusal as refusal:
            _show(refusal, editor)
            return self._again(editor)
        messages.success(request, "The policy is in force for what is submitted from now on.")
        return HttpResponseRedirect(reverse("experiments:policy"))

    def _state(self, policy: Policy, note: str) -> None:
        seen = self.request.POST.get("version", "")
        services.state_policy(
            policy_text=policy,
            note=note,
            after=int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 9 else None,
            actor=self.actor,
            now=timezone.now(),
        )

    def _tried(self, policy: Policy) -> selectors.Simulation:
        since = timezone.now() - _PAST
        return selectors.simulate(policy=policy, since=since, actor=self.actor)

    def _again(self, editor: Editor, *, status: int = 422, **more: Any) -> HttpResponse:
        context = self.get_context_data(editor=editor, **more)
        return self.render_to_response(context, status=status)

    @cached_property
    def _facts(self) -> selectors.PolicyFacts:
        return selectors.current_policy()


def _show(refusal: Refusal, editor: Editor) -> None:
    """Put what is wrong on top, each with the place that it is about."""
    for wrong in refusal.errors:
        if wrong.field == "note":
            editor.form.add_error("note", wrong.message)
        else:
            editor.form.add_error(None, f"{_place(wrong.field)}: {wrong.message}")
    if not refusal.errors:
        editor.form.add_error(None, refusal.message)


def _place(field: str) -> str:
    """Return a path of a policy as people count: routes.0.steps is route 1, steps."""
    parts = field.split(".")
    if parts[0] == "otherwise" and len(parts) > 1:
        parts = ["everything else", "steps", *parts[1:]]
    said: list[str] = []
    for part in parts:
        if part.isdigit() and said:
            said[-1] = f"{said[-1].rstrip('s')} {int(part) + 1}"
        else:
            said.append(part.replace("_", " "))
    return ", ".join(said)
