"""Tells people what waits for them and what was decided, in the transaction in which it is."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Final

from apps.core import presentation
from apps.core.domain.money import published
from apps.experiments.domain.seats import Decider, seated, told
from apps.experiments.domain.states import State, StepState, Verdict, words
from apps.experiments.models import Decision, ExperimentRequest, Step, Submission
from apps.experiments.selectors import people
from apps.experiments.selectors.requests import approvers_of, barred_from
from apps.experiments.services.links import link_for
from apps.experiments.services.rounds import today
from apps.notifications import services as notifications
from apps.notifications.domain.notices import Offer
from apps.notifications.domain.topics import Severity, Topic
from apps.tenants import selectors as tenants

_SUBJECT: Final = {
    Topic.APPROVAL_REQUESTED: "{code} waits for your decision: {title}",
    Topic.APPROVAL_REMINDER: "Reminder: {code} waits for your decision: {title}",
    Topic.APPROVAL_ESCALATED: "Overdue: {code} waits for a decision: {title}",
}
_OFFERS: Final = (
    ("Approve", Verdict.APPROVE),
    ("Reject", Verdict.REJECT),
    ("Ask for changes", Verdict.REQUEST_CHANGES),
)


def tell_waiting(
    row: ExperimentRequest,
    judged: Submission,
    *,
    now: datetime,
    topic: Topic = Topic.APPROVAL_REQUESTED,
    steps: Iterable[Step] | None = None,
    without: Collection[int] = (),
) -> int:
    """Tell whoever may decide the open steps of a round; `without` are steps told of before."""
    waiting = judged.steps.filter(state=StepState.OPEN.value) if steps is None else steps
    notices = [
        _waiting(row, judged, step, topic, now) for step in waiting if step.pk not in without
    ]
    return notifications.publish(notices=notices, now=now)


def tell_decided(
    row: ExperimentRequest, judged: Submission, *, decision: Decision, now: datetime
) -> int:
    """Tell whoever asked, and who is to spend it, how a round has ended."""
    ended = words(judged.state)
    what = "The amendment of " if judged.is_amendment else ""
    said = f"{decision.decided_by}: {decision.comment}" if decision.comment else ""
    lines = [
        f"{what}{row.code} ({row.title}) is {ended} by {decision.decided_by}.",
        said,
        _next_step(row, judged),
    ]
    return _tell_asking(
        row,
        judged,
        topic=Topic.APPROVAL_DECIDED,
        key=f"approval.decided/{judged.public_id}",
        subject=f"{what}{row.code} is {ended}: {row.title}",
        lines=lines,
        severity=Severity.INFO if judged.state == "approved" else Severity.WARNING,
        now=now,
    )


def tell_ended(row: ExperimentRequest, *, now: datetime) -> int:
    """Tell whoever asked, and who spends it, that an experiment is over."""
    judged = row.submissions.order_by("-number").first()
    assert judged is not None
    lines = [f"{row.code} ({row.title}) is {words(row.state)}: {row.end_reason}."]
    if row.released is not None:
        left = presentation.money(row.released, row.currency)
        lines.append(f"{left} were left and are free again.")
    if row.state == State.COMPLETED.value:
        lines.append("Say what you have learned on its page.")
    return _tell_asking(
        row,
        judged,
        topic=Topic.EXPERIMENT_ENDED,
        key=f"experiment.ended/{row.code}",
        subject=f"{row.code} is {words(row.state)}: {row.title}",
        lines=lines,
        severity=Severity.INFO,
        now=now,
    )


def _waiting(
    row: ExperimentRequest, judged: Submission, step: Step, topic: Topic, now: datetime
) -> notifications.Notice:
    tenant = tenants.current()
    reached = _reached(judged, step, now)
    asking = "more for" if judged.is_amendment else "for"
    with presentation.reading_as(locale=tenant.locale, timezone=str(tenant.timezone)):
        amount = presentation.money(judged.amount, judged.currency)
        due = presentation.moment(step.due_at) if step.due_at else ""
        lines = [
            f"{row.requested_by} asks {asking} {row.title} ({row.code}, team {row.team}).",
            f"Amount: {amount} in all. Step: {step.name}. Decide by {due}.",
            *judged.reasons,
        ]
    step_id = str(step.public_id)
    return notifications.Notice(
        topic=topic,
        key=f"{topic.value}/{step_id}",
        subject=_SUBJECT[topic].format(code=row.code, title=row.title),
        text="\n".join(lines),
        data=_data(row, judged) | {"step": step.name, "due_at": step.due_at},
        people=tuple(sorted(one.id for one in reached)),
        severity=Severity.INFO if topic is Topic.APPROVAL_REQUESTED else Severity.WARNING,
        link=f"/approvals/{row.public_id}/",
        offers=tuple(
            Offer(
                label,
                lambda reader, verdict=verdict: link_for(  # type: ignore[misc]
                    step=step_id, reader=reader, verdict=verdict
                ),
            )
            for label, verdict in _OFFERS
        ),
    )


def _reached(judged: Submission, step: Step, now: datetime) -> list[Decider]:
    on = today(now)
    everybody = people.deciders(on=on)
    spoken = set(judged.decisions.values_list("principal", flat=True))
    found = seated(
        approvers_of(step),
        team=judged.team,
        people=everybody,
        barred=barred_from(judged) | spoken,
    )
    return told(
        found,
        away=people.away(on=on),
        on=on,
        people={one.id: one for one in everybody},
    )


def _tell_asking(
    row: ExperimentRequest,
    judged: Submission,
    *,
    topic: Topic,
    key: str,
    subject: str,
    lines: list[str],
    severity: Severity,
    now: datetime,
) -> int:
    asking = {row.owner_user, row.requested_by_user, judged.submitted_by_user}
    notice = notifications.Notice(
        topic=topic,
        key=key,
        subject=subject,
        text="\n".join(line for line in lines if line),
        data=_data(row, judged),
        people=tuple(sorted(one for one in asking if one is not None)),
        severity=severity,
        link=f"/experiments/{row.public_id}/",
    )
    return notifications.publish(notices=[notice], now=now)


def _next_step(row: ExperimentRequest, judged: Submission) -> str:
    if judged.state == "approved":
        return f"Tag its usage with experiment={row.code}; it draws the budget down live."
    if judged.state == "changes_requested":
        return "Change it and submit it again."
    return ""


def _data(row: ExperimentRequest, judged: Submission) -> dict[str, object]:
    return {
        "experiment": row.code,
        "title": row.title,
        "team": row.team,
        "state": row.state,
        "amount": published(judged.amount),
        "currency": judged.currency,
        "round": judged.number,
        "is_amendment": judged.is_amendment,
    }
