"""Questions about requests and the rounds in which they are approved."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Prefetch, Q, QuerySet

from apps.core.domain.access import Actor
from apps.core.domain.months import local_day
from apps.documents import selectors as documents
from apps.experiments.domain.assessment import read_assessment
from apps.experiments.domain.facts import (
    DecisionFacts,
    RequestFacts,
    RevisionFacts,
    StepView,
    SubmissionFacts,
)
from apps.experiments.domain.policies import Approvers
from apps.experiments.domain.policy_text import read_approvers
from apps.experiments.domain.proposals import read_payload
from apps.experiments.domain.seats import Decider, seated
from apps.experiments.domain.states import (
    ExperimentMissing,
    RoundState,
    State,
    StepState,
    Verdict,
)
from apps.experiments.models import Attachment, ExperimentRequest, Revision, Step, Submission
from apps.experiments.selectors import people
from apps.tenants import selectors as tenants


def visible(actor: Actor) -> QuerySet[ExperimentRequest]:
    """Return the rows that an actor may see: of own teams, own ones, and of bound tags."""
    rows = ExperimentRequest.objects.all()
    if actor.teams is not None:
        own = Q(team__in=actor.teams)
        if actor.user_id is not None:
            own |= Q(requested_by_user=actor.user_id) | Q(owner_user=actor.user_id)
        rows = rows.filter(own)
    known = {"team": "team", "experiment": "code"}
    for tag, value in actor.bound_tags.items():
        rows = rows.filter(**{known[tag]: value}) if tag in known else rows.none()
    return rows


def requests(
    *,
    actor: Actor,
    states: Iterable[State] = (),
    team: str = "",
    mine: bool = False,
    text: str = "",
) -> list[RequestFacts]:
    """Return requests that the actor may see, the newest first; two queries."""
    rows = visible(actor)
    wanted = [state.value for state in states]
    if wanted:
        rows = rows.filter(state__in=wanted)
    if team:
        rows = rows.filter(team=team)
    if mine:
        own = Q(asked_as=actor.identity)
        if actor.user_id is not None:
            own |= Q(requested_by_user=actor.user_id) | Q(owner_user=actor.user_id)
        rows = rows.filter(own)
    if text:
        rows = rows.filter(Q(title__icontains=text) | Q(code__icontains=text))
    return facts_of(list(rows.order_by("-id")))


def request(*, id: UUID, actor: Actor) -> RequestFacts:
    """Return one request.

    :raises ExperimentMissing: when there is none that the actor may see.
    """
    return facts_of([row_of(id=id, actor=actor)])[0]


def request_by_code(*, code: str, actor: Actor) -> RequestFacts:
    """Return one request by its tag.

    :raises ExperimentMissing: when there is none that the actor may see.
    """
    row = visible(actor).filter(code=code).first()
    if row is None:
        raise ExperimentMissing(f"There is no experiment {code[:40]!r} that you may see.")
    return facts_of([row])[0]


def row_of(*, id: UUID, actor: Actor) -> ExperimentRequest:
    """Return the row of a request.

    :raises ExperimentMissing: when there is none that the actor may see.
    """
    row = visible(actor).filter(public_id=id).first()
    if row is None:
        raise ExperimentMissing("There is no such experiment that you may see.")
    return row


def revisions(*, id: UUID) -> list[RevisionFacts]:
    """Return every revision of a request, the newest first."""
    rows = Revision.objects.filter(request__public_id=id).order_by("-number")
    return [revision_facts(row) for row in rows]


def attachments(*, id: UUID) -> list[Attachment]:
    """Return the files of a request in the order in which they came."""
    return list(Attachment.objects.filter(request__public_id=id).order_by("id"))


@dataclass(frozen=True, slots=True)
class FileContent:
    """A file of a request, as it is handed out."""

    name: str
    media_type: str
    content: bytes


def file_of(*, request: UUID, file: UUID, actor: Actor) -> FileContent:
    """Return a file of a request that the actor may see, its bytes checked by their digest.

    :raises ExperimentMissing: when there is none.
    """
    row = row_of(id=request, actor=actor).attachments.filter(public_id=file).first()
    if row is None:
        raise ExperimentMissing("There is no such file.")
    content = documents.kept_file(key=row.storage_key, sha256=row.sha256)
    return FileContent(row.name, row.media_type, content)


def submissions(*, id: UUID, now: datetime) -> list[SubmissionFacts]:
    """Return the rounds of a request, the newest first, with who may decide; seven queries."""
    rows = with_everything(Submission.objects.filter(request__public_id=id))
    return submission_facts(list(rows.order_by("-number")), now=now)


def with_everything(rows: QuerySet[Submission]) -> QuerySet[Submission]:
    """Return rounds that bring steps, decisions and authors along; four queries more."""
    authors = Revision.objects.only("request_id", "created_by_user")
    return rows.select_related("request", "revision", "policy").prefetch_related(
        "steps", "decisions__step", Prefetch("request__revisions", queryset=authors)
    )


def submission_facts(rows: Sequence[Submission], *, now: datetime) -> list[SubmissionFacts]:
    """Return rounds as others may know them; the rows come with steps and decisions."""
    if not rows:
        return []
    on = local_day(now, tenants.current().timezone)
    everybody = people.deciders(on=on)
    return [_submission(row, everybody) for row in rows]


def barred_from(row: Submission) -> frozenset[int]:
    """Return the people of a request, who decide none of its rounds."""
    asking = {row.submitted_by_user, row.request.requested_by_user, row.request.owner_user}
    asking |= {one.created_by_user for one in row.request.revisions.all()}
    return frozenset(one for one in asking if one is not None)


def approvers_of(step: Step) -> Approvers:
    """Return who may decide a step: after its time is over those above too."""
    approvers = read_approvers(step.rule["approvers"])
    if step.escalated_at is not None:
        return approvers | read_approvers(step.rule["escalate_to"])
    return approvers


def facts_of(rows: Sequence[ExperimentRequest]) -> list[RequestFacts]:
    """Return rows with the revision in force of each; one query."""
    wanted = Q(pk__in=[])
    for row in rows:
        wanted |= Q(request_id=row.pk, number=row.revision)
    found = {one.request_id: one for one in Revision.objects.filter(wanted)} if rows else {}
    return [_request(row, found[row.pk]) for row in rows]


def revision_facts(row: Revision) -> RevisionFacts:
    """Return a revision as others may know it."""
    return RevisionFacts(
        id=row.public_id,
        number=row.number,
        is_amendment=row.is_amendment,
        proposal=read_payload(row.content),
        assessment=read_assessment(row.estimate),
        amount=row.amount,
        note=row.note,
        created_at=row.created_at,
        created_by=row.created_by,
    )


def _request(row: ExperimentRequest, revision: Revision) -> RequestFacts:
    return RequestFacts(
        id=row.public_id,
        code=row.code,
        title=row.title,
        team=row.team,
        owner=row.owner,
        owner_user=row.owner_user,
        requested_by=row.requested_by,
        requested_by_user=row.requested_by_user,
        asked_as=row.asked_as,
        state=State(row.state),
        currency=row.currency,
        amount=row.amount,
        released=row.released,
        grant=row.grant,
        starts_on=row.starts_on,
        ends_on=row.ends_on,
        created_at=row.created_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        end_reason=row.end_reason,
        revision=revision_facts(revision),
    )


def _submission(row: Submission, everybody: Sequence[Decider]) -> SubmissionFacts:
    decisions = sorted(row.decisions.all(), key=lambda one: one.pk)
    return SubmissionFacts(
        id=row.public_id,
        number=row.number,
        revision=row.revision.number,
        policy_version=row.policy.version,
        is_amendment=row.is_amendment,
        automatic=row.automatic,
        routes=tuple(row.routes),
        reasons=tuple(row.reasons),
        amount=row.amount,
        currency=row.currency,
        state=RoundState(row.state),
        submitted_at=row.submitted_at,
        submitted_by=row.submitted_by,
        expires_at=row.expires_at,
        closed_at=row.closed_at,
        steps=_steps(row, everybody),
        decisions=tuple(
            DecisionFacts(
                id=one.public_id,
                step=one.step.name,
                verdict=Verdict(one.verdict),
                comment=one.comment,
                via=one.via,
                user_id=one.user_id,
                decided_by=one.decided_by,
                on_behalf_of=one.on_behalf_of,
                decided_at=one.decided_at,
            )
            for one in decisions
        ),
    )


def _steps(row: Submission, everybody: Sequence[Decider]) -> tuple[StepView, ...]:
    is_open = row.state == RoundState.OPEN.value
    barred = barred_from(row) if is_open else frozenset[int]()
    spoken = {one.principal for one in row.decisions.all()}
    return tuple(
        _step(step, row, everybody, barred | spoken if is_open else None)
        for step in sorted(row.steps.all(), key=lambda step: step.position)
    )


def _step(
    step: Step, row: Submission, everybody: Sequence[Decider], taken: frozenset[int] | None
) -> StepView:
    """Return a step; `taken` are people who cannot fill a seat, None when the round is over."""
    votes = [one for one in row.decisions.all() if one.step_id == step.pk]
    approvers = approvers_of(step)
    seats = (
        seated(approvers, team=row.team, people=everybody, barred=taken)
        if taken is not None
        else []
    )
    return StepView(
        id=step.public_id,
        name=step.name,
        order=step.order,
        quorum=step.quorum,
        approvers=approvers,
        state=StepState(step.state),
        opened_at=step.opened_at,
        due_at=step.due_at,
        escalated_at=step.escalated_at,
        approvals=sum(one.verdict == Verdict.APPROVE.value for one in votes),
        seats=tuple(one.email for one in seats),
    )
