"""Checks, normalizes, interns and rates the drafts of a batch, before its transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

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
from apps.usage.domain.tagsets import TagSetKey, bound, canonical
from apps.usage.domain.timeline import SentKey

MOST_AHEAD: Final = timedelta(hours=1)


@dataclass(slots=True)
class Prepared:
    """A batch ready to be written: placed events in the order of locks, and what is wrong."""

    placed: list[Placed] = field(default_factory=list)
    errors: list[ItemError] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Frame:
    """What every item of a batch is held against."""

    earliest: datetime
    latest: datetime
    first_month: Month
    limits: Mapping[str, str]

    def problem_with(self, at: datetime) -> Problem | None:
        """Return what is wrong with a time of use."""
        if at > self.latest:
            return _IN_FUTURE
        if at < self.earliest:
            return Problem(
                "time",
                "time_before_first_period",
                f"The time lies before {self.first_month}, the organization's first period.",
            )
        return None


class _Checked(NamedTuple):
    """A draft that is in order, and what of it is yet to be interned."""

    index: int
    draft: Draft
    metered: Metered
    tags: bytes
    sent: SentKey


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
    first = calendar.periods[0]
    frame = _Frame(first.starts_at, received_at + MOST_AHEAD, first.month, actor.bound_tags)
    prepared = Prepared()
    tag_sets: dict[bytes, TagSetKey] = {}
    checked = _check(drafts, frame, tag_sets, prepared.errors)
    tags = usage.intern_tag_sets(wanted=tag_sets, at=received_at)
    sent = usage.intern_sent_skus(wanted={item.sent for item in checked}, at=received_at)
    for item in checked:
        problem = _cap_problem(item, tags, sent)
        if problem is None:
            prepared.placed.append(_place(item, tags[item.tags], sent[item.sent], sheet))
        else:
            prepared.errors.append(ItemError.of(item.index, item.draft.id, problem))
    prepared.placed.sort(key=_order)
    return prepared


def _order(item: Placed) -> tuple[str, str, int]:
    return item[:3]


def _check(
    drafts: Sequence[Draft | Rejected],
    frame: _Frame,
    tag_sets: dict[bytes, TagSetKey],
    errors: list[ItemError],
) -> list[_Checked]:
    checked: list[_Checked] = []
    for index, draft in enumerate(drafts):
        if isinstance(draft, Rejected):
            errors.append(ItemError.of_rejected(draft))
            continue
        try:
            checked.append(_check_one(index, draft, frame, tag_sets))
        except _Refused as refused:
            errors.append(ItemError.of(index, draft.id, refused.problem))
        except NotDisjoint as refused:
            errors.append(ItemError.of(index, draft.id, refused.problem))
    return checked


class _Refused(Exception):
    """An item that cannot be taken; carries the problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def _check_one(
    index: int, draft: Draft, frame: _Frame, tag_sets: dict[bytes, TagSetKey]
) -> _Checked:
    problem = frame.problem_with(draft.time)
    if problem is not None:
        raise _Refused(problem)
    tags = draft.tags or {}
    if frame.limits:
        tags = _limited(tags, frame.limits)
    account, credential = draft.account or "", draft.credential or ""
    operation = draft.operation or ""
    key = canonical(tags, account, credential, operation)
    if key not in tag_sets:
        tag_sets[key] = TagSetKey(tags, account, credential, operation)
    return _Checked(index, draft, meters_of(draft), key, _sent(draft))


def _limited(tags: dict[str, str], limits: Mapping[str, str]) -> dict[str, str]:
    filled = bound(tags, limits)
    if isinstance(filled, Problem):
        raise _Refused(filled)
    if (problem := tags_problem(filled)) is not None:
        raise _Refused(problem)
    return filled


def _sent(draft: Draft) -> SentKey:
    service = draft.service
    return SentKey(
        "" if service else draft.provider or "",
        service or draft.model or "",
        draft.service_tier or "",
        bool(draft.batch),
        draft.region or "",
    )


def _cap_problem(
    item: _Checked, tags: Mapping[bytes, int], sent: Mapping[SentKey, int]
) -> Problem | None:
    if item.tags not in tags:
        return Problem(
            "tags",
            "tag_set_limit",
            "This month brought 100,000 new tag combinations already; send high-cardinality "
            "values as trace_id or end_user. The same item may be sent again next month.",
        )
    if item.sent not in sent:
        return Problem(
            "model",
            "model_limit",
            "This month brought 10,000 new model names already; check what is sent as model.",
        )
    return None


def _place(item: _Checked, tag_set: int, sent_sku: int, sheet: usage.RatingSheet) -> Placed:
    draft = item.draft
    quantities, context = item.metered
    span = sheet.span(sheet.timeline(item.sent), draft.time, context)
    shape = tuple(quantities)
    unpriced = span.shapes.get(shape)
    if unpriced is None:
        unpriced = sheet.learn(span, shape)
    return Placed(
        draft.source or "",
        draft.id,
        item.index,
        digest_v1(draft),
        draft,
        quantities,
        context,
        tag_set,
        sent_sku,
        span,
        unpriced,
    )
