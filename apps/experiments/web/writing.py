"""The form of a request, with a live estimate beside it; nothing is kept before it is sent."""

from __future__ import annotations

from functools import cached_property
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.generic import TemplateView, View

from apps.core.domain.errors import Refusal
from apps.core.domain.months import local_day
from apps.core.web.page import Crumb, Page
from apps.core.web.views import PageMixin
from apps.directory import selectors as directory
from apps.experiments import selectors, services
from apps.experiments.domain.facts import RequestFacts
from apps.experiments.domain.proposals import Proposal
from apps.experiments.web.forms import (
    PLANS,
    PlanForm,
    RequestForm,
    fresh_dates,
    in_words,
    initial_of,
    plan_initial,
    show_refusal,
)
from apps.experiments.web.shared import WRITE, crumbs, page_of
from apps.tenants import selectors as tenants
from apps.usage.selectors.sizes import used_models


class NewRequest(PageMixin, TemplateView):
    """Writes a request, and submits it at once when asked to."""

    template_name = "experiments/form.html"
    scopes = WRITE

    def page(self) -> Page:
        return Page(
            title="Ask for a budget",
            subtitle="Say what you want to try and how much of it; the price is worked out as you "
            "type.",
            crumbs=crumbs(),
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        today = local_day(timezone.now(), tenants.current().timezone)
        teams = self.actor.teams
        known = [one.code for one in directory.teams(today) if teams is None or one.code in teams]
        forms = kwargs.pop("forms", None) or self._fresh()
        return super().get_context_data(
            form=forms[0],
            plans=[(plan, _is_open(number, plan)) for number, plan in enumerate(forms[1:])],
            teams=known,
            products=[one.code for one in directory.products(today)],
            features=[one.code for one in directory.features(today)],
            models=used_models(),
            currency=tenants.current().currency,
            cancel_url=self._cancel_url,
            assessment=self._assessment(),
            **kwargs,
        )

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        form, *plans = _posted(request)
        used = [plan for plan in plans if plan.has_changed() or plan is plans[0]]
        if not all([form.is_valid(), *(plan.is_valid() for plan in used)]):
            return self._again([form, *plans])
        try:
            proposal = form.to_proposal(tuple(plan.to_plan() for plan in used))
            made = self.keep(proposal, form.cleaned_data.get("code", ""))
        except Refusal as refusal:
            _show(refusal, form, used)
            return self._again([form, *plans])
        return self._go_on(made)

    def keep(self, proposal: Proposal, code: str) -> RequestFacts:
        """Call the service."""
        return services.create(
            proposal=proposal, code=code.strip(), actor=self.actor, now=timezone.now()
        )

    def _go_on(self, made: RequestFacts) -> HttpResponse:
        """Submit what was written, when that was asked for; refused, it stays as a draft."""
        if self.request.POST.get("deed") == "submit":
            try:
                made = services.submit(id=made.id, actor=self.actor, now=timezone.now())
            except Refusal as refusal:
                messages.error(self.request, f"It is kept as a draft. {in_words(refusal)}")
                return HttpResponseRedirect(page_of(made.id))
        messages.success(self.request, _success(made))
        return HttpResponseRedirect(page_of(made.id))

    def _fresh(self) -> list[Any]:
        today = local_day(timezone.now(), tenants.current().timezone)
        teams = self.actor.teams
        only = next(iter(teams)) if teams is not None and len(teams) == 1 else ""
        initial = {**fresh_dates(today), "owner": self.actor.label, "team": only}
        return [RequestForm(initial=initial), *_plan_forms(None)]

    def _assessment(self) -> Any:
        return None

    @property
    def _cancel_url(self) -> str:
        return reverse("experiments:list")

    def _again(self, forms: list[Any]) -> HttpResponse:
        context = self.get_context_data(forms=forms)
        return self.render_to_response(context, status=422)


class EditRequest(NewRequest):
    """Writes a new revision of a draft, or of what was sent back."""

    def page(self) -> Page:
        found = self._found
        return Page(
            title=f"Change {found.code}",
            subtitle=found.title,
            crumbs=crumbs(Crumb(found.code, page_of(found.id))),
            status=found.state.value,
        )

    def keep(self, proposal: Proposal, code: str) -> RequestFacts:
        return services.edit(
            id=self._id, proposal=proposal, note="", actor=self.actor, now=timezone.now()
        )

    def _fresh(self) -> list[Any]:
        proposal = self._found.proposal
        plans = [PlanForm(initial=plan_initial(p), prefix=f"p{n}") for n, p in self._plans]
        spare = [
            PlanForm(prefix=f"p{n}", use_required_attribute=False, empty_permitted=True)
            for n in range(len(plans), PLANS)
        ]
        form = RequestForm(initial=initial_of(proposal))
        del form.fields["code"]  # it never changes
        return [form, *plans, *spare]

    def _assessment(self) -> Any:
        return self._found.revision.assessment

    @property
    def _plans(self) -> list[tuple[int, Any]]:
        return list(enumerate(self._found.proposal.plans[:PLANS]))

    @property
    def _id(self) -> UUID:
        id: UUID = self.kwargs["experiment"]
        return id

    @cached_property
    def _found(self) -> RequestFacts:
        return selectors.request(id=self._id, actor=self.actor)

    @property
    def _cancel_url(self) -> str:
        return page_of(self._id)


class Preview(PageMixin, View):
    """Answers with the estimate of a form that is being filled in."""

    scopes = {"POST": WRITE["POST"]}

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        form, *plans = _posted(request)
        form.is_valid()
        used = [plan.to_plan() for plan in plans if plan.has_changed() and plan.is_valid()]
        if not used:
            return render(request, "experiments/estimate.html", {"assessment": None})
        found = selectors.assess(
            plans=used,
            amount=form.cleaned_data.get("amount"),
            team=form.cleaned_data.get("team", ""),
            actor=self.actor,
            now=timezone.now(),
        )
        return render(request, "experiments/estimate.html", {"assessment": found})


def _posted(request: HttpRequest) -> list[Any]:
    return [RequestForm(request.POST), *_plan_forms(request.POST)]


def _plan_forms(data: Any) -> list[PlanForm]:
    """Return the forms of the plans; only the first one has to be filled in."""
    first = PlanForm(data, prefix="p0")
    rest = [
        PlanForm(data, prefix=f"p{n}", use_required_attribute=False, empty_permitted=True)
        for n in range(1, PLANS)
    ]
    return [first, *rest]


def _is_open(number: int, plan: PlanForm) -> bool:
    """Tell whether a plan is shown unfolded: the first one, and what is filled in."""
    return number == 0 or (plan.is_bound and plan.has_changed()) or bool(plan.initial)


def _show(refusal: Refusal, form: RequestForm, plans: list[PlanForm]) -> None:
    """Put what is wrong beside its field: those of plans are named plans.0.runs."""
    rest = []
    for wrong in refusal.errors:
        parts = wrong.field.split(".")
        if parts[0] == "plans" and len(parts) > 2 and int(parts[1]) < len(plans):
            plan = plans[int(parts[1])]
            name = parts[2] if parts[2] in plan.fields else f"{parts[2]}_likely"
            plan.add_error(name if name in plan.fields else "model", wrong.message)
        else:
            rest.append(wrong)
    if rest or not refusal.errors:
        show_refusal(form, Refusal(refusal.message, code=refusal.code, errors=tuple(rest)))


def _success(made: RequestFacts) -> str:
    return {
        "draft": f"{made.code} is kept as a draft.",
        "changes_requested": f"{made.code} is changed; submit it when it is ready.",
        "submitted": f"{made.code} waits for approval.",
        "approved": f"{made.code} is approved and starts on its first day.",
        "running": f"{made.code} is approved: tag its usage with experiment={made.code}.",
    }[made.state.value]
