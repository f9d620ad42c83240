"""Who may decide a step: people with a seat, and who speaks for them while they are away."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from apps.core.domain.errors import Forbidden
from apps.experiments.domain.policies import Approvers


class SamePerson(Forbidden):
    """Whoever asks for money, or is to spend it, does not approve it."""

    default_code = "same_person"


class NoSeat(Forbidden):
    """The step is somebody else's to decide."""

    default_code = "not_an_approver"


@dataclass(frozen=True, slots=True)
class Decider:
    """A person who may decide at all: an active one whose role holds the scope."""

    id: int
    email: str
    name: str
    role: str
    owns: frozenset[str]
    """Teams that the person owns: of a cost center of theirs, or as an approver among them."""


@dataclass(frozen=True, slots=True)
class Away:
    """From one day to another, both included, somebody speaks for somebody."""

    absent: int
    delegate: int
    starts_on: date
    ends_on: date

    def holds(self, on: date) -> bool:
        """Tell whether it is in force on a day."""
        return self.starts_on <= on <= self.ends_on


@dataclass(frozen=True, slots=True)
class OpenStep:
    """A step that waits, with whose it is."""

    id: int
    name: str
    approvers: Approvers


@dataclass(frozen=True, slots=True)
class Seat:
    """A step and the person in whose place it is decided."""

    step: int
    principal: int


def seated(
    approvers: Approvers, *, team: str, people: Iterable[Decider], barred: frozenset[int]
) -> list[Decider]:
    """Return who has a seat at a step, without the people of the request themselves."""
    return [
        one
        for one in people
        if one.id not in barred
        and (
            one.role in approvers.roles
            or one.email in approvers.people
            or (approvers.team_owner and team in one.owns)
        )
    ]


@dataclass(frozen=True, slots=True)
class Need:
    """A step with how many people have to approve it, and the ids of those who could."""

    name: str
    quorum: int
    could: frozenset[int]


def first_unmet(needs: Sequence[Need]) -> int | None:
    """Return the place of the first step whose quorum cannot be met, None when all can.

    Nobody decides twice in a round, so each person fills one seat: the seats are matched.
    """
    filled: dict[int, int] = {}
    seats = [place for place, need in enumerate(needs) for _ in range(need.quorum)]

    def fill(seat: int, tried: set[int]) -> bool:
        for person in sorted(needs[seats[seat]].could - tried):
            tried.add(person)
            if person not in filled or fill(filled[person], tried):
                filled[person] = seat
                return True
        return False

    return next((seats[seat] for seat in range(len(seats)) if not fill(seat, set())), None)


def seat_of(
    person: int,
    *,
    steps: Sequence[OpenStep],
    team: str,
    people: Sequence[Decider],
    barred: frozenset[int],
    spoken: frozenset[int],
    away: Sequence[Away],
    on: date,
) -> Seat:
    """Return the seat that a person fills: an own one first, else that of somebody who is away.

    `spoken` are the people who have decided in this round, for themselves or through somebody.

    :raises SamePerson: when the person is one of the request's own.
    :raises NoSeat: when there is none for the person.
    """
    if person in barred:
        raise SamePerson("You ask for it or are to spend it; another person has to decide.")
    if person in spoken:
        raise NoSeat("You have decided this already; a second person has to.")
    spoken_for = [person] + [one.absent for one in away if one.delegate == person and one.holds(on)]
    for principal in spoken_for:
        if principal in spoken:
            continue
        for step in steps:
            found = seated(step.approvers, team=team, people=people, barred=barred)
            if any(one.id == principal for one in found):
                return Seat(step.id, principal)
    names = ", ".join(f"{step.name} ({step.approvers.in_words})" for step in steps)
    raise NoSeat(f"You are no approver of what waits: {names or 'nothing'}.")


def told(
    deciders: Iterable[Decider], *, away: Sequence[Away], on: date, people: Mapping[int, Decider]
) -> list[Decider]:
    """Return whom to write to: people with a seat, or who speaks for them while they are away."""
    found: dict[int, Decider] = {}
    for one in deciders:
        stand_in = next((a.delegate for a in away if a.absent == one.id and a.holds(on)), None)
        reached = people.get(stand_in, one) if stand_in is not None else one
        found[reached.id] = reached
    return list(found.values())
