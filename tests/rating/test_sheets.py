"""Sheets of contract prices and discounts: the round trip, the dry run, all or nothing."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.catalog.domain.conditions import Conditions
from apps.core.domain.access import Scope as Right
from apps.rating import selectors, services
from apps.rating.adapters.sheets import SheetRefused, read_csv, write_csv
from apps.rating.domain.contracts import ContractDraft
from apps.rating.domain.sheets import COLUMNS, cells_of, guard, rows_of, unguard
from apps.rating.domain.terms import DiscountDraft, Scope
from apps.rating.models import ContractPrice, Discount
from tests.accounts.people import bearer, browser, service_key
from tests.rating.conftest import NOW

HEAD = "type,provider,model,meter,amount,unit_size,currency,valid_from"
ROW = "price,openai,gpt-4o,input_tokens,2.00,1000000,USD,2026-10-01T00:00:00Z"

texts = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=40
) | st.sampled_from(["=1+1", "'=1", "''", "+a", "-b", "@c", "\tx", "\nx", 'a"b', "a,b", "a\r\nb"])
moments = st.datetimes(datetime(2000, 1, 1), datetime(8999, 1, 1), timezones=st.just(UTC))
amounts = st.decimals(0, 10**11, allow_nan=False, places=18)

prices = st.builds(
    ContractDraft,
    provider=texts,
    model=texts,
    meter=texts,
    amount=amounts,
    unit_size=st.sampled_from([10**n for n in range(19)]),
    currency=texts,
    valid_from=moments,
    valid_to=st.none() | moments,
    conditions=st.builds(
        Conditions,
        service_tier=texts,
        batch=st.booleans(),
        region=texts,
        context_gt=st.integers(0, 10**11),
        window=texts,
        other=st.just(""),
    ),
    note=texts,
    confirm_unit_slip=st.booleans(),
)
discounts = st.builds(
    DiscountDraft,
    scope=st.builds(Scope, provider=texts, family=texts, model=texts, meter=texts),
    percent=st.decimals(0, 100, allow_nan=False, places=6),
    valid_from=moments,
    valid_to=st.none() | moments,
    service_tier=texts,
    batch=st.none() | st.booleans(),
    region=texts,
    context_gt=st.none() | st.integers(0, 10**11),
    note=texts,
)


@given(st.lists(prices | discounts, max_size=5))
def test_what_is_written_is_read_back_without_a_difference(drafts):
    header, lines = read_csv(write_csv(COLUMNS, (cells_of(draft) for draft in drafts)))
    rows = rows_of(header, lines)
    assert [row.faults for row in rows] == [()] * len(drafts)
    assert [row.draft for row in rows] == drafts


@given(texts)
def test_no_cell_begins_a_formula_and_no_text_is_lost(text):
    assert not guard(text).startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert unguard(guard(text)) == text


def sheet(*rows: str, head: str = HEAD) -> bytes:
    return "\n".join([head, *rows]).encode()


def tried(actor: Any, body: bytes, *confirmed: int) -> list[services.RowPlan]:
    return services.rehearse_sheet(body=body, confirmed=frozenset(confirmed), actor=actor, now=NOW)


def taken(actor: Any, body: bytes, *confirmed: int) -> list[services.RowPlan]:
    return services.import_sheet(body=body, confirmed=frozenset(confirmed), actor=actor, now=NOW)


def test_the_dry_run_says_what_each_row_does_and_keeps_nothing(acme, actor, draft):
    services.record_contract_price(draft=draft(meter="output_tokens"), actor=actor, now=NOW)
    body = sheet(
        ROW,
        ROW.replace("input_tokens", "output_tokens"),
        ROW.replace("input_tokens", "output_tokens").replace("2.00", "8.00"),
        ROW.replace("2.00", "two"),
    )
    plans = tried(actor, body)
    assert [plan.deed for plan in plans] == ["new", "unchanged", "replaces", "error"]
    assert plans[2].was is not None and plans[2].was.amount == 2
    assert [(fault.field, fault.code) for fault in plans[3].faults] == [("amount", "invalid")]
    assert ContractPrice.objects.count() == 1


def test_a_sheet_is_taken_whole_or_not_at_all(acme, actor):
    with pytest.raises(services.SheetHasErrors) as refused:
        taken(actor, sheet(ROW, ROW.replace("1000000", "1001")))
    assert [error.field for error in refused.value.errors] == ["rows.2.unit_size"]
    assert not ContractPrice.objects.exists()
    assert [plan.deed for plan in taken(actor, sheet(ROW))] == ["new"]
    assert [plan.deed for plan in taken(actor, sheet(ROW))] == ["unchanged"]
    assert ContractPrice.objects.count() == 1


def test_an_export_imports_without_a_change_and_an_edit_replaces(acme, actor, draft):
    services.record_contract_price(draft=draft(note="=MSA"), actor=actor, now=NOW)
    services.record_contract_price(
        draft=draft(model="gpt-4o*", conditions=Conditions(batch=True)), actor=actor, now=NOW
    )
    services.record_discount(
        draft=DiscountDraft(
            scope=Scope(provider="openai", model="o3*"),
            percent=Decimal("7.5"),
            valid_from=NOW,
            batch=False,
        ),
        actor=actor,
        now=NOW,
    )
    file = selectors.sheet_csv()
    assert [plan.deed for plan in taken(actor, file)] == ["unchanged"] * 3
    edited = file.replace(b"7.5", b"9")
    assert [plan.deed for plan in taken(actor, edited)] == ["unchanged", "unchanged", "replaces"]
    assert Discount.objects.get(known_to__isnull=True).percent == 9
    assert b"'=MSA" in file


def test_a_price_in_another_unit_needs_a_word_for_its_row(acme, actor):
    body = sheet(ROW, ROW.replace("2.00,1000000", "2.00,1000").replace("input", "output"))
    plans = tried(actor, body)
    assert [fault.code for fault in plans[1].faults] == ["unit_slip"]
    with pytest.raises(services.SheetHasErrors):
        taken(actor, body, 1)
    assert [plan.deed for plan in taken(actor, body, 2)] == ["new", "new"]


def test_the_same_price_twice_in_one_sheet_is_refused_by_row(acme, actor):
    plans = tried(actor, sheet(ROW, ROW.replace("2.00", "3.00")))
    assert [plan.deed for plan in plans] == ["new", "error"]
    assert plans[1].faults[0].code == "price_overlap"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "no header"),
        (b"\xff\xfe", "no CSV in UTF-8"),
        (b"type,valid_from,colour\n", "no column 'colour'"),
        (b"type,type,valid_from\n", "twice"),
        (b"type\n", "lacks the column 'valid_from'"),
        (sheet("price,a\x00b"), "NUL"),
        (b"type,valid_from\n" + b"x,\n" * 2_001, "more than 2,000 rows"),
        (b"type,valid_from\n" + b"x" * 1_048_577, "larger than 1 MiB"),
    ],
)
def test_a_file_that_is_no_sheet_is_refused(acme, actor, body, said):
    with pytest.raises(SheetRefused, match=said):
        tried(actor, body)


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ("price,openai", ""),
        (ROW.replace("price,", "bill,"), "type"),
        (ROW.replace("2.00", "1e3"), "amount"),
        (ROW.replace("2.00", ""), "amount"),
        (ROW.replace("1000000", "1_000"), "unit_size"),
        (ROW.replace("2026-10-01T00:00:00Z", "2026-10-01T00:00:00"), "valid_from"),
        (ROW.replace("2026-10-01T00:00:00Z", "0001-01-01T00:00:00+14:00"), "valid_from"),
        (ROW.replace("2026-10-01T00:00:00Z", "9999-12-31T23:59:59-14:00"), "valid_from"),
        (ROW.replace("USD", "usd"), "currency"),
        (ROW.replace("gpt-4o", "gpt*4o"), "model"),
        (ROW.replace("price,", "discount,"), "amount"),
    ],
)
def test_a_wrong_row_is_named_by_its_column(acme, actor, row, field):
    (plan,) = tried(actor, sheet(row))
    assert plan.deed == "error"
    assert field in {fault.field for fault in plan.faults}


def test_the_api_tries_first_and_records_when_told(acme):
    key = service_key(Right.COSTS_READ, Right.PRICES_WRITE)
    client, path = browser("acme"), "/api/v1/prices/sheet"

    def post(body: bytes, **more: str) -> Any:
        file = io.BytesIO(body)
        file.name = "prices.csv"
        return client.post(path, {"file": file, **more}, headers=bearer(key))

    first = post(sheet(ROW)).json()
    assert first["dry_run"] is True
    assert first["counts"] == {"new": 1, "replaces": 0, "unchanged": 0, "error": 0}
    assert first["rows"][0]["after"]["amount"] == "2"
    assert not ContractPrice.objects.exists()
    wrong = post(sheet(ROW.replace("2.00", "x")), dry_run="false")
    assert (wrong.status_code, wrong.json()["code"]) == (422, "sheet_has_errors")
    assert post(sheet(ROW), dry_run="false").json()["counts"]["new"] == 1
    assert post(sheet(ROW), confirm="two").status_code == 400
    file = client.get(path, headers=bearer(key))
    assert file.content.decode().splitlines()[0] == ",".join(COLUMNS)
    workbook = client.get(f"{path}.xlsx", headers=bearer(key))
    assert workbook.content[:2] == b"PK"
    reader = bearer(service_key(Right.COSTS_READ))
    assert client.post(path, {"file": io.BytesIO(b"x")}, headers=reader).status_code == 403


def test_an_unchanged_row_ignores_the_word_that_it_is_meant(acme, actor, draft):
    services.record_contract_price(draft=draft(), actor=actor, now=NOW)
    (_, believed) = selectors.believed_drafts()[0]
    line = cells_of(replace(believed, confirm_unit_slip=True))
    assert [plan.deed for plan in tried(actor, write_csv(COLUMNS, [line]))] == ["unchanged"]
