"""Say under whom a cost center stands and to which cost center a team belongs, from a day on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from django.db import transaction

from apps.audit import services as audit
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import FieldError, Missing, Unprocessable
from apps.directory.domain.entries import CostCenterFacts, Entry, TeamFacts
from apps.directory.domain.spans import Reassignment, Span, reassign
from apps.directory.domain.tree import Edge, ring
from apps.directory.models import CostCenter, Membership, Placement, Team


class LinkRefused(Unprocessable):
    """The other end of the link does not exist."""

    default_code = "entry_refused"


class CycleRefused(Unprocessable):
    """A cost center would stand under itself."""

    default_code = "cycle"


@transaction.atomic
def move_team(
    *, team: str, cost_center: str, since: date | None, actor: Actor, now: datetime
) -> None:
    """Let a team belong to a cost center from a day on; an empty one ends its membership.

    Days before `since` keep what they had. Safe to repeat.

    :raises Missing: when there is no such team.
    :raises LinkRefused: when there is no such cost center.
    """
    actor.require(Scope.DIRECTORY_WRITE)
    row = Team.objects.select_for_update(no_key=True).filter(code=team).first()
    if row is None:
        raise Missing(f"There is no team {team}.", code="entry_not_found")
    if link_team(row, cost_center=cost_center, since=since, now=now):
        _record(actor, "team", team, {"cost_center": cost_center, "since": since}, now)


@transaction.atomic
def place_cost_center(
    *, cost_center: str, parent: str, since: date | None, actor: Actor, now: datetime
) -> None:
    """Let a cost center stand under a parent from a day on; an empty one makes it a root.

    :raises Missing: when there is no such cost center.
    :raises LinkRefused: when there is no such parent.
    :raises CycleRefused: when the parent stands under the cost center on any day; names the ring.
    """
    actor.require(Scope.DIRECTORY_WRITE)
    row = CostCenter.objects.select_for_update(no_key=True).filter(code=cost_center).first()
    if row is None:
        raise Missing(f"There is no cost center {cost_center}.", code="entry_not_found")
    if link_cost_center(row, parent=parent, since=since, now=now):
        _record(actor, "cost_center", cost_center, {"parent": parent, "since": since}, now)


@transaction.atomic
def move(*, entry: Entry, since: date | None, actor: Actor, now: datetime) -> None:
    """Put an entry where it says it belongs, from a day on; what belongs nowhere stays.

    :raises LinkRefused: when what it names does not exist.
    :raises CycleRefused: when a ring would close.
    """
    match entry:
        case TeamFacts():
            move_team(
                team=entry.code,
                cost_center=entry.cost_center,
                since=since,
                actor=actor,
                now=now,
            )
        case CostCenterFacts():
            place_cost_center(
                cost_center=entry.code, parent=entry.parent, since=since, actor=actor, now=now
            )
        case _:
            pass


def link_team(team: Team, *, cost_center: str, since: date | None, now: datetime) -> bool:
    """Write a membership; tell whether anything changed.

    :raises LinkRefused: when there is no such cost center.
    """
    rows = list(team.memberships.filter(superseded_at__isnull=True).select_related("cost_center"))
    spans = [Span(row.valid_from, row.valid_to, row.cost_center.code) for row in rows]
    change = reassign(spans, target=cost_center, since=since)
    targets = _cost_centers(change, field="cost_center")
    _supersede(Membership.objects, rows, spans, change, now)
    Membership.objects.bulk_create(
        Membership(
            team=team,
            cost_center=targets[span.target],
            valid_from=span.start,
            valid_to=span.end,
            recorded_at=now,
        )
        for span in change.added
    )
    return bool(change.superseded or change.added)


def link_cost_center(
    cost_center: CostCenter, *, parent: str, since: date | None, now: datetime
) -> bool:
    """Write a placement; tell whether anything changed.

    :raises LinkRefused: when there is no such parent.
    :raises CycleRefused: when a ring would close on any day.
    """
    _queue_up()
    rows = list(cost_center.placements.filter(superseded_at__isnull=True).select_related("parent"))
    spans = [Span(row.valid_from, row.valid_to, row.parent.code) for row in rows]
    change = reassign(spans, target=parent, since=since)
    targets = _cost_centers(change, field="parent")
    _supersede(Placement.objects, rows, spans, change, now)
    _refuse_ring(cost_center.code, parent=parent, since=since)
    Placement.objects.bulk_create(
        Placement(
            cost_center=cost_center,
            parent=targets[span.target],
            valid_from=span.start,
            valid_to=span.end,
            recorded_at=now,
        )
        for span in change.added
    )
    return bool(change.superseded or change.added)


def _queue_up() -> None:
    """Let edits of the tree go one after the other; the trigger waits on the same row."""
    CostCenter.objects.select_for_update(no_key=True).get(kind="unallocated")


def _cost_centers(change: Reassignment, *, field: str) -> dict[str, CostCenter]:
    codes = {span.target for span in change.added}
    found = {row.code: row for row in CostCenter.objects.filter(code__in=codes)}
    for code in sorted(codes - found.keys()):
        message = f"There is no cost center {code}."
        raise LinkRefused(message, errors=(FieldError(field, "unknown", message),))
    return found


def _supersede(
    manager: object,
    rows: Sequence[Membership] | Sequence[Placement],
    spans: Sequence[Span],
    change: Reassignment,
    now: datetime,
) -> None:
    gone = [row.pk for row, span in zip(rows, spans, strict=True) if span in change.superseded]
    manager.filter(pk__in=gone).update(superseded_at=now)  # type: ignore[attr-defined]


def _refuse_ring(code: str, *, parent: str, since: date | None) -> None:
    if not parent:
        return
    placed = Placement.objects.filter(superseded_at__isnull=True).select_related(
        "cost_center", "parent"
    )
    known = [
        Edge(row.cost_center.code, Span(row.valid_from, row.valid_to, row.parent.code))
        for row in placed
    ]
    found = ring(known, Edge(code, Span(since, None, parent)))
    if found:
        message = f"{' under '.join(found)} would be a ring."
        raise CycleRefused(message, errors=(FieldError("parent", "cycle", message),))


def _record(
    actor: Actor, subject: str, code: str, detail: dict[str, object], now: datetime
) -> None:
    audit.record(
        actor=actor,
        action=f"{subject}.moved",
        subject=subject,
        subject_id=code,
        detail=detail,
        at=now,
    )


__all__ = [
    "CycleRefused",
    "LinkRefused",
    "link_cost_center",
    "link_team",
    "move",
    "move_team",
    "place_cost_center",
]
