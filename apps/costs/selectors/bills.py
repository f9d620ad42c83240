"""Questions about bills."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import orjson
from django.db import connection
from django.db.models import Max
from psycopg import sql

from apps.core.db import current_schema
from apps.core.domain.errors import Missing
from apps.core.domain.money import EXACT
from apps.core.domain.months import Month
from apps.costs.domain.assemble import ChargeGroup
from apps.costs.domain.diagnostics import Diagnostic
from apps.costs.domain.reports import BillFacts, Totals
from apps.costs.models import Bill


@dataclass(frozen=True, slots=True)
class BookedBill:
    """A bill that a month books, and the one that earlier months had booked before it, if any."""

    bill_id: int
    account: str
    account_id: int
    billing_month: Month
    totals: Mapping[str, Totals]
    earlier_periods: tuple[Month, ...]


def booked_in(month: Month) -> list[BookedBill]:
    """Return, of every bill booked in a month, the last version there; two queries."""
    rows = Bill.objects.filter(period=month.first_day).select_related("provider_account")
    last: dict[tuple[int, date], Bill] = {
        (row.provider_account_id, row.billing_month): row for row in rows.order_by("version")
    }
    earlier: dict[tuple[int, date], set[Month]] = {}
    late = [key for key in last if key[1] < month.first_day]
    if late:
        before = Bill.objects.filter(
            period__lt=month.first_day, billing_month__in={key[1] for key in late}
        )
        for account_id, billing_month, period in before.values_list(
            "provider_account_id", "billing_month", "period"
        ):
            earlier.setdefault((account_id, billing_month), set()).add(Month.of(period))
    return [
        BookedBill(
            bill_id=row.pk,
            account=row.provider_account.code,
            account_id=row.provider_account_id,
            billing_month=Month.of(row.billing_month),
            totals=totals_of(row.totals),
            earlier_periods=tuple(sorted(earlier.get(key, ()))),
        )
        for key, row in sorted(last.items())
    ]


_GROUPS = """
SELECT bill_id, provider, service_name, sku_id, sku_meter, sub_account_id, charge_category,
       charge_class, currency, pricing_unit, tags,
       COALESCE(sum(pricing_quantity), 0), sum(billed_cost), sum(effective_cost),
       min((charge_period_start AT TIME ZONE 'UTC')::date),
       max((greatest(charge_period_end - interval '1 microsecond', charge_period_start)
            AT TIME ZONE 'UTC')::date),
       commitment_discount_id, commitment_discount_status,
       sum(COALESCE(contracted_cost, list_cost, effective_cost))
FROM {schema}.{table}
WHERE period = %s AND bill_id = ANY(%s)
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 17, 18,
         (SELECT count(*) FROM unnest(%s::date[]) AS change
          WHERE change <= (charge_period_start AT TIME ZONE 'UTC')::date)
"""


def charge_groups(
    bills: Iterable[BookedBill], *, period: Month, change_dates: Iterable[date]
) -> list[ChargeGroup]:
    """Return the charges of bills summed by what a reader asks for; one query.

    No group spans one of `change_dates`, so that one owner holds for all of it. Days are UTC, as
    providers bill.
    """
    by_id = {bill.bill_id: bill for bill in bills}
    if not by_id:
        return []
    statement = sql.SQL(_GROUPS).format(
        schema=sql.Identifier(_schema()), table=sql.Identifier("costs_billline")
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [period.first_day, list(by_id), list(change_dates)])
        return [_group(by_id[row[0]], row) for row in cursor.fetchall()]


def bill_facts(rows: Iterable[Bill]) -> list[BillFacts]:
    """Return bills as frozen values; one query."""
    bills = list(rows)
    latest: dict[tuple[int, date], int] = {
        (account, month): version
        for account, month, version in Bill.objects.filter(
            provider_account__in={bill.provider_account_id for bill in bills}
        )
        .values("provider_account_id", "billing_month")
        .annotate(latest=Max("version"))
        .values_list("provider_account_id", "billing_month", "latest")
    }
    return [
        BillFacts(
            id=bill.public_id,
            provider_account=bill.provider_account.code,
            billing_month=Month.of(bill.billing_month),
            period=Month.of(bill.period),
            version=bill.version,
            is_current=latest[bill.provider_account_id, bill.billing_month] == bill.version,
            rows=bill.row_count,
            rejected=bill.rejected_count,
            totals=totals_of(bill.totals),
            file_name=bill.file_name,
            source_sha256=bill.source_sha256,
            imported_at=bill.imported_at,
            imported_by=bill.imported_by,
            diagnostics=tuple(Diagnostic(**each) for each in bill.diagnostics),
        )
        for bill in bills
    ]


def bills(*, month: Month | None = None) -> list[BillFacts]:
    """Return bills, the newest import first; of one accounting month when asked; two queries."""
    rows = Bill.objects.select_related("provider_account").order_by("-imported_at", "-pk")
    if month is not None:
        rows = rows.filter(period=month.first_day)
    return bill_facts(rows)


def bill(*, public_id: str) -> BillFacts:
    """Return one bill; two queries.

    :raises Missing: when there is none.
    """
    row = Bill.objects.select_related("provider_account").filter(public_id=public_id).first()
    if row is None:
        raise Missing("There is no such bill.", code="bill_not_found")
    return bill_facts([row])[0]


def totals_of(
    stored: Mapping[str, Mapping[str, str]], onto: Mapping[str, Totals] | None = None
) -> dict[str, Totals]:
    """Return stored sums by currency as values, added onto others when given."""
    totals = dict(onto or {})
    for currency, sums in stored.items():
        before = totals.get(currency, Totals())
        totals[currency] = Totals(
            EXACT.add(before.billed, Decimal(sums["billed"])),
            EXACT.add(before.effective, Decimal(sums["effective"])),
        )
    return totals


def _group(bill: BookedBill, row: tuple) -> ChargeGroup:  # type: ignore[type-arg]
    return ChargeGroup(
        provider_account=bill.account,
        billing_month=bill.billing_month,
        provider=row[1],
        service=row[2],
        sku=row[3],
        sku_meter=row[4],
        sub_account=row[5],
        charge_category=row[6],
        charge_class=row[7],
        currency=row[8],
        unit=row[9],
        tags=orjson.loads(row[10]),
        quantity=row[11],
        billed=row[12],
        effective=row[13],
        first_day=row[14],
        last_day=row[15],
        commitment=row[16],
        commitment_status=row[17],
        contracted=row[18],
    )


def _schema() -> str:
    return current_schema()
