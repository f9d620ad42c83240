"""The page of one experiment: what, how it was approved, how the money goes, what came of it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.views.generic import FormView, TemplateView, View

from apps.audit import selectors as audit
from apps.budgets import selectors as budgets
from apps.budgets.selectors import GrantStanding
from apps.core import presentation
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Refusal
from apps.core.domain.months import local_day
from apps.core.web.charts import Burn, Chart, Frame, burn_down
from apps.core.web.page import Action, Crumb, Fact, Page
from apps.core.web.parts import Entry
from apps.core.web.views import PageMixin
from apps.experiments import selectors, services
from apps.experiments.domain.facts import RequestFacts, SubmissionFacts
from apps.experiments.domain.states import EDITABLE, State, words
from apps.experiments.models import ExperimentRequest
from apps.experiments.web.forms import AmendForm, in_words, show_refusal
from apps.experiments.web.shared import READ, SAID, WRITE, crumbs, decision_page_of, page_of
from apps.tenants import selectors as tenants


class ExperimentPage(PageMixin, TemplateView):
    """Shows one experiment."""

    template_name = "experiments/experiment.html"
    scopes = READ

    def page(self) -> Page:
        found = self.found
        return Page(
            title=found.title,
            crumbs=crumbs(),
            status=found.state.value,
            primary=self._primary,
            actions=self._actions,
            facts=facts_of(found),
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        found, row = self.found, self._row
        now = timezone.now()
        return super().get_context_data(
            found=found,
            proposal=found.proposal,
            assessment=found.revision.assessment,
            rounds=self._rounds,
            standing=self._standing,
            burn=burn_of(found, row, self._standing, now),
            use=selectors.use_by_model(row=row, now=now) if found.grant else [],
            foreign=selectors.foreign_use(row=row, now=now) if found.grant else [],
            results=selectors.results(row=row, now=now) if found.grant else None,
            reports=selectors.reports(row=row),
            revisions=selectors.revisions(id=found.id),
            files=selectors.attachments(id=found.id),
            snippets=snippets_of(found) if found.state not in _ENDED else [],
            entries=entries_of(found),
            may_write=self._may_write,
            may_revoke=found.is_funded and services.may_revoke(self.actor),
            decide_url=decision_page_of(found.id) if self._waits_for_me else "",
            **kwargs,
        )

    @cached_property
    def found(self) -> RequestFacts:
        """Return the request."""
        return selectors.request(id=self.kwargs["experiment"], actor=self.actor)

    @cached_property
    def _row(self) -> ExperimentRequest:
        return selectors.row_of(id=self.found.id, actor=self.actor)

    @cached_property
    def _rounds(self) -> list[SubmissionFacts]:
        return selectors.submissions(id=self.found.id, now=timezone.now())

    @cached_property
    def _standing(self) -> GrantStanding | None:
        grant = self.found.grant
        return budgets.grant_standing(grant=grant) if grant else None

    @property
    def _may_write(self) -> bool:
        return self.actor.may(Scope.EXPERIMENTS_WRITE) and is_own(self.found, self.actor)

    @property
    def _waits_for_me(self) -> bool:
        return bool(self._rounds) and selectors.may_decide(
            submission=self._rounds[0].id, actor=self.actor, now=timezone.now()
        )

    @property
    def _primary(self) -> Action | None:
        found = self.found
        if self._waits_for_me:
            return Action(label="Decide", url=decision_page_of(found.id), icon="check")
        if not self._may_write:
            return None
        if found.state in EDITABLE:
            return Action(label="Submit", dialog="submit", icon="send")
        if found.is_funded:
            return Action(label="Complete", dialog="complete", icon="check")
        return None

    @property
    def _actions(self) -> list[Action]:
        found, actions = self.found, []
        waits = bool(self._rounds) and self._rounds[0].state.value == "open"
        if self._may_write and found.state in EDITABLE:
            edit = reverse("experiments:edit", args=[found.id])
            actions.append(Action(label="Change", url=edit, icon="edit"))
        if self._may_write and found.is_funded and not waits:
            amend = reverse("experiments:amend", args=[found.id])
            actions.append(Action(label="Ask for more", url=amend, icon="plus"))
        if self._may_write and (waits or found.state in EDITABLE):
            actions.append(Action(label="Take it back", dialog="withdraw", danger=True))
        if found.is_funded and services.may_revoke(self.actor):
            actions.append(Action(label="Revoke", dialog="revoke", danger=True))
        if self._rounds and self._rounds[0].state.value != "open":
            record = reverse("experiments:record", args=[found.id])
            actions.append(Action(label="Approval record", url=record, icon="file-text"))
        return actions


_ENDED = (State.REJECTED, State.WITHDRAWN, State.EXPIRED, State.REVOKED, State.COMPLETED)


def is_own(found: RequestFacts, actor: Actor) -> bool:
    """Tell whether a request is the actor's to change."""
    people = (found.requested_by_user, found.owner_user)
    own = actor.user_id is not None and actor.user_id in people
    return own or actor.identity == found.asked_as or actor.may(Scope.ADMIN)


def facts_of(found: RequestFacts) -> list[Fact]:
    """Return the key facts of a request."""
    money = presentation.money
    starts_on = found.starts_on or found.proposal.starts_on
    ends_on = found.ends_on or found.proposal.ends_on
    asked = money(found.asked, found.currency) if found.asked is not None else "not priced"
    return [
        Fact("Tag", f"experiment={found.code}"),
        Fact("Team", found.team),
        Fact("Spends it", found.owner),
        Fact("Asked for", asked),
        *([Fact("Approved", money(found.amount, found.currency))] if found.amount else []),
        Fact("Days", f"{presentation.day(starts_on)} to {presentation.day(ends_on)}"),
    ]


def entries_of(found: RequestFacts) -> list[Entry]:
    """Return what happened to a request, the newest first."""
    return [
        Entry(
            at=entry.at,
            actor=entry.actor,
            text=SAID.get(entry.action, words(entry.action.replace(".", " "))),
            detail=_detail(entry.detail),
            mark=entry.hash[:12],
        )
        for entry in reversed(audit.history(subject="experiment", subject_id=found.code))
    ]


def _detail(detail: Any) -> str:
    """Return the words of a record: a comment, a note, a reason."""
    said = [str(detail[name]) for name in ("step", "comment", "note", "reason") if detail.get(name)]
    return ": ".join(said) if len(said) < 3 else f"{said[0]}: {', '.join(said[1:])}"


def burn_of(
    found: RequestFacts, row: ExperimentRequest, standing: GrantStanding | None, now: datetime
) -> Chart | None:
    """Return the spend against the approval, day by day; None before there is any."""
    if standing is None or found.starts_on is None or found.ends_on is None:
        return None
    days = _days(found.starts_on, found.ends_on)
    today = local_day(now, tenants.current().timezone)
    spent = selectors.daily_spend(row=row, now=now)
    if not any(spent.values()):
        return None
    total, actual = Decimal(0), []
    for day in days:
        total += spent.get(day, Decimal(0))
        actual.append(total if day <= today else None)
    share = presentation.percent(standing.spent / standing.amount) if standing.amount else ""
    title = f"{share} of the approved money is spent"
    frame = Frame(key="burn", title=title, currency=found.currency, height="small")
    burn = Burn(
        categories=[presentation.day(day) for day in days], actual=actual, limit=standing.amount
    )
    return burn_down(frame, burn=burn)


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def snippets_of(found: RequestFacts) -> Sequence[tuple[str, str, str]]:
    """Return how to send usage with the right tag: id, label, text to copy.

    What people wrote is quoted for the shell and for Python: others copy it.
    """
    plan = found.proposal.plans[0]
    uses = found.proposal.uses(found.code)[0]
    names = ("team", "experiment", "product", "feature")
    tags = {name: uses[name] for name in names if name in uses}
    event = {
        "id": "run-1",
        "source": found.code,
        "time": f"{found.proposal.starts_on}T12:00:00Z",
        "provider": plan.provider,
        "model": plan.model,
        "usage": {"input_tokens": 1200, "output_tokens": 300},
        "tags": tags,
    }
    base = tenants.base_url(slug=tenants.current().slug)
    curl = (
        f"curl -X POST {base}/api/v1/usage/events \\\n"
        '  -H "Authorization: Bearer $FINOPS_KEY" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        f"  -d {shlex.quote(json.dumps(event))}"
    )
    named = [f"{key}:{value}" for key, value in tags.items()]
    litellm = (
        "client.chat.completions.create(\n"
        f"    model={json.dumps(plan.model)}, messages=messages,\n"
        f'    extra_body={{"metadata": {{"tags": {json.dumps(named)}}}}},\n)'
    )
    attributes = ",".join(f"{key}={value}" for key, value in tags.items())
    return (
        ("snippet-curl", "REST", curl),
        ("snippet-litellm", "LiteLLM proxy", litellm),
        (
            "snippet-otel",
            "OpenTelemetry",
            f"export OTEL_RESOURCE_ATTRIBUTES={shlex.quote(attributes)}",
        ),
    )


class AmendPage(PageMixin, FormView):  # type: ignore[type-arg]
    """Asks for more money or time."""

    template_name = "experiments/amend.html"
    form_class = AmendForm
    scopes = WRITE

    def page(self) -> Page:
        found = self._found
        return Page(
            title=f"Ask for more for {found.code}",
            subtitle="It is approved again by what it then asks for in all, and goes on as it is "
            "until then.",
            crumbs=crumbs(Crumb(found.title, page_of(found.id))),
            status=found.state.value,
            facts=facts_of(found),
        )

    def get_initial(self) -> dict[str, Any]:
        return {"amount": self._found.amount, "ends_on": self._found.ends_on}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(cancel_url=page_of(self._found.id), **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        amendment = services.Amendment(**form.cleaned_data)
        try:
            services.amend(
                id=self._found.id, amendment=amendment, actor=self.actor, now=timezone.now()
            )
        except Refusal as refusal:
            show_refusal(form, refusal)
            return self.form_invalid(form)
        messages.success(self.request, "The amendment was sent.")
        return HttpResponseRedirect(page_of(self._found.id))

    @cached_property
    def _found(self) -> RequestFacts:
        return selectors.request(id=self.kwargs["experiment"], actor=self.actor)


class _Deed(PageMixin, View):
    """Does one thing to a request and says what happened."""

    scopes = {"POST": Scope.EXPERIMENTS_WRITE}

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        id: UUID = kwargs["experiment"]
        who = {"id": id, "actor": self.actor, "now": timezone.now()}
        try:
            found = self.act(request.POST.get("reason", ""), who)
            messages.success(request, f"{found.code} is {words(found.state)}.")
        except Refusal as refusal:
            messages.error(request, in_words(refusal))
        return HttpResponseRedirect(page_of(id))

    def act(self, said: str, who: dict[str, Any]) -> RequestFacts:
        """Call the service."""
        raise NotImplementedError


class Submit(_Deed):
    """Submits."""

    def act(self, said: str, who: dict[str, Any]) -> RequestFacts:
        return services.submit(**who)


class Withdraw(_Deed):
    """Takes a request or an amendment back."""

    def act(self, said: str, who: dict[str, Any]) -> RequestFacts:
        return services.withdraw(reason=said, **who)


class Complete(_Deed):
    """Completes, with what was learned."""

    def act(self, said: str, who: dict[str, Any]) -> RequestFacts:
        return services.complete(lessons=said, **who)


class Lessons(_Deed):
    """Adds what was learned."""

    def act(self, said: str, who: dict[str, Any]) -> RequestFacts:
        return services.add_lessons(lessons=said, **who)


class Revoke(_Deed):
    """Takes the money away."""

    scopes = {"POST": Scope.BUDGETS_READ}

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        services.require_revoker(self.actor)
        return super().post(request, *args, **kwargs)

    def act(self, said: str, who: dict[str, Any]) -> RequestFacts:
        return services.revoke(reason=said, **who)


class AddFile(PageMixin, View):
    """Keeps a file with a request."""

    scopes = {"POST": Scope.EXPERIMENTS_WRITE}

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        id: UUID = kwargs["experiment"]
        sent = request.FILES.get("file")
        try:
            name, content = (sent.name or "", sent.read()) if sent is not None else ("", b"")
            upload = services.Upload(name=name, content=content)
            services.attach(id=id, upload=upload, actor=self.actor, now=timezone.now())
            messages.success(request, "The file was added.")
        except Refusal as refusal:
            messages.error(request, refusal.message)
        return HttpResponseRedirect(page_of(id))


class FileContent(PageMixin, View):
    """Hands out a file of a request."""

    scopes = READ

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        file = selectors.file_of(
            request=kwargs["experiment"], file=kwargs["file"], actor=self.actor
        )
        answer = HttpResponse(file.content, content_type=file.media_type)
        answer["Content-Disposition"] = f'attachment; filename="{file.name}"'
        return answer
