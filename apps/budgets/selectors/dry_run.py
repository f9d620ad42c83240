"""What a policy would have blocked: the stored requests of a month, judged as if it had held."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from apps.budgets.domain.decisions import Reason
from apps.budgets.domain.policies import JustifiedScope, PolicyDraft, PolicyFacts, Use, judge
from apps.budgets.domain.scope import Subject, matches, may_see
from apps.budgets.selectors.book import BudgetBook, current_book
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Forbidden
from apps.core.domain.money import EXACT
from apps.core.domain.months import Month, local_day
from apps.rating import selectors as rating
from apps.rating.domain.book import PriceBook
from apps.rating.domain.prices import SkuKey
from apps.rating.domain.rate import cost_of
from apps.tenants import selectors as tenants
from apps.usage import selectors as usage
from apps.usage.domain.normalize import REQUESTS
from apps.usage.domain.timeline import SentKey
from apps.usage.selectors.requests import StoredRequest, names_of, requests_of_month

MOST: Final = 200_000
_SHOWN: Final = 25
_NO_ID: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Blocked:
    """Requests of a team to a model that a policy objects to, and what they cost."""

    team: str
    model: str
    reason: str
    requests: int
    cost: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a policy would have done in a month: requests it looked at, and those it objects to.

    Costs are at the prices in force now, by currency; what has no price is in none. `is_whole` is
    False when the month holds more requests than are looked at, the newest.
    """

    month: Month
    requests: int
    matched: int
    blocked: int
    cost: Mapping[str, Decimal]
    blocked_cost: Mapping[str, Decimal]
    reasons: Mapping[str, int]
    rows: tuple[Blocked, ...]
    is_whole: bool


@dataclass(slots=True)
class _Sums:
    requests: int = 0
    matched: int = 0
    blocked: int = 0
    cost: defaultdict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    blocked_cost: defaultdict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    reasons: Counter[str] = field(default_factory=Counter)
    groups: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    group_cost: defaultdict[tuple[str, str, str], defaultdict[str, Decimal]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(Decimal))
    )


def dry_run(*, draft: PolicyDraft, month: Month, actor: Actor) -> DryRun:
    """Return what a policy would have blocked in a month; writes nothing.

    Every stored request is judged at its own time, by its own tokens, and at the price that it has
    now. Reads the newest 200,000 requests of the month; several seconds for that many.

    :raises Forbidden: when the actor sees a part of the tenant only, beyond the policy's scope.
    """
    actor.require(Scope.BUDGETS_READ)
    if not may_see(actor, draft.scope):
        raise Forbidden("You may try policies on your own teams only.", code="scope_out_of_sight")
    judged = _Judge(draft)
    seen = 0
    sums = _Sums()
    for request in list(requests_of_month(month=month, limit=MOST + 1)):
        seen += 1
        if seen <= MOST:
            judged.take(request, sums)
    return _answer(month, sums, is_whole=seen <= MOST)


class _Judge:
    """Judges stored requests by one policy; what repeats is looked up once."""

    def __init__(self, draft: PolicyDraft) -> None:
        self._policy = PolicyFacts(
            id=_NO_ID,
            name=draft.name,
            scope=draft.scope,
            rules=draft.rules,
            verdict=draft.verdict,
            on_failure=draft.on_failure,
            valid_from=draft.valid_from.min,
            valid_to=None,
        )
        self._book: BudgetBook = current_book()
        self._prices: PriceBook = rating.price_book()
        self._zone: ZoneInfo = tenants.current().timezone
        self._justified: tuple[JustifiedScope, ...] = self._book.justified
        self._sent: dict[int, SentKey] = {}
        self._tags: dict[int, usage.TagSetFacts] = {}
        self._subjects: dict[tuple[int, SkuKey, object], Subject] = {}

    def take(self, request: StoredRequest, sums: _Sums) -> None:
        """Count a request, its reversal backwards."""
        sums.requests += request.sign
        sku = self._sku(request)
        subject = self._subject(request, sku)
        if not matches(self._policy.scope, subject):
            return
        sums.matched += request.sign
        cost = self._cost(request, sku)
        for currency, amount in (cost or {}).items():
            _add(sums.cost, currency, amount, request.sign)
        reasons = self._reasons(request, subject, cost)
        if reasons:
            _count(sums, request, subject, reasons, cost or {})

    def _reasons(
        self, request: StoredRequest, subject: Subject, cost: Mapping[str, Decimal] | None
    ) -> list[Reason]:
        rules = self._policy.rules
        wanted = rules.currency
        output = sum(
            int(quantity)
            for meter, quantity in request.meters.items()
            if meter.startswith("output_")
        )
        use = Use(
            subject=subject,
            at=request.at,
            context_tokens=request.context_tokens,
            output_tokens=output,
            cost={wanted: self._in(cost, wanted, request.at)} if wanted else {},
        )
        return judge(policies=[self._policy], use=use, zone=self._zone, justified=self._justified)

    def _in(
        self, cost: Mapping[str, Decimal] | None, currency: str, at: datetime
    ) -> Decimal | None:
        if cost is None:
            return None
        total = Decimal(0)
        for base, amount in cost.items():
            day = local_day(at, self._zone)
            converted = self._book.converted(amount, base, currency, day)
            if converted is None:
                return None
            total = EXACT.add(total, converted)
        return total

    def _sku(self, request: StoredRequest) -> SkuKey:
        sent = self._sent.get(request.sent_sku)
        if sent is None:
            sent = self._sent[request.sent_sku] = names_of(sent={request.sent_sku})[
                request.sent_sku
            ]
        return self._prices.sku_for(
            **sent._asdict(), context_tokens=request.context_tokens, at=request.at
        )

    def _subject(self, request: StoredRequest, sku: SkuKey) -> Subject:
        day = local_day(request.at, self._zone)
        key = (request.tag_set, sku, day)
        found = self._subjects.get(key)
        if found is None:
            tags = self._tags.get(request.tag_set)
            if tags is None:
                tags = usage.tag_sets_of({request.tag_set})[request.tag_set]
                self._tags[request.tag_set] = tags
            found = self._subjects[key] = self._book.subject(
                tags=tags.tags,
                provider=sku.provider,
                model=sku.model,
                credential=tags.credential,
                account=tags.account,
                on=day,
            )
        return found

    def _cost(self, request: StoredRequest, sku: SkuKey) -> dict[str, Decimal] | None:
        """Return what the request costs by currency; None when a meter has no price."""
        found: dict[str, Decimal] = {}
        for meter, quantity in (*request.meters.items(), (REQUESTS, Decimal(1))):
            quote = self._prices.quote(sku=sku, meter=meter, at=request.at)
            if quote is None:
                if quantity and self._prices.expects_price(sku=sku, meter=meter):
                    return None
                continue
            cost = cost_of(
                quantity=quantity, amount=Decimal(quote.amount), unit_size=quote.unit_size
            )
            found[quote.currency] = EXACT.add(found.get(quote.currency, Decimal(0)), cost)
        return found


def _count(
    sums: _Sums,
    request: StoredRequest,
    subject: Subject,
    reasons: list[Reason],
    cost: Mapping[str, Decimal],
) -> None:
    sums.blocked += request.sign
    for reason in {one.code for one in reasons}:
        sums.reasons[reason] += request.sign
    team = subject.values.get("team", "")
    group = (team, subject.values.get("model", ""), reasons[0].code)
    sums.groups[group] += request.sign
    for currency, amount in cost.items():
        _add(sums.blocked_cost, currency, amount, request.sign)
        _add(sums.group_cost[group], currency, amount, request.sign)


def _add(sums: defaultdict[str, Decimal], currency: str, amount: Decimal, sign: int) -> None:
    sums[currency] = EXACT.add(sums[currency], amount if sign > 0 else -amount)


def _answer(month: Month, sums: _Sums, *, is_whole: bool) -> DryRun:
    rows = [
        Blocked(team, model, reason, count, dict(sums.group_cost[team, model, reason]))
        for (team, model, reason), count in sums.groups.most_common()
        if count > 0
    ]
    return DryRun(
        month=month,
        requests=sums.requests,
        matched=sums.matched,
        blocked=sums.blocked,
        cost=dict(sums.cost),
        blocked_cost=dict(sums.blocked_cost),
        reasons={code: count for code, count in sums.reasons.most_common() if count > 0},
        rows=tuple(rows[:_SHOWN]),
        is_whole=is_whole,
    )
