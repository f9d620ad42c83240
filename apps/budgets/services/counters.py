"""Moves what budgets have spent, in the transaction of what they count (rule 12).

Locks: the registry FOR SHARE, then windows by (budget, first day). Every statement that moves
`spent` or a limit sets `overrun` to what stands above a hard limit: use is never refused.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from django.db import connection

from apps.budgets.domain.budgets import BudgetFacts
from apps.budgets.domain.windows import Days
from apps.budgets.models import Budget, BudgetWindow
from apps.budgets.selectors.book import BudgetBook, basis, book
from apps.core.db import current_schema
from apps.core.domain.money import EXACT
from apps.core.domain.months import local_day
from apps.tenants import selectors as tenants
from apps.usage.domain.cells import Sums
from apps.usage.selectors.spend import Spend, spend_of_days

Place = tuple[int, date]
"""A window by budget and first day; windows are locked in this order."""


def over(**moved: str) -> str:
    """Return the SQL of the overrun when columns of `kept` get other values than they have."""
    parts = {name: f"kept.{name}" for name in ("spent", "held", "amount", "carried", "raised")}
    is_hard = moved.pop("is_hard", "kept.is_hard")
    parts |= moved
    above = "{spent} + {held} - {amount} - {carried} - {raised}".format(**parts)
    return f"CASE WHEN {is_hard} THEN GREATEST(0, {above}) ELSE 0 END"


_ADD: Final = f"""
INSERT INTO {{schema}}.budgets_budgetwindow AS kept (budget_id, starts_on, ends_on, amount, carried,
       raised, is_hard, spent, held, overrun, as_of, lacks_rates)
SELECT budget, starts_on, ends_on, amount, 0, 0, is_hard, spent, 0,
       CASE WHEN is_hard THEN GREATEST(0, spent - amount) ELSE 0 END, as_of, lacks
  FROM unnest(%s::bigint[], %s::date[], %s::date[], %s::numeric[], %s::bool[], %s::numeric[],
              %s::date[], %s::text[])
    AS new(budget, starts_on, ends_on, amount, is_hard, spent, as_of, lacks)
ON CONFLICT (budget_id, starts_on) DO UPDATE SET
       spent = kept.spent + excluded.spent,
       overrun = {over(spent="kept.spent + excluded.spent")},
       lacks_rates = CASE WHEN excluded.lacks_rates = '' THEN kept.lacks_rates
                          ELSE excluded.lacks_rates END
RETURNING id, budget_id, starts_on, xmax = 0
"""  # noqa: S608 - names of ours only
_ADD_DAYS: Final = """
INSERT INTO {schema}.budgets_dailyspend AS kept (budget_id, day, spent)
SELECT * FROM unnest(%s::bigint[], %s::date[], %s::numeric[])
ON CONFLICT (budget_id, day) DO UPDATE SET spent = {spent}
"""
_ROLL: Final = f"""
UPDATE {{schema}}.budgets_budgetwindow AS kept
   SET as_of = new.as_of, spent = new.spent, overrun = {over(spent="new.spent")}
  FROM (SELECT b.id, b.as_of, COALESCE(sum(d.spent), 0) AS spent
          FROM (SELECT w.budget_id AS id, GREATEST(w.as_of, %s::date) AS as_of, o.days
                  FROM unnest(%s::bigint[], %s::int[]) AS o(id, days)
                  JOIN {{schema}}.budgets_budgetwindow w ON w.budget_id = o.id) b
          LEFT JOIN {{schema}}.budgets_dailyspend d
            ON d.budget_id = b.id AND d.day > b.as_of - b.days AND d.day <= b.as_of
         GROUP BY b.id, b.as_of) AS new
 WHERE kept.budget_id = new.id
"""  # noqa: S608 - names of ours only
_SET: Final = f"""
UPDATE {{schema}}.budgets_budgetwindow AS kept
   SET spent = new.spent, lacks_rates = new.lacks, overrun = {over(spent="new.spent")}
  FROM unnest(%s::bigint[], %s::date[], %s::numeric[], %s::text[])
    AS new(budget, starts_on, spent, lacks)
 WHERE kept.budget_id = new.budget AND kept.starts_on = new.starts_on
"""  # noqa: S608 - names of ours only
_CARRY: Final = f"""
UPDATE {{schema}}.budgets_budgetwindow AS kept
   SET carried = new.carried, overrun = {over(carried="new.carried")}
  FROM unnest(%s::bigint[], %s::numeric[]) AS new(id, carried)
 WHERE kept.id = new.id
"""  # noqa: S608 - names of ours only
_RAISE: Final = f"""
UPDATE {{schema}}.budgets_budgetwindow AS kept
   SET raised = new.raised, overrun = {over(raised="new.raised")}
  FROM (SELECT o.id, COALESCE(sum(r.amount), 0) AS raised
          FROM unnest(%s::bigint[]) AS o(id)
          LEFT JOIN {{schema}}.budgets_budgetraise r
            ON r.budget_id = o.id AND r.created_at <= %s AND r.expires_at > %s
         GROUP BY o.id) AS new
 WHERE kept.budget_id = new.id AND kept.raised <> new.raised
   AND kept.starts_on <= %s AND (kept.ends_on IS NULL OR kept.ends_on > %s)
"""  # noqa: S608 - names of ours only


@dataclass(slots=True)
class Draw:
    """What a window is to take: an amount, by day where the budget is rolling."""

    budget: BudgetFacts
    window: Days
    amount: Decimal = Decimal(0)
    days: dict[date, Decimal] = field(default_factory=dict)
    lacks: set[str] = field(default_factory=set)

    def add(self, spend: Spend, amount: Decimal | None) -> None:
        """Take a piece of spend; one without a rate is named and not counted."""
        if amount is None:
            self.lacks.add(spend.currency)
        elif self.budget.rule.is_rolling:
            self.days[spend.day] = EXACT.add(self.days.get(spend.day, Decimal(0)), amount)
        else:
            self.amount = EXACT.add(self.amount, amount)


def hold_registry() -> BudgetBook:
    """Hold the registry until the transaction ends, and return the book of its version.

    A budget that is being created waits for this transaction, or this one for it: so its backfill
    and the drawers count every event once.
    """
    return book(version=_registry("SELECT version FROM {schema}.budgets_registry FOR SHARE"))


def move_registry() -> None:
    """Give the registry a new version, after everybody who draws and before all who will.

    Every change of what draws what begins with it, and asks `hold_registry` after the change.
    """
    run("UPDATE {schema}.budgets_registry SET version = gen_random_uuid() WHERE id = 1", [])


def remember_basis() -> None:
    """Note what the counters now rest on; call it under a moved registry, with a recount."""
    run("UPDATE {schema}.budgets_registry SET basis = %s WHERE id = 1", [basis().digest])


def recount(*, now: datetime, moments: Collection[datetime] | None = None) -> None:
    """Sum the windows anew from the rollups, under their locks; with `moments` only those of them.

    For writers of rollups other than ingest: whatever they did, `spent` is then what the rollups
    say, and what commits later is drawn on top. Call it before anything is audited.
    """
    found = hold_registry()
    if found.budgets:
        days = None if moments is None else {today_of(at) for at in moments}
        recount_budgets(found, budgets=found.budgets.values(), days=days, now=now)


def hold_still() -> None:
    """Hold the registry against everybody who draws, for writers that audit before they end."""
    _registry("SELECT version FROM {schema}.budgets_registry FOR UPDATE")


def draws_of(found: BudgetBook, spends: Iterable[Spend]) -> dict[Place, Draw]:
    """Return what spend takes from which windows."""
    listed = list(spends)
    found.learn((one.tag_set, one.sku) for one in listed)
    draws: dict[Place, Draw] = {}
    for spend in listed:
        for budget, window, amount in found.drawn(spend):
            place = (budget.key, window.start)
            if place not in draws:
                draws[place] = Draw(budget, window)
            draws[place].add(spend, amount)
    return draws


def take(draws: Mapping[Place, Draw], *, today: date, now: datetime) -> dict[Place, int]:
    """Lock the windows in order, open those that are new, and add to them; return their ids.

    A budget that carries over takes all its windows along, so that the chain is carried anew.
    """
    wanted = {**_chains(draws, today), **draws}
    ordered = [wanted[place] for place in sorted(wanted)]
    rows = rows_of(_ADD, _columns(ordered, today))
    ids = {(budget, start): key for key, budget, start, _ in rows}
    opened = {budget for _, budget, _, is_new in rows if is_new}
    if opened:
        refresh_raises(opened, today=today, now=now)
    _take_days(ordered, today)
    _carry({one.budget.key: one.budget for one in ordered if one.budget.rollover.moves})
    return ids


def refresh_raises(budgets: Iterable[int], *, today: date, now: datetime) -> None:
    """Bring the present windows of budgets to the raises that are in force; they are locked."""
    run(_RAISE, [sorted(budgets), now, now, today, today])


def carry_on(budgets: Collection[int]) -> None:
    """Carry over anew what changed in earlier windows of budgets, all of them locked."""
    if budgets:
        rows = Budget.objects.filter(pk__in=budgets).order_by("pk")
        _carry({row.pk: row.facts for row in rows})


def roll(budgets: Iterable[BudgetFacts], *, today: date) -> None:
    """Bring rolling windows, which are locked, to a day; days never go back."""
    rolling = [one for one in budgets if one.rule.is_rolling]
    if rolling:
        run(_ROLL, [today, [one.key for one in rolling], [one.rule.days for one in rolling]])


def recount_budgets(
    found: BudgetBook,
    *,
    budgets: Iterable[BudgetFacts],
    days: Collection[date] | None,
    now: datetime,
) -> None:
    """Set the counters of budgets to what the rollups say; the registry is held.

    1. Lock every window that may change, opening those that are not there.
    2. Sum the rollups, which shows what everybody committed who held a window before.
    3. Set them; what other transactions have not drawn yet comes on top.
    """
    today = today_of(now)
    listed = list(budgets)
    keys = {one.key for one in listed}
    wanted = _windows(listed, days, today)
    take(wanted, today=today, now=now)
    summed = summed_draws(found, wanted, keys=keys, days=days, today=today)
    late = {place: one for place, one in summed.items() if place not in wanted}
    take({place: Draw(one.budget, one.window) for place, one in late.items()}, today=today, now=now)
    _set({**wanted, **summed}, days=days, today=today)
    _carry({one.key: one for one in listed if one.rollover.moves})


def summed_draws(
    found: BudgetBook,
    wanted: Mapping[Place, Draw],
    *,
    keys: Collection[int],
    days: Collection[date] | None,
    today: date,
) -> dict[Place, Draw]:
    """Return what the rollups say that windows have spent; nothing is written."""
    span = _span(wanted.values(), days, today)
    if span is None:
        return {}
    draws: dict[Place, Draw] = {}
    spends = spend_of_days(first=span[0], end=span[1])
    found.learn((one.tag_set, one.sku) for one in spends)
    for spend in spends:
        for budget, window, amount in found.drawn(spend):
            place = (budget.key, window.start)
            if budget.key not in keys or (days is not None and place not in wanted):
                continue
            if days is not None and budget.rule.is_rolling and spend.day not in days:
                continue
            draws.setdefault(place, Draw(budget, window)).add(spend, amount)
    return draws


def today_of(now: datetime) -> date:
    """Return the day of a moment in the tenant's timezone."""
    return local_day(now, tenants.current().timezone)


def _windows(
    budgets: Iterable[BudgetFacts], days: Collection[date] | None, today: date
) -> dict[Place, Draw]:
    listed = list(budgets)
    found: dict[Place, Draw] = {}
    for budget in listed:
        spans = (
            list(budget.rule.windows(through=today))
            if days is None
            else [one for one in map(budget.rule.window_of, sorted(days)) if one is not None]
        )
        for window in spans:
            found[budget.key, window.start] = Draw(budget, window)
    if days is None:
        by_key = {one.key: one for one in listed}
        for row in BudgetWindow.objects.filter(budget_id__in=by_key).order_by("id"):
            place = (row.budget_id, row.starts_on)
            found.setdefault(place, Draw(by_key[row.budget_id], row.days))
    return found


def _span(
    wanted: Iterable[Draw], days: Collection[date] | None, today: date
) -> tuple[date, date] | None:
    firsts: list[date] = []
    ends: list[date] = []
    ahead = today + timedelta(days=62)
    for draw in wanted:
        if draw.window.end is None and days is not None:
            firsts.append(min(days))
            ends.append(max(days) + timedelta(days=1))
            continue
        firsts.append(draw.window.start)
        ends.append(ahead if days is None else draw.window.end or ahead)
    return (min(firsts), max(ends)) if firsts else None


def _set(draws: Mapping[Place, Draw], *, days: Collection[date] | None, today: date) -> None:
    ordered = [draws[place] for place in sorted(draws)]
    plain = [one for one in ordered if not one.budget.rule.is_rolling]
    rolling = [one for one in ordered if one.budget.rule.is_rolling]
    if plain:
        columns = [[one.budget.key, one.window.start, one.amount, _lacks(one)] for one in plain]
        run(_SET, [list(column) for column in zip(*columns, strict=True)])
    for one in rolling:
        gone = "DELETE FROM {schema}.budgets_dailyspend WHERE budget_id = %s"
        if days is None:
            run(gone, [one.budget.key])
        else:
            run(f"{gone} AND day = ANY (%s)", [one.budget.key, sorted(days)])
    _take_days(rolling, today)


def _take_days(draws: Iterable[Draw], today: date) -> None:
    rolling = [one for one in draws if one.budget.rule.is_rolling]
    columns = [
        [one.budget.key, day, amount] for one in rolling for day, amount in sorted(one.days.items())
    ]
    if columns:
        statement = _ADD_DAYS.replace("{spent}", "kept.spent + excluded.spent")
        run(statement, [list(column) for column in zip(*columns, strict=True)])
    roll([one.budget for one in rolling], today=today)


def _chains(draws: Mapping[Place, Draw], today: date) -> dict[Place, Draw]:
    budgets = {one.budget.key: one.budget for one in draws.values() if one.budget.rollover.moves}
    return {
        (budget.key, window.start): Draw(budget, window)
        for budget in budgets.values()
        for window in budget.rule.windows(through=today)
    }


def _carry(budgets: Mapping[int, BudgetFacts]) -> None:
    """Carry over from window to window of budgets whose windows are locked."""
    if not budgets:
        return
    changed: list[tuple[int, Decimal]] = []
    rows: defaultdict[int, list[BudgetWindow]] = defaultdict(list)
    for row in BudgetWindow.objects.filter(budget_id__in=budgets).order_by("starts_on"):
        rows[row.budget_id].append(row)
    for key, windows in rows.items():
        carried = Decimal(0)
        for row in windows:
            if row.carried != carried:
                changed.append((row.pk, carried))
                row.carried = carried
            carried = budgets[key].rollover.carried(
                limit=row.counters.limit, raised=row.raised, spent=row.spent, held=row.held
            )
    if changed:
        run(_CARRY, [list(column) for column in zip(*changed, strict=True)])


def _columns(ordered: Iterable[Draw], today: date) -> list[list[Any]]:
    rows = [
        (
            one.budget.key,
            one.window.start,
            one.window.end,
            one.budget.amount,
            one.budget.is_hard,
            one.amount,
            today if one.window.end is None else None,
            _lacks(one),
        )
        for one in ordered
    ]
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[]] * 8


def _lacks(draw: Draw) -> str:
    return " ".join(sorted(draw.lacks))


def spends_of(found: BudgetBook, sums: Sums, feed: str) -> list[Spend]:
    """Return the cost of new events by day, tag set, SKU and currency, where a budget wants it."""
    found.learn({(tag_set, span.sku) for span, tag_set in sums})
    totals: defaultdict[tuple[date, int, int, str], Decimal] = defaultdict(Decimal)
    for (span, tag_set), quantities in sums.items():
        if not found.matching(tag_set=tag_set, sku=span.sku, day=span.day, feed=feed):
            continue
        for meter, quantity in quantities.items():
            rate = span.rates[meter]
            if rate.price and quantity:
                key = (span.day, tag_set, span.sku, rate.currency)
                totals[key] = EXACT.add(totals[key], rate.cost(quantity))
    return [
        Spend(day, tag_set, sku, feed, currency, cost)
        for (day, tag_set, sku, currency), cost in totals.items()
        if cost
    ]


def _registry(statement: str) -> UUID:
    version: UUID = rows_of(statement, [])[0][0]
    return version


def qualified(statement: str) -> str:
    """Return a statement with its tables in the current schema (rule 11)."""
    return _qualified(statement, current_schema())


@lru_cache(maxsize=1_024)
def _qualified(statement: str, schema: str) -> str:
    return statement.replace("{schema}", connection.ops.quote_name(schema))


def rows_of(statement: str, values: Iterable[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(qualified(statement), list(values))
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def run(statement: str, values: Iterable[Any] | Mapping[str, Any]) -> None:
    with connection.cursor() as cursor:
        values = values if isinstance(values, Mapping) else list(values)
        cursor.execute(qualified(statement), values)
