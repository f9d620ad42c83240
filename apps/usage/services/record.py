"""Tells new events from known ones and records the new, in the caller's transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final, TypeVar

from apps.core.domain.months import Month
from apps.usage import store
from apps.usage.domain.cells import Sums, sum_up
from apps.usage.domain.digest import digests_v1
from apps.usage.domain.placed import Claimed, Placed
from apps.usage.services.outcomes import record_sent_outcomes

Known = Mapping[tuple[str, str], store.KnownKey]
Booked = Sequence[store.Upsert]
"""What new events add to the rollups, an upsert for each month they are booked in, in order."""

_CHUNK: Final = 512
"""Events that are worked on at a time: what they share is still at hand, and the database works."""

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of placed events, what `roll_up` is to add last, and the sums it was made of."""

    claimed: Claimed
    booked: Booked
    sums: Sums


def record(
    *,
    placed: Sequence[Placed],
    known: Known,
    book_in: Callable[[Month], Month],
    headers: Sequence[store.BatchHeader],
) -> Recorded:
    """Store the events whose names are not known, with their keys; tell the others apart.

    `placed` is in the order of arrival, `known` was looked up just before; a header a request,
    which is also the member of the event. An id that occurs twice is new once; what follows is a
    duplicate or a conflict like any later sending. `book_in` gives the open month that takes the
    use of a month; the caller holds those months. Events are digested and sent a few hundred at a
    time, so that the database stores some while the next are made. Keys follow in the order of
    their names (rule 9), and the cells are summed meanwhile.

    :raises KeyTaken: when somebody else stored one of the keys meanwhile; the transaction is lost.
    """
    desk = _Desk(known, _reserved(len(placed)))
    _copy_events(map(desk.tell_apart, _chunks(placed)), placed, book_in, headers)
    claimed = desk.claimed
    if not claimed.new:
        return Recorded(claimed, (), {})
    sums: Sums = {}
    claimed.new.sort(key=_name)
    with store.storing_keys() as store_keys:
        for pairs in _chunks(claimed.new):
            store_keys(pairs)
            sum_up(sums, pairs)
        booked = _booked(sums, book_in, headers[0].feed)
    _keep_what_came_along(desk.along, headers)
    return Recorded(claimed, booked, sums)


def record_patiently(
    *,
    placed: Sequence[Placed],
    book_in: Callable[[Month], Month],
    headers: Sequence[store.BatchHeader],
) -> Recorded:
    """Do what `record` does, but store the keys first, waiting for whoever is storing one."""
    first = {item.name: item for item in reversed(placed)}
    items = [item for item in placed if first[item.name] is item]
    for item, digest in zip(items, digests_v1([item.draft for item in items]), strict=True):
        item.digest = digest
    pairs = list(zip(_reserved(len(items)), items, strict=True))
    taken = store.insert_keys_if_absent(sorted(pairs, key=_name)) if pairs else set()
    known = store.known_keys([item for key, item in pairs if key not in taken])
    desk = _Desk(known, (key for key, _ in pairs if key in taken))
    _copy_events(map(desk.tell_apart, _chunks(placed)), placed, book_in, headers)
    sums: Sums = {}
    sum_up(sums, desk.claimed.new)
    _keep_what_came_along(desk.along, headers)
    return Recorded(desk.claimed, _booked(sums, book_in, headers[0].feed), sums)


def ask_names(questions: store.Questions, placed: Sequence[Placed]) -> Callable[[], Known]:
    """Ask for the keys of events in an exchange of the caller's; return what reads the answer."""
    if not placed:
        return dict
    question = store.names_asked(
        [item.source for item in placed], [item.id_part for item in placed]
    )
    rows = questions.ask(*question)
    return lambda: store.found_keys(rows)


def keys_at_hand(count: int) -> Iterator[int]:
    """Return keys for a small group, from the process's stock; asks the database once a second."""
    keys = store.stock.draw(count)
    if keys is None:
        store.stock.fill()
        keys = store.stock.draw(count)
    return iter(keys) if keys is not None else _reserved(count)


def record_few(
    *,
    placed: Sequence[Placed],
    known: Known,
    keys: Iterator[int],
    book_in: Callable[[Month], Month],
    headers: Sequence[store.BatchHeader],
) -> tuple[Recorded, list[store.Statement]]:
    """Tell a small group apart like `record`; return the statements that store it, in order.

    They are for `send_rows`. What came along with events (usage objects,
    outcomes) is not among them: `came_along` tells whether there is any.
    """
    desk = _Desk(known, keys)
    desk.tell_apart(placed)
    claimed = desk.claimed
    if not claimed.new:
        return Recorded(claimed, (), {}), []
    claimed.new.sort(key=_name)
    by_month: defaultdict[Month, list[tuple[int, Placed]]] = defaultdict(list)
    sums: Sums = {}
    sum_up(sums, claimed.new)
    for pair in claimed.new:
        by_month[book_in(pair[1].span.month)].append(pair)
    statements = [store.key_rows(claimed.new)]
    statements += [store.event_rows(month, headers, by_month[month]) for month in sorted(by_month)]
    return Recorded(claimed, _booked(sums, book_in, headers[0].feed), sums), statements


def send_rows(statements: Iterable[store.Statement]) -> None:
    """Send what `record_few` and others made, in order and in one exchange.

    :raises KeyTaken: when somebody else stored one of the keys meanwhile; the transaction is lost.
    :raises CellFull: when a rollup would have too many digits.
    """
    with store.keys_untaken(), store.writing() as writes:
        for statement in statements:
            writes.add_packed(statement)


def came_along(placed: Iterable[Placed]) -> bool:
    """Tell whether an event brings more than usage: an outcome, or a provider's object."""
    return any(
        item.draft.outcome is not None or item.draft.raw_usage is not None for item in placed
    )


def months_of(placed: Iterable[Placed]) -> set[Month]:
    """Return the months of use of events."""
    return {span.month for span in {item.span for item in placed}}


def roll_up(*, booked: Booked) -> None:
    """Add to the rollups; the last statement of a transaction that stores events.

    Batches of one hour touch the same few cells: whoever holds them makes the others wait, so
    they are held for no longer than this and the commit.
    """
    with store.writing() as writes:
        for upsert in booked:
            writes.add_packed(upsert)


class _Desk:
    """Gives events their digests, and new ones their keys.

    `along` are the new ones that came with more than usage: an outcome, or a provider's object.
    """

    def __init__(self, known: Known, keys: Iterator[int]) -> None:
        self.claimed = Claimed()
        self.along: list[tuple[int, Placed]] = []
        self._known = known
        self._keys = keys
        self._met: dict[tuple[str, str], bytes] = {}

    def tell_apart(self, items: Sequence[Placed]) -> list[tuple[int, Placed]]:
        """Return those events that are new, with their keys; a hot loop."""
        known, met, keys, claimed = self._known, self._met, self._keys, self.claimed
        new: list[tuple[int, Placed]] = []
        digests = digests_v1([item.draft for item in items])
        for item, digest in zip(items, digests, strict=True):
            item.digest = digest
            name = item.source, item.event_id
            if name in met:
                same = met[name] == digest
            elif name in known:
                same = digest in known[name].digests
            else:
                met[name] = digest
                pair = next(keys), item
                new.append(pair)
                draft = item.draft
                if draft.outcome is not None or draft.raw_usage is not None:
                    self.along.append(pair)
                continue
            (claimed.duplicates if same else claimed.conflicts).append(item)
        claimed.new.extend(new)
        return new


def _copy_events(
    chunks: Iterable[list[tuple[int, Placed]]],
    placed: Sequence[Placed],
    book_in: Callable[[Month], Month],
    headers: Sequence[store.BatchHeader],
) -> None:
    """Append new events and their usage objects; events of several months are sorted out first."""
    by_month = {book_in(month) for month in months_of(placed)}
    if len(by_month) == 1:
        store.copy_events(by_month.pop(), headers, chunks)
        return
    sorted_out: defaultdict[Month, list[tuple[int, Placed]]] = defaultdict(list)
    for pair in chain.from_iterable(chunks):
        sorted_out[book_in(pair[1].span.month)].append(pair)
    for month in sorted(sorted_out):
        store.copy_events(month, headers, _chunks(sorted_out[month]))


def _booked(sums: Sums, book_in: Callable[[Month], Month], feed: str) -> Booked:
    by_month: defaultdict[Month, Sums] = defaultdict(dict)
    months = {span.month for span, _ in sums}
    if len(months) == 1:
        by_month[book_in(months.pop())] = sums
    else:
        for key, quantities in sums.items():
            by_month[book_in(key[0].month)][key] = quantities
    return [store.pack_sums(month, by_month[month], feed) for month in sorted(by_month)]


def _keep_what_came_along(
    events: Sequence[tuple[int, Placed]], headers: Sequence[store.BatchHeader]
) -> None:
    """Keep usage objects and outcomes that came with new events."""
    store.insert_raw_usage(events)
    told: defaultdict[int, list[Placed]] = defaultdict(list)
    for _, item in events:
        if item.draft.outcome is not None:
            told[item.member].append(item)
    for member, items in told.items():
        record_sent_outcomes(events=items, received_at=headers[member].received_at)


def _reserved(count: int) -> Iterator[int]:
    return chain.from_iterable(store.reserve_keys(count))


def _chunks(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]


def _name(pair: tuple[int, Placed]) -> tuple[str, str]:
    return pair[1].source, pair[1].event_id
