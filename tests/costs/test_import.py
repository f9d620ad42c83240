"""Bills come in whole, once, exactly, and with everything odd about them told."""

from __future__ import annotations

import gzip
import io
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import Sum

from apps.audit import selectors as audit
from apps.core.domain.access import Role
from apps.core.domain.errors import Forbidden, Invalid, Unprocessable
from apps.core.domain.months import Month
from apps.costs import services
from apps.costs.adapters.tables import FileRefused
from apps.costs.domain.accounts import AccountDraft
from apps.costs.domain.focus import HeaderRefused
from apps.costs.models import Bill, BillLine
from apps.periods import services as periods
from apps.periods.domain.calendar import TimeBeforeFirstPeriod
from tests.costs.conftest import HEADER, NOW, SHIFT, focus, person, row

PACKED = Path("finops_platform/demo/data/focus_1_0_sample.csv.gz")
BILLED = Decimal("20.52022672899")
EFFECTIVE = Decimal("14.97651418586")


def bring(file, actor, **options):
    return services.import_focus(
        file=file, provider_account="cloud", actor=actor, now=NOW, **options
    )


def sample():
    return io.BytesIO(gzip.decompress(PACKED.read_bytes()))


def snapshot():
    return Bill.objects.count(), BillLine.objects.count(), audit.head()


def test_the_real_bill_comes_in_to_the_last_digit(cloud, ada):
    report = bring(sample(), ada, shift_months=SHIFT, file_name="focus.csv")
    assert (report.rows, report.rejected, report.already_imported) == (1000, 0, False)
    assert (report.billed, report.effective) == (BILLED, EFFECTIVE)
    kept = BillLine.objects.aggregate(billed=Sum("billed_cost"), effective=Sum("effective_cost"))
    assert (kept["billed"], kept["effective"]) == (BILLED, EFFECTIVE)
    assert BillLine.objects.filter(billed_cost__lt=0).count() == 13
    assert BillLine.objects.filter(contracted_cost=None).count() == 7
    assert BillLine.objects.exclude(tags={}).count() == 711
    assert [(str(bill.billing_month), bill.rows) for bill in report.bills] == [
        ("2025-12", 999),
        ("2026-01", 1),
    ]
    assert report.bill.rows == 999


def test_what_is_odd_about_the_real_bill_is_told(cloud, ada):
    report = bring(sample(), ada, shift_months=SHIFT)
    told = {(each.code, each.column): each.count for each in report.diagnostics}
    assert told["empty", "ContractedCost"] == 7
    assert told["literal_null", "ContractedCost"] == 7
    assert told["literal_null", "Tags"] == 289
    assert told["case", "ChargeFrequency"] == 7
    assert told["empty", "PricingCategory"] == 7
    assert told["timestamp_format", "BillingPeriodStart"] == 1000
    assert told["unknown_column", "Id"] == 1
    assert len(told) == 23
    assert BillLine.objects.filter(charge_frequency="Usage-Based").count() == 999


def test_a_packed_file_is_the_same_money(cloud, ada):
    with PACKED.open("rb") as file:
        report = bring(file, ada, shift_months=SHIFT)
    assert (report.rows, report.billed) == (1000, BILLED)


def test_the_same_file_again_changes_nothing(cloud, ada):
    first = bring(sample(), ada, shift_months=SHIFT)
    before = snapshot()
    again = bring(sample(), ada, shift_months=SHIFT)
    assert again.already_imported
    assert [bill.id for bill in again.bills] == [bill.id for bill in first.bills]
    assert (again.rows, again.billed) == (1000, BILLED)
    assert snapshot() == before


def test_a_new_version_supersedes_the_whole_bill_and_both_are_kept(cloud, ada):
    bring(focus(row("10"), row("5", service="S3")), ada)
    second = bring(focus(row("12")), ada)
    assert (second.bill.version, second.bill.is_current) == (2, True)
    old = bring(focus(row("10"), row("5", service="S3")), ada)
    assert old.already_imported
    assert (old.bill.version, old.bill.is_current) == (1, False)
    assert BillLine.objects.count() == 3


def test_a_few_stray_charges_never_take_the_place_of_a_larger_bill(cloud, ada):
    bring(focus(row("1"), row("2")), ada)
    mixed = (row("5", month="2025-12"), row("6", month="2025-12"), row("7"))
    before = snapshot()
    with pytest.raises(services.SliverOfAnotherBill) as refused:
        bring(focus(*mixed), ada)
    assert "1 charges of 2026-01, whose bill of 2 charges" in refused.value.message
    assert snapshot() == before
    bring(focus(row("5", month="2025-12"), row("6", month="2025-12")), ada)
    assert bring(focus(row("9")), ada).bill.version == 2


def test_months_are_the_provider_s_in_utc(cloud, ada):
    report = bring(focus(row("1")), ada)
    assert report.bill.billing_month == report.bill.period == Month(2026, 1)


def test_a_bill_of_a_frozen_month_is_booked_in_the_next_open_one(cloud, ada):
    periods.freeze(month=Month(2026, 1), actor=ada, now=NOW)
    bill = bring(focus(row("1")), ada).bill
    assert (bill.billing_month, bill.period) == (Month(2026, 1), Month(2026, 2))


def test_a_bill_before_the_calendar_is_refused(cloud, ada):
    before = snapshot()
    with pytest.raises(TimeBeforeFirstPeriod):
        bring(focus(row("1", month="2024-09")), ada)
    assert snapshot() == before


def test_bad_rows_are_told_one_by_one_and_good_ones_come_in(cloud, ada):
    file = focus(
        row("1"),
        row("many"),
        row("2", currency="EURO"),
        row("3", category="Gift"),
        row("4") + ",surplus",
        row("5").replace("2026-01-05T01:00:00Z", "2026-01-04T01:00:00Z"),
        row("6"),
    )
    report = bring(file, ada)
    assert (report.rows, report.rejected, report.billed) == (2, 5, Decimal(7))
    assert [(each.line, each.errors[0].field) for each in report.errors] == [
        (3, "BilledCost"),
        (4, "BillingCurrency"),
        (5, "ChargeCategory"),
        (6, "row"),
        (7, "ChargePeriodEnd"),
    ]
    assert report.bill.rejected == 5


def test_a_row_that_is_wrong_in_many_ways_names_them_all(cloud, ada):
    report = bring(focus(row("1"), row("x", effective="y", currency="?")), ada)
    assert [error.field for error in report.errors[0].errors] == [
        "BillingCurrency",
        "BilledCost",
        "EffectiveCost",
        "ListCost",
        "ContractedCost",
    ]


@pytest.mark.parametrize(
    ("content", "error", "code"),
    [
        (b"", HeaderRefused, "focus_header"),
        (b"a,b\n1,2\n", HeaderRefused, "focus_header"),
        (HEADER.encode() + b"\n", Unprocessable, "nothing_to_book"),
        (HEADER.encode() + b"\n" + row("x").encode(), Unprocessable, "nothing_to_book"),
        (HEADER.encode() + b"\n\xff\xfe\x00", FileRefused, "encoding"),
        (HEADER.encode("utf-16"), FileRefused, "encoding"),
        (HEADER.encode() + b'\n"unclosed', FileRefused, "csv"),
        (HEADER.encode() + b"\n" + b"9" * 200_000, FileRefused, "csv"),
        (gzip.compress(HEADER.encode(), mtime=0)[:-9], FileRefused, "gzip"),
        (b"\x1f\x8b" + b"garbage" * 9, FileRefused, "gzip"),
    ],
)
def test_what_is_no_bill_is_answered_and_leaves_nothing(cloud, ada, content, error, code):
    before = snapshot()
    with pytest.raises(error) as refused:
        bring(io.BytesIO(content), ada)
    assert refused.value.code == code
    assert snapshot() == before


def test_missing_columns_are_all_named(cloud, ada):
    with pytest.raises(HeaderRefused) as refused:
        bring(io.BytesIO(b"BilledCost,EffectiveCost\n1,1\n"), ada)
    named = {error.field for error in refused.value.errors}
    assert {"BillingCurrency", "ChargePeriodStart", "ServiceName"} <= named


def test_a_byte_order_mark_and_column_names_in_another_case_are_read(cloud, ada):
    text = "\ufeff" + HEADER.replace("BilledCost", "billedcost") + "\n" + row("2.5")
    report = bring(io.BytesIO(text.encode()), ada)
    assert report.billed == Decimal("2.5")
    assert ("case", "BilledCost") in {(each.code, each.column) for each in report.diagnostics}


def test_a_nul_in_a_tag_refuses_its_row_only(cloud, ada):
    report = bring(focus(row("1"), row("2", tags='{"team": "a\\u0000b"}')), ada)
    assert (report.rows, report.rejected) == (1, 1)
    assert report.errors[0].errors[0].field == "Tags"


def test_several_currencies_have_no_common_sum(cloud, ada):
    report = bring(focus(row("1"), row("2", currency="EUR")), ada)
    assert {currency: sums.billed for currency, sums in report.totals.items()} == {
        "USD": 1,
        "EUR": 2,
    }
    with pytest.raises(ValueError, match="EUR, USD"):
        _ = report.billed


def test_who_may_not_and_what_is_not_declared(cloud, ada):
    before = snapshot()
    with pytest.raises(Forbidden):
        bring(focus(row("1")), person(5, Role.MEMBER))
    with pytest.raises(services.AccountMissing):
        services.import_focus(file=focus(row("1")), provider_account="none", actor=ada, now=NOW)
    assert snapshot() == before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE costs_billline SET billed_cost = 0",
        "DELETE FROM costs_billline",
        "UPDATE costs_billline_2026_01 SET billed_cost = 0",
        "DELETE FROM costs_billline_2026_01",
        "UPDATE costs_bill SET rejected_count = 0",
        "DELETE FROM costs_bill",
        "TRUNCATE costs_billline_2026_01",
    ],
)
def test_a_bill_is_kept_as_delivered(cloud, ada, statement):
    bring(focus(row("1")), ada)
    before = snapshot()
    with pytest.raises(Exception, match=r"as delivered|permission denied"):  # noqa: SIM117
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    assert snapshot() == before


@pytest.mark.parametrize("table", ["costs_billline", "costs_billline_2026_01"])
def test_a_frozen_month_refuses_lines_through_the_parent_and_the_partition(cloud, ada, table):
    bring(focus(row("1")), ada)
    periods.freeze(month=Month(2026, 1), actor=ada, now=NOW)
    copy = ", ".join(
        "line + 100" if field.name == "line" else field.column
        for field in BillLine._meta.local_fields
        if field.column
    )
    columns = ", ".join(field.column for field in BillLine._meta.local_fields if field.column)
    with (
        pytest.raises(IntegrityError, match="the period 2026-01 is soft_closed"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(f"INSERT INTO {table} ({columns}) SELECT {copy} FROM costs_billline")
    assert BillLine.objects.count() == 1


def test_an_import_is_audited_with_its_sums(cloud, ada):
    bring(focus(row("1.25")), ada, file_name="january.csv")
    told = audit.history(subject="provider_account", subject_id="cloud")
    entry = next(each for each in told if each.action == "bill.imported")
    assert entry.detail["file"] == "january.csv"
    assert entry.detail["bills"][0]["totals"] == {"USD": {"billed": "1.25", "effective": "1.25"}}


def test_the_reader_has_no_memory_of_the_file(cloud, ada):
    assert issubclass(FileRefused, Invalid)
    many = focus(*(row(str(number)) for number in range(1, 2001)))
    assert bring(many, ada).billed == Decimal(2001 * 1000)


@pytest.mark.slow
def test_the_same_file_sent_by_many_at_once_is_one_bill(fresh_tenant, ada):
    from concurrent.futures import ThreadPoolExecutor

    from django.db import connections
    from django_tenants.utils import schema_context

    services.declare_account(draft=AccountDraft("cloud", "Cloud"), actor=ada, now=NOW)
    content = focus(*(row(str(number)) for number in range(1, 51))).getvalue()

    def work(_):
        try:
            with schema_context(fresh_tenant.schema):
                return bring(io.BytesIO(content), ada).already_imported
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(work, range(4)))
    assert sorted(outcomes) == [False, True, True, True]
    assert (Bill.objects.count(), BillLine.objects.count()) == (1, 50)
