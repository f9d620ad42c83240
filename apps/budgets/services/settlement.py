"""Ends holds: settled by what was used, voided, or expired; `spent` moves by rated events only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from django.db import transaction

from apps.budgets.domain.decisions import Ask
from apps.budgets.domain.scope import may_see
from apps.budgets.models import Hold, HoldPart, State
from apps.budgets.selectors.book import BudgetBook, current_book
from apps.budgets.services import counters, holds
from apps.budgets.services.estimates import rate
from apps.budgets.services.holds import named_event
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Conflict, FieldError, Invalid, Missing, Unprocessable
from apps.core.domain.money import EXACT
from apps.rating import selectors as rating
from apps.tenants import selectors as tenants
from apps.usage import services as usage

_OPEN_ENDED: Final = timedelta(days=31)
"""How long a settled hold of a rolling window waits for its event."""


class HoldMissing(Missing):
    """There is no such hold, or none in sight."""

    default_code = "hold_not_found"


class HoldEnded(Conflict):
    """The hold holds nothing any more."""

    default_code = "hold_ended"


class HoldSettled(Conflict):
    """The hold's call took place; it waits for its event."""

    default_code = "hold_settled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actual:
    """What a call came to: an amount, tokens to be priced, or the event that tells it.

    `event_ref` is (source, id) of an event that is stored or will be.
    """

    amount: Decimal | None = None
    currency: str = ""
    input_tokens: int | None = None
    cached_input_tokens: int = 0
    output_tokens: int = 0
    requests: int = 1
    event_ref: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class HoldFacts:
    """A hold: what it sets aside, for what, and where it stands."""

    id: UUID
    state: str
    tags: Mapping[str, str]
    provider: str
    model: str
    amount: Decimal
    settled_amount: Decimal | None
    currency: str
    made_by: str
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    event_ref: str


def facts_of(row: Hold) -> HoldFacts:
    """Return a hold as a frozen value."""
    return HoldFacts(
        id=row.public_id,
        state=row.state,
        tags=dict(row.scope),
        provider=row.provider,
        model=row.model,
        amount=row.amount,
        settled_amount=row.settled_amount,
        currency=row.currency,
        made_by=row.made_by,
        created_at=row.created_at,
        expires_at=row.expires_at,
        ended_at=row.ended_at,
        event_ref="/".join(json.loads(row.event_ref)) if row.event_ref else "",
    )


@transaction.atomic
def settle(*, hold: UUID, actual: Actual, actor: Actor, now: datetime) -> HoldFacts:
    """Resize a hold to what the call came to; it waits for its event, which releases it.

    Use is never refused: an amount above the hold is held all the same, as overrun where a hard
    limit is passed. A hold whose event is stored already is released, as the event is spent. When
    no event comes by the end of the window, the settled amount stays as an estimate. Settling the
    same again changes nothing.

    :raises HoldMissing: when there is none in sight.
    :raises HoldEnded: when it was used, voided or expired.
    :raises Invalid: when nothing says what was used.
    :raises Unprocessable: when the amount cannot be told in the hold's currency.
    """
    row = _seen(hold, actor)
    ref = actual.event_ref
    if ref is not None and (row.state, row.event_ref) == (State.USED.value, named_event(*ref)):
        return facts_of(row)
    _require_live(row)
    if actual.event_ref is not None and _is_stored(actual.event_ref):
        name = named_event(*actual.event_ref)
        _lock([row])
        holds.release({row.pk: row}, state=State.USED, now=now, events={row.public_id: name})
        return facts_of(Hold.objects.get(pk=row.pk))
    found = current_book()
    amount = _amount(actual, row, found, now)
    parts = _lock([row])
    _require_live(row)
    if amount is not None:
        _resize(row, parts, amount, found, now)
    row.state = State.SETTLED.value
    row.expires_at = _window_end(parts, row, now)
    if actual.event_ref is not None:
        row.event_ref = named_event(*actual.event_ref)
    row.save()
    return facts_of(row)


@transaction.atomic
def void(*, hold: UUID, actor: Actor, now: datetime) -> HoldFacts:
    """Release a hold whose call does not take place. Voiding it again changes nothing.

    :raises HoldMissing: when there is none in sight.
    :raises HoldEnded: when it was used or expired.
    :raises HoldSettled: when the call took place and its event is waited for.
    """
    row = _seen(hold, actor)
    if row.state == State.VOID.value:
        return facts_of(row)
    _require_live(row)
    _lock([row])
    if row.state == State.SETTLED.value:
        raise HoldSettled(
            "The hold is settled: its call took place, and its event is waited for. Send the "
            "event, or settle it again with the amount that is right, 0 if nothing was used."
        )
    if not holds.release({row.pk: row}, state=State.VOID, now=now, events={}):
        _require_live(Hold.objects.get(pk=row.pk))
    return facts_of(Hold.objects.get(pk=row.pk))


@transaction.atomic
def expire_due(*, now: datetime) -> int:
    """Release every hold past its time, and every settled one whose event came; return how many."""
    found = holds.expired(now=now)
    gone = holds.expire(found, now=now) if found else 0
    used = _arrived()
    if used:
        _lock(list(used.values()))
        gone += holds.release(used, state=State.USED, now=now, events={})
    return gone


def _seen(hold: UUID, actor: Actor) -> Hold:
    actor.require(Scope.BUDGETS_AUTHORIZE)
    row = Hold.objects.filter(public_id=hold).first()
    if row is None or not may_see(actor, row.scope):
        raise HoldMissing("There is no such hold.")
    return row


def _require_live(row: Hold) -> None:
    if row.state not in holds.LIVE:
        raise HoldEnded(f"The hold is {row.state}; it holds nothing any more.")


def _lock(rows: list[Hold]) -> list[HoldPart]:
    """Lock the windows of holds in order, then the holds, and read both anew."""
    live = {row.pk: row for row in rows}
    places = {(one.budget.key, one.window.start) for one in holds.windows_held(live)}
    holds.lock_places(sorted(places))
    for row in rows:
        fresh = Hold.objects.select_for_update().get(pk=row.pk)
        row.state, row.settled_amount = fresh.state, fresh.settled_amount
        row.event_ref, row.expires_at = fresh.event_ref, fresh.expires_at
    parts = HoldPart.objects.filter(hold_id__in=live).select_related("window__budget")
    return list(parts.order_by("window_id"))


def _amount(actual: Actual, row: Hold, found: BudgetBook, now: datetime) -> Decimal | None:
    """Return what the call came to in the hold's currency; None leaves the hold as large as it is.

    :raises Invalid: when nothing says what was used.
    """
    if actual.amount is not None:
        return _converted(found, actual.amount, actual.currency or row.currency, row, now)
    if actual.input_tokens is not None:
        ask = Ask(
            provider=row.provider,
            model=row.model,
            input_tokens=actual.input_tokens,
            cached_input_tokens=actual.cached_input_tokens,
            output_tokens=actual.output_tokens,
            requests=actual.requests,
        )
        estimate = rate(ask=ask, book=found, prices=rating.price_book(), now=now).estimate
        if estimate.amount is None:
            raise Unprocessable(
                f"Nobody knows what {' and '.join(estimate.missing)} costs; settle by an amount.",
                code="unpriced",
            )
        return _converted(found, estimate.amount, estimate.currency, row, now)
    if actual.event_ref is not None:
        return None
    text = "Say what was used: amount and currency, usage, an event, or event_ref."
    raise Invalid(text, code="settlement", errors=(FieldError("amount", "required", text),))


def _converted(
    found: BudgetBook, amount: Decimal, currency: str, row: Hold, now: datetime
) -> Decimal:
    converted = found.converted(amount, currency, row.currency, counters.today_of(now))
    if converted is None:
        raise Unprocessable(
            f"There is no budget rate from {currency} to {row.currency}; settle in "
            f"{row.currency}, or enter the rate under Settings, Exchange rates.",
            code="missing_rate",
        )
    return converted


def _resize(
    row: Hold, parts: list[HoldPart], amount: Decimal, found: BudgetBook, now: datetime
) -> None:
    more: dict[int, Decimal] = {}
    for part in parts:
        held = _converted_part(part, amount, row, found, now)
        more[part.window_id] = EXACT.subtract(held, part.amount)
        HoldPart.objects.filter(hold_id=row.pk, window_id=part.window_id).update(amount=held)
    holds.resize({key: change for key, change in more.items() if change})
    row.settled_amount = amount


def _converted_part(
    part: HoldPart, amount: Decimal, row: Hold, found: BudgetBook, now: datetime
) -> Decimal:
    """Return an amount in a part's currency; at the rate it was held by when there is none now."""
    quote = part.window.budget.currency
    converted = found.converted(amount, row.currency, quote, counters.today_of(now))
    if converted is not None:
        return converted
    return part.amount


def _window_end(parts: list[HoldPart], row: Hold, now: datetime) -> datetime:
    ends = [part.window.ends_on for part in parts]
    zone = tenants.current().timezone
    latest = max((end for end in ends if end is not None), default=None)
    if latest is None:
        return max(row.expires_at, now + _OPEN_ENDED)
    midnight = datetime.combine(latest, datetime.min.time(), tzinfo=zone)
    return max(midnight, now + timedelta(days=1))


def _is_stored(ref: tuple[str, str]) -> bool:
    source, event_id = ref
    return bool(usage.stored_keys(source=source, ids=[event_id]))


def _arrived() -> dict[int, Hold]:
    """Return the settled holds whose named event is stored by now."""
    waiting = Hold.objects.filter(state=State.SETTLED.value).exclude(event_ref="")
    by_source: dict[str, dict[str, Hold]] = {}
    for row in waiting.order_by("id"):
        source, event_id = json.loads(row.event_ref)
        by_source.setdefault(source, {})[event_id] = row
    return {
        rows[event_id].pk: rows[event_id]
        for source, rows in by_source.items()
        for event_id in usage.stored_keys(source=source, ids=rows)
    }
