"""Rollup cells: added, replaced, dropped when they come to nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from django.db import connection

from apps.core.domain.months import Month
from apps.usage.adapters import packed
from apps.usage.adapters.packed import Days, Longs, Numerics, Texts
from apps.usage.domain.cells import Cell, Sums
from apps.usage.domain.feeds import REQUEST, Feed
from apps.usage.domain.timeline import Rate, Span, unit_rate
from apps.usage.sql import partition_name
from apps.usage.store.binding import binding_cursor, packed_once, table


def add_cells_statement(month: Month, feed: str = REQUEST) -> str:
    """Return the upsert of cells of a feed into the rollups of a month, from nine arrays."""
    name = table(partition_name("usage_rollup", month))
    return (
        f"INSERT INTO {name} AS kept "  # noqa: S608 - quoted identifiers only
        "(day, utc_day, tag_set, sku, price, meter, feed, quantity, cost, currency) "
        f"SELECT day, utc_day, tag_set, sku, price, meter, '{Feed(feed).value}', "
        "quantity::numeric, cost::numeric, currency "
        "FROM unnest(%b, %b, %b, %b, %b, %b, %b, %b, %b) AS cell("
        "day, utc_day, tag_set, sku, price, meter, quantity, cost, currency) "
        "ON CONFLICT (period, day, utc_day, tag_set, sku, meter, price, feed) DO UPDATE "
        "SET quantity = kept.quantity + excluded.quantity, cost = kept.cost + excluded.cost"
    )


def add_sums_statement(month: Month, feed: str = REQUEST) -> str:
    """Return the upsert of sums of whole quantities, each at the price of one unit."""
    return (
        add_cells_statement(month, feed)
        .replace("quantity::numeric, cost::numeric", "quantity, quantity * unit")
        .replace("quantity, cost, currency) ON", "quantity, unit, currency) ON")
    )


def sums_columns(sums: Sums) -> list[packed.Packed] | None:
    """Return the cells of sums column by column, in the order of locks; a hot loop.

    The database multiplies quantities by unit prices, so that no cost is made here and read
    there. None when that is not exact: quantities are no whole numbers of 64 bits, the price of
    one unit has too many digits, or spans share cells; `cells_of` knows them all.
    """
    families = {span: span.family for span, _ in sums}
    if len(set(families.values())) != len(families):
        return None
    heads = {
        span: (packed.day(day), packed.day(utc_day), packed.long(sku))
        for span, (day, utc_day, sku) in families.items()
    }
    ordered = sorted(
        (tag_set, families[span], span, quantities) for (span, tag_set), quantities in sums.items()
    )
    tails: dict[tuple[Span, str], tuple[bytes, bytes, bytes, bytes]] = {}
    long = packed.LONG.pack
    columns: tuple[list[bytes], ...] = tuple([] for _ in range(9))
    days, utc_days, tag_sets, skus, prices, meters, counts, units, currencies = columns
    for tag_set, _, span, quantities in ordered:
        day, utc_day, sku = heads[span]
        part = long(8, tag_set)
        for meter in sorted(quantities):
            quantity = quantities[meter]
            if not quantity:
                continue
            tail = tails.get((span, meter))
            if tail is None:
                made = _tail(span.rates[meter], meter)
                if made is None:
                    return None
                tail = tails[span, meter] = made
            if type(quantity) is not int or quantity > _LARGEST:
                return None
            price, name, unit, currency = tail
            days.append(day)
            utc_days.append(utc_day)
            tag_sets.append(part)
            skus.append(sku)
            prices.append(price)
            meters.append(name)
            counts.append(long(8, quantity))
            units.append(unit)
            currencies.append(currency)
    return [kind.of(column) for kind, column in zip(_SUM_KINDS, columns, strict=True)]


_LARGEST: Final = 2**63 - 1
_SUM_KINDS: Final[tuple[type[packed.Packed], ...]] = (
    *(Days, Days, Longs, Longs, Longs, Texts, Longs, Numerics, Texts),
)


def _tail(rate: Rate, meter: str) -> tuple[bytes, bytes, bytes, bytes] | None:
    """Return price, meter, unit price and currency, packed; None when the unit is not exact."""
    unit = packed.NULL
    if rate.price:
        single = unit_rate(rate)
        if single is None:
            return None
        unit = packed.numeric(single)
    return packed.long(rate.price), packed.text(meter), unit, packed.text(rate.currency)


def drop_empty_cells(month: Month, cells: Sequence[Cell], feed: str = REQUEST) -> None:
    """Delete those of the given cells that came back to zero, so that a void leaves no trace."""
    _delete_cells(month, cells, feed, "AND r.quantity = 0")


def replace_cells(
    month: Month, gone: Sequence[Cell], written: Sequence[Cell], feed: str = REQUEST
) -> None:
    """Delete cells and write others in their place, both in the order of locks."""
    _delete_cells(month, gone, feed, "")
    if written:
        with binding_cursor() as binding:
            binding.execute(add_cells_statement(month, feed), cell_columns(written))


def has_rollups(month: Month) -> bool:
    """Tell whether any usage is booked in a month."""
    name = table(partition_name("usage_rollup", month))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT EXISTS (SELECT 1 FROM {name})")  # noqa: S608
        return bool(cursor.fetchone()[0])


def _delete_cells(month: Month, cells: Sequence[Cell], feed: str, also: str) -> None:
    name = table(partition_name("usage_rollup", month))
    statement = (
        f"DELETE FROM {name} r USING unnest(%b, %b, %b, %b, %b, %b) "  # noqa: S608
        "AS cell(day, utc_day, tag_set, sku, price, meter) "
        "WHERE r.day = cell.day AND r.utc_day = cell.utc_day "
        "AND r.tag_set = cell.tag_set AND r.sku = cell.sku AND r.price = cell.price "
        f"AND r.meter = cell.meter AND r.feed = '{Feed(feed).value}' {also}"
    )
    if cells:
        with binding_cursor() as binding:
            binding.execute(statement, cell_columns(cells)[:6])


def cell_columns(cells: Sequence[Cell]) -> list[packed.Packed]:
    """Return cells column by column; what repeats is packed once."""
    tag_sets, days, utc_days, skus, meters, prices, quantities, costs, currencies = zip(
        *cells, strict=True
    )
    return [
        Days.of(packed_once(days, packed.day)),
        Days.of(packed_once(utc_days, packed.day)),
        Longs.of(packed_once(tag_sets, packed.long)),
        Longs.of(packed_once(skus, packed.long)),
        Longs.of(packed_once(prices, packed.long)),
        Texts.of(packed_once(meters, packed.text)),
        Texts.pack(map(str, quantities)),
        Texts.pack([None if cost is None else str(cost) for cost in costs]),
        Texts.of(packed_once(currencies, packed.text)),
    ]
