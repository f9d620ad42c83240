"""The approval record of an experiment as a PDF: what was asked, by which rules, who decided."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.generic import View

from apps.audit import selectors as audit
from apps.core import presentation
from apps.core.domain.canonical import digest_of
from apps.core.web.views import PageMixin
from apps.documents import services as documents
from apps.experiments import selectors
from apps.experiments.domain.facts import RequestFacts, RevisionFacts, SubmissionFacts
from apps.experiments.domain.proposals import as_payload
from apps.experiments.domain.states import NotInState, words
from apps.experiments.web.detail import facts_of
from apps.experiments.web.shared import READ, SAID
from apps.tenants import selectors as tenants


class Record(PageMixin, View):
    """Hands out the record of every round that has ended."""

    scopes = READ

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        found = selectors.request(id=kwargs["experiment"], actor=self.actor)
        rounds = [
            one
            for one in reversed(selectors.submissions(id=found.id, now=timezone.now()))
            if one.state.value != "open"
        ]
        if not rounds:
            raise NotInState(f"Nothing of {found.code} is decided yet.")
        content = documents.draw_paper(
            template="experiments/record.html",
            stylesheet="experiments/record.css",
            context=context_of(found, rounds),
        )
        answer = HttpResponse(content, content_type="application/pdf")
        answer["Content-Disposition"] = f'inline; filename="{found.code}-approval.pdf"'
        return answer


def context_of(found: RequestFacts, rounds: list[SubmissionFacts]) -> dict[str, Any]:
    """Return what the paper prints, as strings."""
    tenant = tenants.current()
    every = {one.number: one for one in selectors.revisions(id=found.id)}
    history = audit.history(subject="experiment", subject_id=found.code)
    return {
        "issuer": tenant.name,
        "found": found,
        "facts": [(fact.label, fact.value) for fact in facts_of(found)],
        "state": words(found.state),
        "requested_by": found.requested_by,
        "rounds": [_round(one, every[one.revision]) for one in rounds],
        "trail": [
            (
                presentation.moment(entry.at),
                entry.actor,
                SAID.get(entry.action, entry.action),
                entry.hash[:16],
            )
            for entry in history
        ],
        "zone": str(tenant.timezone),
        "digest": digest_of(
            [
                {"content": as_payload(every[one.revision].proposal), "round": one.number}
                for one in rounds
            ]
        ),
    }


def _round(one: SubmissionFacts, revision: RevisionFacts) -> dict[str, Any]:
    money = presentation.money
    proposal, band = revision.proposal, revision.assessment.estimate.band
    return {
        "number": str(one.number),
        "kind": "Amendment" if one.is_amendment else "Request",
        "state": words(one.state),
        "amount": money(one.amount, one.currency),
        "band": f"{money(band.low, one.currency)} / {money(band.likely, one.currency)} / "
        f"{money(band.high, one.currency)}"
        if band
        else "not priced",
        "models": ", ".join(proposal.models),
        "days": f"{presentation.day(proposal.starts_on)} to {presentation.day(proposal.ends_on)}",
        "hypothesis": proposal.hypothesis,
        "roi_case": proposal.roi_case,
        "revision": str(revision.number),
        "note": revision.note,
        "policy": str(one.policy_version),
        "reasons": "; ".join(one.reasons),
        "submitted": f"{presentation.moment(one.submitted_at)} by {one.submitted_by}",
        "book": str(revision.assessment.price_book_version),
        "cautions": [caution.message for caution in revision.assessment.cautions],
        "decisions": [
            (
                presentation.moment(said.decided_at),
                said.step,
                said.decided_by
                + (f" for {said.on_behalf_of}" if said.on_behalf_of else "")
                + f", {_VIA[said.via]}",
                words(said.verdict),
                said.comment,
            )
            for said in one.decisions
        ],
        "automatic": one.automatic,
    }


_VIA = {"web": "in the console", "api": "by the API", "link": "by a link in a message"}
