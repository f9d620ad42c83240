"""Checks, normalizes, interns and rates the drafts of a batch, before its transaction."""

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
from apps.usage.domain.timeline import SentKey, Span, Timeline

MOST_AHEAD: Final = timedelta(hours=1)


@dataclass(slots=True)
class Prepared:
    """A batch ready to be written: placed events in the order of locks, and what is wrong.

    `known` is what the database knew of their names just now.
    """

    placed: list[Placed] = field(default_factory=list)
    errors: list[ItemError] = field(default_factory=list)
    known: usage.Known = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Frame:
    """What every item of a batch is held against."""

    earliest: datetime
    latest: datetime
    first_month: Month
    limits: Mapping[str, str]
    teams: frozenset[str] | None

    def problem_with(self, at: datetime) -> Problem:
        """Return what is wrong with a time of use that lies outside."""
        if at > self.latest:
            return _IN_FUTURE
        return Problem(
            "time",
            "time_before_first_period",
            f"The time lies before {self.first_month}, the organization's first period.",
        )


_SentFields = tuple[str | None, str | None, str | None, str | None, bool | None, str | None]
"""Provider, model, service, tier, batch and region as a draft has them."""

_Checked = tuple[int, Draft, Metered, bytes, _SentFields]
"""A draft that is in order: its place, its meters, its tag set and its SKU, yet to be interned."""

_Spanned = tuple[int, Span, bool]
"""The number of the SKU as sent, the span, and whether the event is unpriced."""

_IN_FUTURE: Final = Problem(
    "time",
    "time_in_future",
    "The time lies more than an hour ahead of our clock; send the moment of use.",
)


def prepare(
    *,
    drafts: Sequence[Draft | Rejected],
    actor: Actor,
    sheet: usage.RatingSheet,
    calendar: Calendar,
    received_at: datetime,
) -> Prepared:
    """Return the batch ready for its transaction; interns what is new in statements of its own."""
    prepared = Prepared()
    tag_sets: dict[bytes, TagSetKey] = {}
    frame = _frame(actor, calendar, received_at)
    checked = _check(drafts, frame, tag_sets, prepared.errors)
    tags = usage.intern_tag_sets(wanted=tag_sets, at=received_at)
    timelines = _timelines({item[4] for item in checked}, sheet, received_at)
    if len(tags) < len(tag_sets) or None in timelines.values():
        checked = _within_caps(checked, tags, timelines, prepared.errors)
    spans = _spans(checked, timelines, sheet)
    ids = [usage.text_part(item[1].id) for item in checked]
    with usage.looking_up([item[1].source or "" for item in checked], ids) as known:
        prepared.placed = _place(checked, tags, spans, ids)
    prepared.known = known
    return prepared


def checked_only(
    *,
    drafts: Sequence[Draft | Rejected],
    actor: Actor,
    calendar: Calendar,
    received_at: datetime,
) -> tuple[list[ItemError], list[_Checked]]:
    """Return what is wrong with a batch and what is in order; interns nothing."""
    errors: list[ItemError] = []
    checked = _check(drafts, _frame(actor, calendar, received_at), {}, errors)
    return errors, checked


def _frame(actor: Actor, calendar: Calendar, received_at: datetime) -> _Frame:
    first = calendar.periods[0]
    latest = received_at + MOST_AHEAD
    return _Frame(first.starts_at, latest, first.month, actor.bound_tags, actor.teams)


def _check(
    drafts: Sequence[Draft | Rejected],
    frame: _Frame,
    tag_sets: dict[bytes, TagSetKey],
    errors: list[ItemError],
) -> list[_Checked]:
    """Check every draft and make its meters disjoint; a hot loop, kept free of calls."""
    checked: list[_Checked] = []
    bad_tags: dict[bytes, Problem] = {}
    earliest, latest, limits = frame.earliest, frame.latest, frame.limits
    teams = frame.teams
    for index, draft in enumerate(drafts):
        if isinstance(draft, Rejected):
            errors.append(ItemError.of_rejected(draft))
            continue
        try:
            if not earliest <= draft.time <= latest:
                raise _Refused(frame.problem_with(draft.time))
            tags = _limited(draft.tags or {}, limits) if limits else draft.tags or {}
            if teams is not None:
                tags = _of_teams(tags, teams)
            key = canonical(tags, draft.account, draft.credential, draft.operation)
            if key not in tag_sets:
                _meet(key, draft, tags, tag_sets, bad_tags)
            metered = meters_of(draft)
        except (_Refused, NotDisjoint) as refused:
            errors.append(ItemError.of(index, draft.id, refused.problem))
            continue
        sent = (
            draft.provider,
            draft.model,
            draft.service,
            draft.service_tier,
            draft.batch,
            draft.region,
        )
        checked.append((index, draft, metered, key, sent))
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
    wanted: Iterable[_SentFields], sheet: usage.RatingSheet, at: datetime
) -> dict[_SentFields, Timeline | None]:
    keys = {fields: _sent_key(*fields) for fields in wanted}
    numbers = usage.intern_sent_skus(wanted=set(keys.values()), at=at)
    return {
        fields: sheet.timeline(key, numbers[key]) if key in numbers else None
        for fields, key in keys.items()
    }


def _sent_key(  # noqa: PLR0917 - the fields of a draft, in order
    provider: str | None,
    model: str | None,
    service: str | None,
    tier: str | None,
    batch: bool | None,
    region: str | None,
) -> SentKey:
    if service:
        return SentKey("", service, tier or "", bool(batch), region or "")
    return SentKey(provider or "", model or "", tier or "", bool(batch), region or "")


def _within_caps(
    checked: Iterable[_Checked],
    tags: Mapping[bytes, int],
    timelines: Mapping[_SentFields, Timeline | None],
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


def _spans(
    checked: Iterable[_Checked],
    timelines: Mapping[_SentFields, Timeline | None],
    sheet: usage.RatingSheet,
) -> list[_Spanned]:
    spans: list[_Spanned] = []
    for _, draft, (quantities, context), _, sent in checked:
        timeline = timelines[sent]
        assert timeline is not None
        span = timeline.span(draft.time, context)
        shape = tuple(quantities)
        unpriced = span.shapes.get(shape)
        if unpriced is None:
            unpriced = sheet.learn(span, shape)
        spans.append((timeline.number, span, unpriced))
    return spans


def _place(
    checked: Iterable[_Checked],
    tags: Mapping[bytes, int],
    spans: Iterable[_Spanned],
    ids: Iterable[bytes],
) -> list[Placed]:
    """Digest every draft and put all that is known of it together; without the database."""
    moment, digest = usage.moment_part, digest_v1
    placed = [
        Placed(
            index,
            draft.source or "",
            draft.id,
            digest(draft),
            draft,
            metered[0],
            metered[1],
            tags[tag_key],
            number,
            span,
            unpriced,
            id_part,
            moment(draft.time),
        )
        for (index, draft, metered, tag_key, _), (number, span, unpriced), id_part in zip(
            checked, spans, ids, strict=True
        )
    ]
    lone_source = len({item.source for item in placed}) < 2
    placed.sort(key=_ID if lone_source else _NAME)
    return placed


_ID: Final = attrgetter("event_id")
_NAME: Final = attrgetter("source", "event_id")
