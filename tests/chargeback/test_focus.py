"""FOCUS exports: the specification's rules, our sums, and nothing lost in a split."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pyarrow.parquet as pq
import pytest

from apps.accounts.models import User
from apps.allocation.domain.facts import RunFacts
from apps.chargeback import selectors, tasks
from apps.chargeback import services as chargeback
from apps.chargeback.domain.focus_columns import (
    Dataset,
    DatasetUnknown,
    FileFormat,
    Version,
    columns_of,
)
from apps.chargeback.models import Export
from apps.chargeback.selectors import Wanted
from apps.core.domain.access import Actor, Role, Scope
from apps.core.domain.errors import Forbidden
from tests.accounts.people import bearer, browser, person, service_key, signed_in
from tests.chargeback.conftest import NOW, OCTOBER, SEPTEMBER, SYSTEM, cost_line, usual_lines
from tests.chargeback.focus_rules import broken_columns, broken_rules

pytestmark = pytest.mark.usefixtures("store")


def lines() -> list[Any]:
    """The usual month, and what is foreign, contracted, free, hostile or a credit."""
    eur = cost_line(
        "u6",
        "11.00000000000000000001",
        tags={"team": "search", "note": "=1+1"},
        unit_price=Decimal("3.000000000001"),
        original_currency="EUR",
        fx_rate=Decimal("1.1000000001"),
        quantity=Decimal(3333333),
        price_source="contract OA-7",
        price_id=7,
        meter="cached_input_tokens",
    )
    credit = cost_line(
        "b2",
        "-5.25",
        origin="bill",
        charge_category="Credit",
        unit_price=None,
        quantity=Decimal(0),
        unit="",
        unit_size=1,
        model="",
        meter="",
        service="Amazon EKS",
        provider="aws",
    )
    out = cost_line("u7", "7.5", tags={"team": "assistant"}, meter="output_tokens")
    return [*usual_lines(), eur, credit, out]


@pytest.fixture
def issued(allocate: Callable[..., RunFacts], people: dict[str, Actor]) -> chargeback.StatementSet:
    run = allocate(lines())
    chargeback.draft_statements(month=OCTOBER, run=run.id, actor=people["maya"], now=NOW)
    return chargeback.issue_statements(
        month=OCTOBER, actor=people["maya"], approver=people["jonas"], now=NOW
    )


def wanted(**given: Any) -> Wanted:
    return Wanted(**{"month": OCTOBER, "dataset": Dataset.COST_AND_USAGE, **given})


def content(**given: Any) -> bytes:
    return b"".join(selectors.focus_file(wanted=wanted(**given), actor=SYSTEM).pieces)


def rows(**given: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content(**given).decode())))


def total(found: list[dict[str, str]], column: str) -> Decimal:
    return sum((Decimal(row[column]) for row in found), Decimal(0))


@pytest.mark.parametrize("version", list(Version))
def test_columns_nulls_types_and_values_are_those_of_the_version(
    issued: chargeback.StatementSet, version: Version
) -> None:
    assert broken_columns(rows(version=version), version=version.value) == []


def test_the_static_rules_of_1_2_hold(issued: chargeback.StatementSet) -> None:
    applied, broken = broken_rules(rows(version=Version.V1_2))
    assert not broken, "\n".join(broken)
    assert applied > 150


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("ServiceName", ""),
        ("ListCost", "1"),
        ("ChargeCategory", "usage"),
        ("BillingPeriodStart", "2026-10-01 00:00:00"),
        ("SkuPriceId", ""),
    ],
)
def test_the_rules_can_be_broken(issued: chargeback.StatementSet, column: str, value: str) -> None:
    found = rows(version=Version.V1_2)
    used = next(row for row in found if row["x_SourceKey"] == "u1")
    _, broken = broken_rules([{**used, column: value}])
    assert any(column in one for one in broken)


def test_invoices_sum_to_their_statements(issued: chargeback.StatementSet) -> None:
    found = rows()
    for one in selectors.statements(month=OCTOBER, actor=SYSTEM):
        own = [row for row in found if row["InvoiceId"] == one.number]
        assert total(own, "EffectiveCost") == one.total, one.number
        assert total(own, "BilledCost") == one.billed
        assert {row["SubAccountId"] for row in own} == {one.cost_center}
    assert total(found, "EffectiveCost") == issued.total
    detail = rows(dataset=Dataset.INVOICE_DETAIL)
    by_detail = {row["InvoiceDetailId"]: Decimal(row["BilledCost"]) for row in detail}
    assert len(by_detail) == len(detail)
    for id, billed in by_detail.items():
        assert total([row for row in found if row["InvoiceDetailId"] == id], "BilledCost") == billed
    assert set(by_detail) == {row["InvoiceDetailId"] for row in found}
    assert total(detail, "BilledCost") == issued.billed


def test_ratios_sum_to_one_and_sums_to_the_origin(
    issued: chargeback.StatementSet, allocate: Callable[..., RunFacts]
) -> None:
    found = [row for row in rows() if row["AllocatedMethodDetails"]]
    by_source: dict[str, list[dict[str, str]]] = {}
    for row in found:
        by_source.setdefault(row["x_SourceKey"], []).append(row)
    assert set(by_source) == {"b1", "b2"}
    for parts in by_source.values():
        details = [
            json.loads(row["AllocatedMethodDetails"], parse_float=Decimal, parse_int=Decimal)
            for row in parts
        ]
        assert sum(one["Elements"][0]["AllocatedRatio"] for one in details) == 1
        assert {one["Elements"][0]["UsageUnit"] for one in details} == {"requests"}
        for name in ("ContractedUnitPrice", "ServiceName", "PricingUnit", "ChargeCategory"):
            assert len({row[name] for row in parts}) == 1
    assert total(by_source["b1"], "EffectiveCost") == Decimal("33.333333333333")
    assert total(by_source["b1"], "PricingQuantity") == Decimal("33.333333333333")
    assert total(by_source["b2"], "EffectiveCost") == Decimal("-5.25")
    [search] = [row for row in by_source["b1"] if row["AllocatedResourceId"] == "search"]
    assert search["AllocatedResourceName"] == "Search"
    assert search["AllocatedMethodId"] == "gateway:proportional"
    assert json.loads(search["AllocatedTags"]) == {
        "finops:cost_center": "CC-4100",
        "finops:team": "search",
    }


def test_unit_price_times_quantity_is_the_cost_of_every_row(
    issued: chargeback.StatementSet,
) -> None:
    checked = 0
    for row in rows():
        if not row["PricingQuantity"]:
            continue
        quantity = Decimal(row["PricingQuantity"])
        for price, cost in (
            ("ContractedUnitPrice", "ContractedCost"),
            ("ListUnitPrice", "ListCost"),
        ):
            if row[price]:
                assert abs(Decimal(row[price]) * quantity - Decimal(row[cost])) < Decimal("1e-12")
                checked += 1
        if row["ChargeCategory"] == "Usage":
            gap = Decimal(row["ContractedCost"]) - Decimal(row["EffectiveCost"])
            assert abs(gap) < Decimal("1e-11") or row["x_SourceKey"] == "u6"
    assert checked > 15


def test_late_usage_is_a_correction_of_its_own_days(issued: chargeback.StatementSet) -> None:
    [late] = [row for row in rows() if row["ChargeClass"] == "Correction"]
    assert late["x_SourceKey"] == "u5"
    assert late["ChargePeriodStart"].startswith("2026-09-01")
    assert late["BillingPeriodStart"] == "2026-10-01T04:00:00Z"
    assert late["BillingPeriodEnd"] == "2026-11-01T04:00:00Z"


def test_a_foreign_price_keeps_its_currency(
    issued: chargeback.StatementSet,
) -> None:
    [row] = [row for row in rows() if row["x_SourceKey"] == "u6"]
    assert row["PricingCurrency"] == "EUR"
    assert row["ContractedUnitPrice"] == "3.3000000003011"
    assert row["PricingCurrencyContractedUnitPrice"] == "3.000000000001"
    assert row["PricingUnit"] == "1000000 Tokens"
    assert row["ConsumedQuantity"] == "3333333"
    assert json.loads(row["Tags"]) == {"note": "=1+1", "team": "search"}


def test_token_keys_of_the_draft_stand_behind_a_switch(issued: chargeback.StatementSet) -> None:
    plain = {row["x_SourceKey"]: row["SkuPriceDetails"] for row in rows()}
    assert "TokenDirection" not in "".join(plain.values())
    keyed = {
        row["x_SourceKey"]: json.loads(row["SkuPriceDetails"] or "{}")
        for row in rows(draft_keys=True)
    }
    assert [
        (keyed[key].get("TokenDirection"), keyed[key].get("TokenCacheAction"))
        for key in ("u1", "u6", "u7")
    ] == [("Input", "Uncached"), ("Input", "Read"), ("Output", None)]


def test_parquet_holds_the_same_rows_exactly(issued: chargeback.StatementSet) -> None:
    table = pq.read_table(io.BytesIO(content(format=FileFormat.PARQUET)))
    found = rows()
    assert table.num_rows == len(found)
    assert table.column_names == [
        one.name for one in columns_of(Dataset.COST_AND_USAGE, Version.V1_4)
    ]
    assert sum(table["EffectiveCost"].to_pylist()) == issued.total
    assert [value or "" for value in table["InvoiceId"].to_pylist()] == [
        row["InvoiceId"] for row in found
    ]


def test_the_billing_period_is_open_until_the_month_is_closed(
    issued: chargeback.StatementSet,
) -> None:
    [row] = rows(dataset=Dataset.BILLING_PERIOD)
    assert row["BillingPeriodStatus"] == "Open"
    assert row["BillingPeriodStart"] == "2026-10-01T04:00:00Z"
    for dataset in (Dataset.BILLING_PERIOD, Dataset.INVOICE_DETAIL):
        with pytest.raises(DatasetUnknown):
            columns_of(dataset, Version.V1_3)


def test_exports_are_for_those_who_see_the_whole(
    issued: chargeback.StatementSet, people: dict[str, Actor]
) -> None:
    with pytest.raises(Forbidden):
        selectors.focus_file(wanted=wanted(), actor=people["lee"])
    bound = Actor("key", "k", frozenset({Scope.BILLING_READ}), bound_tags={"team": "search"})
    with pytest.raises(Forbidden, match="whole organization"):
        selectors.focus_file(wanted=wanted(), actor=bound)
    with pytest.raises(Forbidden):
        chargeback.request_export(wanted=wanted(), actor=bound, now=NOW)
    assert Export.objects.count() == 0


def test_the_api_streams_and_refuses_by_name(issued: chargeback.StatementSet) -> None:
    client = browser("acme")
    key = bearer(service_key(Scope.BILLING_READ))
    answer = client.get("/api/v1/exports/focus?period=2026-10", headers=key)
    assert (answer.status_code, answer.streaming) == (200, True)
    assert b"".join(answer.streaming_content) == content()
    assert answer["Content-Disposition"] == (
        'attachment; filename="focus-1.4-cost-and-usage-2026-10.csv"'
    )
    for query, status, field in (
        ("period=2026-13", 400, "period"),
        ("period=2026-10&dataset=x", 400, "dataset"),
        ("period=2026-10&format=xlsx", 400, "format"),
        ("period=2026-10&version=1.1", 400, "version"),
        ("period=2026-10&dataset=invoice_detail&version=1.2", 422, "version"),
        ("period=2026-10&color=red", 400, "color"),
    ):
        refused = client.get(f"/api/v1/exports/focus?{query}", headers=key)
        assert refused.status_code == status, query
        assert refused.json()["errors"][0]["field"] == field
    assert client.get("/api/v1/exports/focus?period=2026-08", headers=key).status_code == 404
    poor = bearer(service_key(Scope.COSTS_READ))
    assert client.get("/api/v1/exports/focus?period=2026-10", headers=poor).status_code == 403


def test_an_export_is_written_once_with_progress_and_a_link(
    issued: chargeback.StatementSet,
) -> None:
    asked = chargeback.request_export(wanted=wanted(), actor=SYSTEM, now=NOW)
    assert (asked.state, asked.rows) == ("queued", 0)
    for _ in range(2):
        tasks.write_export(schema="t_acme", export=str(asked.id))
    done = selectors.export(id=asked.id, actor=SYSTEM)
    assert (done.state, done.rows) == ("done", done.rows_total)
    assert chargeback.request_export(wanted=wanted(), actor=SYSTEM, now=NOW).id == asked.id
    link = chargeback.export_link(id=asked.id, actor=SYSTEM)
    anybody = browser("acme")
    answer = anybody.get(link)
    assert (answer.status_code, answer.getvalue()) == (200, content())
    assert browser("globex").get(link).status_code == 404
    assert anybody.get(f"{link[:-4]}xxx/").status_code == 404


def test_what_cannot_be_written_says_why(issued: chargeback.StatementSet) -> None:
    row = Export.objects.create(
        month=SEPTEMBER.first_day,
        dataset="cost_and_usage",
        version="1.4",
        format="csv",
        draft_keys=False,
        run=issued.run,
        requested_at=NOW,
        requested_by="x",
    )
    failed = chargeback.write_export(id=row.public_id, now=NOW)
    assert failed.state == "failed"
    assert failed.error


def test_the_page_asks_follows_and_downloads(
    issued: chargeback.StatementSet, settings: Any
) -> None:
    maya = signed_in("acme", User.objects.get(email="maya@acme.example"))
    form = {"period": "2026-10", "dataset": "cost_and_usage", "version": "1.4", "format": "csv"}
    assert maya.post("/exports/", form).status_code == 302
    [asked] = selectors.exports(actor=SYSTEM)
    assert "focus-1.4-cost-and-usage-2026-10.csv" in maya.get("/exports/").content.decode()
    progress = maya.get(f"/exports/{asked.id}/progress/").content.decode()
    assert "0 of" in progress
    chargeback.write_export(id=asked.id, now=NOW)
    assert f"/exports/{asked.id}/download/" in maya.get("/exports/").content.decode()
    file = maya.get(f"/exports/{asked.id}/download/", follow=True)
    assert file.getvalue() == content()
    wrong = maya.post("/exports/", {**form, "dataset": "invoice_detail", "version": "1.2"})
    assert "ask for version 1.4" in wrong.content.decode()
    assert signed_in("acme", person(Role.MEMBER)).get("/exports/").status_code == 403
