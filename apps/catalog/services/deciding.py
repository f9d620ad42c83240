"""What people decide about changes of prices: approve, approve as the second, or reject."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from apps.audit import services as audit
from apps.catalog.domain.review import (
    caution,
    moment_of,
    predecessor_of,
    rate_at,
    same_price,
)
from apps.catalog.models import PriceChange, PriceDecision
from apps.catalog.services.knowledge import next_moment, sole_writer
from apps.catalog.services.listing import Listing
from apps.catalog.services.reviewing import (
    PeerPrices,
    origin_of,
    step_of,
    subject_of,
)
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Conflict, FieldError, Forbidden, Missing, Unprocessable

MOST_AT_ONCE: Final = 2_000
_SHOWN: Final = 3


class Verdict(StrEnum):
    """What a person says of a change."""

    APPROVE = "approve"
    REJECT = "reject"


class ChangeUnknown(Missing):
    """There is no such change of a price."""

    default_code = "price_change_unknown"


class ChangeSettled(Conflict):
    """The change was published, rejected or superseded meanwhile."""

    default_code = "price_change_settled"


class SecondPersonNeeded(Conflict):
    """The one who approved already cannot be the second approver."""

    default_code = "second_person_needed"


class DecisionNotValid(Unprocessable):
    """A decision lacks its reason, or takes too many changes at once."""

    default_code = "price_decision_not_valid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What one person says of some changes; a rejection needs a reason."""

    changes: tuple[UUID, ...]
    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of the changes: how many are published, wait for a second person, are gone."""

    published: int
    waiting: int
    rejected: int
    superseded: int


def decide(*, decision: Decision, actor: Actor, now: datetime) -> Decided:
    """Approve or reject changes of prices as a person, all of them or none.

    A published price applies from its own beginning and is known from now on; tenants are
    charged by it once they adopt it, in their open months only. A change far from what it is
    compared with stays until another person approves it, too.

    :raises Forbidden: when no person stands behind the actor, or it may not administer.
    :raises DecisionNotValid: when a reason is missing, or two changes contradict each other.
    :raises ChangeUnknown: when one is not there.
    :raises ChangeSettled: when one is settled already.
    :raises SecondPersonNeeded: when the actor has approved one before.
    """
    _check(decision, actor)
    with sole_writer():
        changes = _held(decision.changes)
        _refuse_repeated(changes, actor)
        if decision.verdict is Verdict.REJECT:
            decided = _reject(changes, decision, actor, now)
        else:
            decided = _approve(changes, decision, actor, now)
        audit.record(
            actor=actor,
            action=f"price_changes.{'approved' if decided.rejected == 0 else 'rejected'}",
            subject="catalog",
            subject_id=str(changes[0].public_id),
            detail={
                "changes": [str(change.public_id) for change in changes],
                "reason": decision.reason,
                "published": decided.published,
                "waiting": decided.waiting,
            },
            at=now,
        )
    return decided


def _check(decision: Decision, actor: Actor) -> None:
    actor.require(Scope.ADMIN)
    _person(actor)
    if not 1 <= len(set(decision.changes)) <= MOST_AT_ONCE:
        raise DecisionNotValid(f"Choose between 1 and {MOST_AT_ONCE:,} changes.")
    if decision.verdict is Verdict.REJECT and not decision.reason.strip():
        wrong = FieldError("reason", "required", "Say why, in a few words.")
        raise DecisionNotValid("A rejection needs a reason.", errors=(wrong,))
    if len(decision.reason) > 500:
        wrong = FieldError("reason", "length", "Write at most 500 characters.")
        raise DecisionNotValid("The reason is too long.", errors=(wrong,))


def _person(actor: Actor) -> int:
    """Return the person who decides.

    :raises Forbidden: when there is none: programs do not decide.
    """
    if actor.kind != "user" or actor.user_id is None:
        raise Forbidden("Prices are decided on by a person who is signed in.", code="person_needed")
    return actor.user_id


def _held(ids: Iterable[UUID]) -> list[PriceChange]:
    wanted = set(ids)
    rows = list(PriceChange.objects.select_for_update().filter(public_id__in=wanted).order_by("pk"))
    if len(rows) != len(wanted):
        raise ChangeUnknown("There is no such change of a price.")
    settled = [row for row in rows if row.state != PriceChange.State.PROPOSED]
    if settled:
        raise ChangeSettled(f"{_named(settled)} {settled[0].state} already; nothing was changed.")
    return rows


def _refuse_repeated(changes: Sequence[PriceChange], actor: Actor) -> None:
    said = set(
        PriceDecision.objects.filter(change__in=changes, user=actor.user_id).values_list(
            "change", flat=True
        )
    )
    mine = [change for change in changes if change.pk in said]
    if mine:
        raise SecondPersonNeeded(
            f"You approved {_named(mine)} before; another person must decide now."
        )


def _named(changes: Sequence[PriceChange]) -> str:
    names = [f"{one.provider} {one.model} {one.meter}" for one in changes[:_SHOWN]]
    more = f" and {len(changes) - _SHOWN} more" if len(changes) > _SHOWN else ""
    return ", ".join(names) + more


def _reject(
    changes: Sequence[PriceChange], decision: Decision, actor: Actor, now: datetime
) -> Decided:
    _record(changes, decision, actor, now)
    _settle(changes, PriceChange.State.REJECTED, "", now)
    return Decided(published=0, waiting=0, rejected=len(changes), superseded=0)


def _approve(
    changes: Sequence[PriceChange], decision: Decision, actor: Actor, now: datetime
) -> Decided:
    _refuse_contradictions(changes)
    listing = Listing({(change.provider, change.model) for change in changes})
    _be_careful(changes, listing, now)
    _record(changes, decision, actor, now)
    approvals = _approvals(changes)
    ready = [change for change in changes if approvals[change.pk] >= change.approvers]
    _settle(ready, PriceChange.State.PUBLISHED, "person", now)
    for change in ready:
        listing.publish(subject_of(change), step_of(change), origin_of(change))
    if ready:
        listing.write(now=next_moment(now), source=ready[0].source_label)
    pointless = _pointless(listing, {change.pk for change in changes}, now)
    _settle(pointless, PriceChange.State.SUPERSEDED, "", now)
    return Decided(
        published=len(ready),
        waiting=len(changes) - len(ready),
        rejected=0,
        superseded=len(pointless),
    )


def _refuse_contradictions(changes: Sequence[PriceChange]) -> None:
    """Let nobody approve two prices for the same thing and time with one click."""
    by_subject: dict[UUID, list[PriceChange]] = {}
    for change in changes:
        others = by_subject.setdefault(change.subject, [])
        mine = step_of(change)
        for other in others:
            theirs = step_of(other)
            if mine.start < theirs.end and theirs.start < mine.end:
                raise DecisionNotValid(
                    f"Two of the chosen changes are about {_named([change])} at the same time; "
                    "approve one of them and reject the other."
                )
        others.append(change)


def _be_careful(changes: Sequence[PriceChange], listing: Listing, now: datetime) -> None:
    """Ask for a second person where the list moved so far meanwhile that one no longer does."""
    peers = PeerPrices(now)
    for change in changes:
        if change.approvers > 1:
            continue
        subject, step = subject_of(change), step_of(change)
        why = caution(
            step.rate,
            predecessor=predecessor_of(step, listing.timeline(subject), now),
            peers=peers.median(subject, step.rate),
        )
        if why:
            change.approvers, change.caution = 2, why
            change.save(update_fields=["approvers", "caution"])


def _record(
    changes: Sequence[PriceChange], decision: Decision, actor: Actor, now: datetime
) -> None:
    PriceDecision.objects.bulk_create(
        PriceDecision(
            change=change,
            user_id=_person(actor),
            decided_by=actor.label[:254],
            verdict=decision.verdict.value,
            reason=decision.reason.strip(),
            decided_at=now,
        )
        for change in changes
    )


def _approvals(changes: Sequence[PriceChange]) -> dict[int, int]:
    counts = dict.fromkeys((change.pk for change in changes), 0)
    for change in PriceDecision.objects.filter(
        change__in=changes, verdict=Verdict.APPROVE.value
    ).values_list("change", flat=True):
        counts[change] += 1
    return counts


def _settle(
    changes: Sequence[PriceChange], state: PriceChange.State, basis: str, now: datetime
) -> None:
    PriceChange.objects.filter(pk__in=[change.pk for change in changes]).update(
        state=state, basis=basis, settled_at=now
    )


def _pointless(listing: Listing, decided: set[int], now: datetime) -> list[PriceChange]:
    """Return waiting changes that would write what is listed now anyway."""
    keys = [subject.key for subject in listing.touched]
    waiting = PriceChange.objects.filter(
        subject__in=keys, state=PriceChange.State.PROPOSED
    ).exclude(pk__in=decided)
    return [change for change in waiting.order_by("pk") if _is_listed(listing, change, now)]


def _is_listed(listing: Listing, change: PriceChange, now: datetime) -> bool:
    step = step_of(change)
    have = rate_at(listing.timeline(subject_of(change)), moment_of(step, now))
    return same_price(have, step.rate)


__all__ = [
    "MOST_AT_ONCE",
    "ChangeSettled",
    "ChangeUnknown",
    "Decided",
    "Decision",
    "DecisionNotValid",
    "SecondPersonNeeded",
    "Verdict",
    "decide",
]
