"""The inbox of approvers, and the page on which one request is decided."""

from __future__ import annotations

from functools import cached_property
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.generic import TemplateView, View

from apps.budgets import selectors as budgets
from apps.budgets.selectors.grants import grant_standings
from apps.core.api.errors import status_of
from apps.core.domain.access import Scope
from apps.core.domain.errors import Forbidden, Invalid, Refusal
from apps.core.domain.months import local_day
from apps.core.tokens import LinkInvalid
from apps.core.web.page import Action, Page
from apps.core.web.views import PageMixin
from apps.experiments import selectors, services
from apps.experiments.domain.facts import RequestFacts, SubmissionFacts
from apps.experiments.domain.states import FUNDED, State, Verdict, words
from apps.experiments.selectors.commitments import budgets_for
from apps.experiments.web.detail import entries_of, facts_of
from apps.experiments.web.shared import (
    DECIDE,
    READ,
    approval_crumbs,
    approval_tabs,
    decision_page_of,
    page_of,
)
from apps.tenants import selectors as tenants

_PRECEDENTS = 4


class Inbox(PageMixin, TemplateView):
    """Lists what waits: what the reader may decide first, soonest due on top."""

    template_name = "experiments/inbox.html"
    scopes = READ

    def page(self) -> Page:
        return Page(
            title="Approvals",
            subtitle="Requests for experiment budgets that wait for a decision.",
            tabs=approval_tabs("inbox", self.actor),
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        now = timezone.now()
        found = selectors.waiting(actor=self.actor, now=now)
        rows = [_row(one, now) for one in found]
        return super().get_context_data(
            mine=[row for row in rows if row["mine"]],
            others=[row for row in rows if not row["mine"]],
            bulk_url=reverse("experiments:bulk"),
            **kwargs,
        )


class DecisionPage(PageMixin, TemplateView):
    """Shows everything that a decision needs on one screen, and takes it."""

    template_name = "experiments/decision.html"
    scopes = READ

    def page(self) -> Page:
        found, round_ = self.found, self.round
        asks = "asks for more for" if round_ is not None and round_.is_amendment else "asks for"
        return Page(
            title=found.title,
            subtitle=f"{found.requested_by} {asks} it, for the team {found.team}.",
            crumbs=approval_crumbs(),
            status=round_.state.value if round_ is not None else found.state.value,
            actions=[Action(label="Whole page", url=page_of(found.id), icon="file-text")],
            facts=facts_of(found),
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        found, round_ = self.found, self.round
        shown = self._revision(round_)
        return super().get_context_data(
            found=found,
            round=round_,
            proposal=shown.proposal,
            assessment=shown.assessment,
            before=found.revision if round_ is not None and round_.is_amendment else None,
            left=self._budgets(),
            standing=budgets.grant_standing(grant=found.grant) if found.grant else None,
            precedents=self._precedents(),
            files=selectors.attachments(id=found.id),
            entries=entries_of(found)[:6],
            may_decide=round_ is not None
            and selectors.may_decide(submission=round_.id, actor=self.actor, now=timezone.now()),
            decide_url=reverse("experiments:decide", args=[found.id]),
            page_url=page_of(found.id),
            **kwargs,
        )

    @cached_property
    def found(self) -> RequestFacts:
        """Return the request."""
        return selectors.request(id=self.kwargs["experiment"], actor=self.actor)

    @cached_property
    def round(self) -> SubmissionFacts | None:
        """Return its last round."""
        rounds = selectors.submissions(id=self.found.id, now=timezone.now())
        return rounds[0] if rounds else None

    def _revision(self, round_: SubmissionFacts | None) -> Any:
        if round_ is None:
            return self.found.revision
        every = selectors.revisions(id=self.found.id)
        return next(one for one in every if one.number == round_.revision)

    def _budgets(self) -> list[Any]:
        on = local_day(timezone.now(), tenants.current().timezone)
        row = selectors.row_of(id=self.found.id, actor=self.actor)
        proposal = self._revision(self.round).proposal
        return budgets_for(proposal=proposal, row=row, on=on, actor=self.actor)

    def _precedents(self) -> list[dict[str, Any]]:
        """Return what the team was granted before, and what came of it."""
        states = (*FUNDED, State.COMPLETED, State.REVOKED, State.REJECTED)
        every = selectors.requests(actor=self.actor, states=states, team=self.found.team)
        others = [one for one in every if one.id != self.found.id][:_PRECEDENTS]
        money = grant_standings(grants=[one.grant for one in others if one.grant])
        return [
            {
                "request": one,
                "url": page_of(one.id),
                "standing": money.get(one.grant) if one.grant else None,
            }
            for one in others
        ]


class Decide(PageMixin, View):
    """Takes a decision."""

    scopes = DECIDE

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        id: UUID = kwargs["experiment"]
        verdict = _verdict(request.POST.get("verdict", ""))
        ballot = services.Ballot(
            request=id, verdict=verdict, comment=request.POST.get("comment", ""), via="web"
        )
        try:
            found = services.decide(ballot=ballot, actor=self.actor, now=timezone.now())
        except Refusal as refusal:
            messages.error(request, refusal.message)
            return HttpResponseRedirect(decision_page_of(id))
        messages.success(request, f"Your decision is kept; {found.code} is {words(found.state)}.")
        return HttpResponseRedirect(reverse("experiments:inbox"))


class Bulk(PageMixin, View):
    """Approves several requests, each by itself: one that is refused holds no other back."""

    scopes = DECIDE

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        chosen = [one for text in request.POST.getlist("selected") if (one := _id(text))]
        done, refused = 0, []
        for id in dict.fromkeys(chosen):
            ballot = services.Ballot(request=id, verdict=Verdict.APPROVE, via="web")
            try:
                services.decide(ballot=ballot, actor=self.actor, now=timezone.now())
                done += 1
            except Refusal as refusal:
                refused.append(refusal.message)
        if done:
            messages.success(request, f"{done} approved.")
        for text in refused:
            messages.error(request, text)
        if not chosen:
            messages.error(request, "Choose the requests to approve.")
        return HttpResponseRedirect(reverse("experiments:inbox"))


class LinkPage(PageMixin, TemplateView):
    """Opens a link of a message: shows what it offers, and does it when it is confirmed."""

    template_name = "experiments/link.html"
    scopes = {"GET": Scope.APPROVALS_DECIDE, "POST": Scope.APPROVALS_DECIDE}
    _refusal: Refusal | None = None

    def page(self) -> Page:
        if self._refusal is not None:
            return Page(title="This link does not work", crumbs=approval_crumbs())
        return Page(title=_OFFERS[self._link.verdict], crumbs=approval_crumbs())

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show what it offers; one that is used, old or another's says so, and where to go."""
        try:
            self._link  # noqa: B018 - opened for what it refuses
        except (LinkInvalid, services.LinkUsed, Forbidden) as refusal:
            self._refusal = refusal
            context = PageMixin.get_context_data(
                self, reason=refusal.message, inbox_url=reverse("experiments:inbox"), **kwargs
            )
            shown = ["experiments/link_gone.html"]
            return TemplateResponse(request, shown, context, status=status_of(refusal))
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        found = selectors.request(id=self._link.request, actor=self.actor)
        rounds = selectors.submissions(id=found.id, now=timezone.now())
        return super().get_context_data(
            found=found,
            round=rounds[0],
            verdict=self._link.verdict.value,
            label=_OFFERS[self._link.verdict],
            facts=facts_of(found),
            decision_url=decision_page_of(found.id),
            **kwargs,
        )

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            id = services.decide_by_link(
                token=self.kwargs["token"],
                comment=request.POST.get("comment", ""),
                actor=self.actor,
                now=timezone.now(),
            )
        except Refusal as refusal:
            messages.error(request, refusal.message)
            return HttpResponseRedirect(reverse("experiments:inbox"))
        messages.success(request, "Your decision is kept.")
        return HttpResponseRedirect(decision_page_of(id))

    @cached_property
    def _link(self) -> services.OpenedLink:
        return services.opened(token=self.kwargs["token"], actor=self.actor)


_OFFERS = {
    Verdict.APPROVE: "Approve this request",
    Verdict.REJECT: "Reject this request",
    Verdict.REQUEST_CHANGES: "Ask for changes",
}


def _row(one: selectors.Waiting, now: Any) -> dict[str, Any]:
    step = one.step
    return {
        "id": one.id,
        "request": one.request,
        "round": one.round,
        "step": step,
        "mine": one.mine,
        "is_late": one.is_late(now),
        "cautions": [
            each for each in one.request.revision.assessment.cautions if each.severity != "info"
        ],
        "url": decision_page_of(one.id),
        "decide_url": reverse("experiments:decide", args=[one.id]),
    }


def _verdict(text: str) -> Verdict:
    try:
        return Verdict(text)
    except ValueError:
        message = "Say approve, reject or request_changes."
        raise Invalid(message, code="verdict") from None


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
