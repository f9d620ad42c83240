"""Checks, normalizes, interns and rates the drafts of requests, before their transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Final

from apps.core.domain.access import Actor
from apps.core.domain.months import Month
from apps.ingest.domain.receipt import ItemError
from apps.periods.domain.calendar import Calendar
from apps.usage import services as usage
from apps.usage.domain.checks import tags_problem
from apps.usage.domain.digest import digest_v1
from apps.usage.domain.drafts import Draft, Problem, Rejected
from apps.usage.domain.normalize import Metered, NotDisjoint, meters_of
from apps.usage.domain.placed import Placed
from apps.usage.domain.tagsets import TagSetKey, bound, canonical, key_of
from apps.usage.domain.timeline import SentFields, Timeline, sent_fields, sent_key

MOST_AHEAD: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Sent:
    """What one request sent, who it acts for, and when it came."""

    drafts: Sequence[Draft | Rejected]
    actor: Actor
    received_at: datetime


@dataclass(slots=True)
class Prepared:
    """Requests ready to be written: placed events, and what is wrong, a list a request.

    Events stand in the order of the requests and of their items; their digests are yet to be
    taken. `known` is what the database knew of their names just now.
    """

    placed: list[Placed]
    errors: list[list[ItemError]]
    known: usage.Known = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Frame:
    """What every item of a request is held against."""

    earliest: datetime
    latest: datetime
    first_month: Month
    limits: Mapping[str, str]
    teams: frozenset[str] | None
    received_at: datetime

    def problem_with(self, at: datetime) -> Problem:
        """Return what is wrong with a time of use that lies outside."""
        if at > self.latest:
            return _IN_FUTURE
        return Problem(
            "time",
            "time_before_first_period",
            f"The time lies before {self.first_month}, the organization's first period.",
        )


_Checked = tuple[int, Draft, Metered, bytes, SentFields]
"""A draft that is in order: its place, its meters, its tag set and its SKU, yet to be interned."""

_Place = tuple[int, Draft | Rejected]
"""An item and its place in the request."""

_IN_FUTURE: Final = Problem(
    "time",
    "time_in_future",
    "The time lies more than an hour ahead of our clock; send the moment of use.",
)
_ARRIVAL: Final = attrgetter("member", "index")


def prepare(*, requests: Sequence[Sent], sheet: usage.RatingSheet, calendar: Calendar) -> Prepared:
    """Return requests ready for one transaction; interns what is new in statements of its own.

    The names are looked up while the drafts are checked. Events whose tag set, SKU and prices
    the process met before are placed at once, the others when these have got their numbers.
    """
    prepared = Prepared([], [[] for _ in requests])
    frames = [_frame(one.actor, calendar, one.received_at) for one in requests]
    ids = [_id_parts(one.drafts) for one in requests]
    with usage.looking_up(_sources(requests), [part for one in ids for part in one if part]) as (
        prepared.known
    ):
        left = _met_before(requests, ids, frames, sheet, prepared)
    _place_left(left, frames, sheet, prepared)
    return prepared


def prepare_few(
    *, requests: Sequence[Sent], sheet: usage.RatingSheet, calendar: Calendar
) -> Prepared:
    """Do what `prepare` does, but leave it to the caller to look the names up."""
    prepared = Prepared([], [[] for _ in requests])
    frames = [_frame(one.actor, calendar, one.received_at) for one in requests]
    ids = [_id_parts(one.drafts) for one in requests]
    left = _met_before(requests, ids, frames, sheet, prepared)
    _place_left(left, frames, sheet, prepared)
    return prepared


def _met_before(
    requests: Sequence[Sent],
    ids: Sequence[Sequence[bytes]],
    frames: Sequence[_Frame],
    sheet: usage.RatingSheet,
    prepared: Prepared,
) -> list[list[_Place]]:
    """Place of every request what needs no database; return what is left of each."""
    return [
        _at_once(number, zip(one.drafts, parts, strict=True), frame, sheet, prepared)
        for number, (one, parts, frame) in enumerate(zip(requests, ids, frames, strict=True))
    ]


def _place_left(
    left: Sequence[list[_Place]],
    frames: Sequence[_Frame],
    sheet: usage.RatingSheet,
    prepared: Prepared,
) -> None:
    if not any(left):
        return
    for number, items in enumerate(left):
        _one_by_one(number, items, frames[number], sheet, prepared)
    prepared.placed.sort(key=_ARRIVAL)


def prepare_one(
    *,
    draft: Draft,
    actor: Actor,
    sheet: usage.RatingSheet,
    calendar: Calendar,
    received_at: datetime,
) -> Placed | ItemError:
    """Return one event ready to be written and digested, or what is wrong with it."""
    sent = Sent([draft], actor, received_at)
    prepared = prepare(requests=[sent], sheet=sheet, calendar=calendar)
    if prepared.errors[0]:
        return prepared.errors[0][0]
    (placed,) = prepared.placed
    placed.digest = digest_v1(draft)
    return placed


def checked_only(
    *,
    drafts: Sequence[Draft | Rejected],
    actor: Actor,
    calendar: Calendar,
    received_at: datetime,
) -> tuple[list[ItemError], list[_Checked]]:
    """Return what is wrong with a request and what is in order; interns nothing."""
    errors: list[ItemError] = []
    frame = _frame(actor, calendar, received_at)
    checked = _check(list(enumerate(drafts)), frame, {}, errors)
    return errors, checked


def _frame(actor: Actor, calendar: Calendar, received_at: datetime) -> _Frame:
    first = calendar.periods[0]
    latest = received_at + MOST_AHEAD
    return _Frame(first.starts_at, latest, first.month, actor.bound_tags, actor.teams, received_at)


def _sources(requests: Sequence[Sent]) -> list[str]:
    drafts = [one for sent in requests for one in sent.drafts]
    return [one.source or "" for one in drafts if not isinstance(one, Rejected)]


def _id_parts(drafts: Iterable[Draft | Rejected]) -> list[bytes]:
    """Return the ids as the database takes them, nothing in the place of a rejected item."""
    part = usage.text_part
    return [b"" if isinstance(one, Rejected) else part(one.id) for one in drafts]


def _at_once(
    number: int,
    drafts: Iterable[tuple[Draft | Rejected, bytes]],
    frame: _Frame,
    sheet: usage.RatingSheet,
    prepared: Prepared,
) -> list[_Place]:
    """Place what needs no number that the process does not remember; return the other items.

    A hot loop, kept free of calls and of the database. What is left is looked at again, by
    `_check`, which also finds out what is wrong with it.
    """
    left: list[_Place] = []
    tag_sets, timelines, placed = usage.remembered_tag_sets(), sheet.by_fields, prepared.placed
    earliest, latest = frame.earliest, frame.latest
    is_limited = bool(frame.limits) or frame.teams is not None
    for index, (draft, id_part) in enumerate(drafts):
        if isinstance(draft, Rejected) or not earliest <= draft.time <= latest:
            left.append((index, draft))
            continue
        try:
            tags = _allowed(draft, frame) if is_limited else draft.tags or {}
            quantities, context = meters_of(draft)
        except (_Refused, NotDisjoint):
            left.append((index, draft))
            continue
        tag_set = tag_sets.get(canonical(tags, draft.account, draft.credential, draft.operation))
        timeline = timelines.get(sent_fields(draft))
        if tag_set is None or timeline is None:
            left.append((index, draft))
            continue
        span = timeline.opened(draft.time, context)
        unpriced = None if span is None else span.shapes.get(tuple(quantities))
        if span is None or unpriced is None:
            left.append((index, draft))
            continue
        placed.append(
            Placed(
                number,
                index,
                draft.source or "",
                draft.id,
                draft,
                quantities,
                context,
                tag_set,
                timeline.number,
                span,
                unpriced,
                b"",
                id_part,
            )
        )
    return left


def _one_by_one(
    number: int,
    items: Iterable[_Place],
    frame: _Frame,
    sheet: usage.RatingSheet,
    prepared: Prepared,
) -> None:
    """Check items, intern what they bring that is new, and place those that are in order."""
    errors, received_at = prepared.errors[number], frame.received_at
    tag_sets: dict[bytes, TagSetKey] = {}
    checked = _check(items, frame, tag_sets, errors)
    tags = usage.intern_tag_sets(wanted=tag_sets, at=received_at)
    timelines = _timelines({item[4] for item in checked}, sheet, received_at)
    if len(tags) < len(tag_sets) or None in timelines.values():
        checked = _within_caps(checked, tags, timelines, errors)
    for index, draft, (quantities, context), key, fields in checked:
        timeline = timelines[fields]
        assert timeline is not None
        span = timeline.span(draft.time, context)
        shape = tuple(quantities)
        unpriced = span.shapes.get(shape)
        if unpriced is None:
            unpriced = sheet.learn(span, shape)
        prepared.placed.append(
            Placed(
                number,
                index,
                draft.source or "",
                draft.id,
                draft,
                quantities,
                context,
                tags[key],
                timeline.number,
                span,
                unpriced,
                b"",
                usage.text_part(draft.id),
            )
        )


def _check(
    drafts: Iterable[_Place],
    frame: _Frame,
    tag_sets: dict[bytes, TagSetKey],
    errors: list[ItemError],
) -> list[_Checked]:
    """Check every draft and make its meters disjoint."""
    checked: list[_Checked] = []
    bad_tags: dict[bytes, Problem] = {}
    for index, draft in drafts:
        if isinstance(draft, Rejected):
            errors.append(ItemError.of_rejected(draft))
            continue
        try:
            if not frame.earliest <= draft.time <= frame.latest:
                raise _Refused(frame.problem_with(draft.time))
            tags = _allowed(draft, frame)
            key = canonical(tags, draft.account, draft.credential, draft.operation)
            if key not in tag_sets:
                _meet(key, draft, tags, tag_sets, bad_tags)
            metered = meters_of(draft)
        except (_Refused, NotDisjoint) as refused:
            errors.append(ItemError.of(index, draft.id, refused.problem))
            continue
        checked.append((index, draft, metered, key, sent_fields(draft)))
    return checked


class _Refused(Exception):
    """An item that cannot be taken; carries the problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def _meet(
    key: bytes,
    draft: Draft,
    tags: Mapping[str, str],
    tag_sets: dict[bytes, TagSetKey],
    bad_tags: dict[bytes, Problem],
) -> None:
    """Take a tag set that the batch shows for the first time, if it keeps the limits."""
    problem = bad_tags.get(key) or tags_problem(tags)
    if problem is not None:
        bad_tags[key] = problem
        raise _Refused(problem)
    tag_sets[key] = key_of(draft, tags)


def _allowed(draft: Draft, frame: _Frame) -> dict[str, str]:
    """Return the tags of a draft as its sender may send them: bound ones filled in."""
    tags = draft.tags or {}
    if frame.limits:
        tags = _limited(tags, frame.limits)
    return tags if frame.teams is None else _of_teams(tags, frame.teams)


def _limited(tags: dict[str, str], limits: Mapping[str, str]) -> dict[str, str]:
    filled = bound(tags, limits)
    if isinstance(filled, Problem):
        raise _Refused(filled)
    return filled


def _of_teams(tags: dict[str, str], teams: frozenset[str]) -> dict[str, str]:
    """Return the tags of somebody limited to teams: usage of others is not theirs to book."""
    only = next(iter(teams)) if len(teams) == 1 else ""
    team = tags.get("team", only)
    if team not in teams:
        mine = ", ".join(sorted(teams)) or "none"
        message = f"You may book usage of your own teams only ({mine}); send one of them as team."
        raise _Refused(Problem("tags.team", "tag_forbidden", message))
    return {**tags, "team": team}


def _timelines(
    wanted: Iterable[SentFields], sheet: usage.RatingSheet, at: datetime
) -> dict[SentFields, Timeline | None]:
    keys = {fields: sent_key(fields) for fields in wanted}
    numbers = usage.intern_sent_skus(wanted=set(keys.values()), at=at)
    found = {
        fields: sheet.timeline(key, numbers[key]) if key in numbers else None
        for fields, key in keys.items()
    }
    sheet.by_fields.update((fields, one) for fields, one in found.items() if one is not None)
    return found


def _within_caps(
    checked: Iterable[_Checked],
    tags: Mapping[bytes, int],
    timelines: Mapping[SentFields, Timeline | None],
    errors: list[ItemError],
) -> list[_Checked]:
    kept: list[_Checked] = []
    for item in checked:
        index, draft, _, tag_key, sent = item
        if tag_key not in tags:
            errors.append(ItemError.of(index, draft.id, _TAG_SET_LIMIT))
        elif timelines[sent] is None:
            errors.append(ItemError.of(index, draft.id, _MODEL_LIMIT))
        else:
            kept.append(item)
    return kept


_TAG_SET_LIMIT: Final = Problem(
    "tags",
    "tag_set_limit",
    "This month brought 100,000 new tag combinations already; send high-cardinality values as "
    "trace_id or end_user. The same item may be sent again next month.",
)
_MODEL_LIMIT: Final = Problem(
    "model",
    "model_limit",
    "This month brought 10,000 new model names already; check what is sent as model.",
)
