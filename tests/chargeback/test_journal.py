"""Journals: balanced by construction, named when incomplete, the same bytes for ever."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from apps.allocation.domain.facts import RunFacts
from apps.chargeback import selectors
from apps.chargeback import services as chargeback
from apps.chargeback.domain.journal import (
    AccountOf,
    AccountsMissing,
    Charge,
    Chart,
    JournalPosted,
    MappingInvalid,
    MappingKind,
    MonthNotClosed,
    NothingToPost,
    chart_of,
    entries_of,
    reversed_entries,
    totals_of,
)
from apps.chargeback.domain.journal_layout import FIELDS, PRESETS, parse_layout, text_of
from apps.chargeback.models import Journal, JournalLine
from apps.chargeback.services import journals
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Forbidden
from apps.core.domain.months import Month
from apps.periods import services as periods
from tests.chargeback.conftest import (
    NOW,
    OCTOBER,
    SEPTEMBER,
    SYSTEM,
    cost_line,
    usual_lines,
)

pytestmark = pytest.mark.usefixtures("store")
EMPTY = Chart({}, {})


def mapping(key: str, account: str, **given_: Any) -> AccountOf:
    facts: dict[str, Any] = {"kind": MappingKind.COST_CENTER, "valid_from": SEPTEMBER}
    return AccountOf(key=key, account=account, **facts | given_)


def clearing(key: str, account: str) -> AccountOf:
    return mapping(key, account, kind=MappingKind.CLEARING)


def charge(code: str, gl: str = "6400", **parts: str) -> Charge:
    by_provider = {key.replace("none", ""): Decimal(amount) for key, amount in parts.items()}
    return Charge(
        cost_center=code,
        name=code.title(),
        number=f"STM-{code}",
        total=sum(by_provider.values(), Decimal(0)),
        parts=by_provider,
        gl_code=gl,
    )


# ---------------------------------------------------------------------------------------- domain


def test_cost_centers_are_debited_and_clearing_accounts_credited() -> None:
    chart = chart_of(
        [clearing("openai", "2101"), clearing("*", "2199"), mapping("b", "6500", target="0042")],
        month=OCTOBER,
    )
    charges = [charge("b", openai="10.00", none="-12.50"), charge("a", openai="5.01", aws="1.00")]
    entries = entries_of(month=OCTOBER, charges=charges, chart=chart, printed="AI")
    assert [(one.position, one.account, one.target, one.debit, one.credit) for one in entries] == [
        (1, "6400", "a", Decimal("6.01"), Decimal(0)),
        (2, "6500", "0042", Decimal(0), Decimal("2.50")),
        (3, "2101", "", Decimal(0), Decimal("15.01")),
        (4, "2199", "", Decimal("11.50"), Decimal(0)),
    ]
    assert totals_of(entries) == (Decimal("17.51"), Decimal("17.51"))


_CENTS = st.integers(-(10**9), 10**9).map(lambda cents: Decimal(cents).scaleb(-2))
_PARTS = st.dictionaries(st.sampled_from(["", "openai", "aws", "x"]), _CENTS, max_size=4)


@given(
    st.dictionaries(st.text("abc", min_size=1, max_size=3), _PARTS, max_size=12),
    st.sets(st.sampled_from(["openai", "aws", "*"])),
)
def test_every_journal_balances_and_a_reversal_takes_it_back(
    parts: dict[str, dict[str, Decimal]], cleared: set[str]
) -> None:
    charges = [
        Charge(
            cost_center=code,
            name=code,
            number="",
            total=sum(by.values(), Decimal(0)),
            parts=by,
            gl_code="6400",
        )
        for code, by in parts.items()
    ]
    chart = chart_of([clearing(key, f"21-{key}") for key in cleared], month=OCTOBER)
    try:
        entries = entries_of(month=OCTOBER, charges=charges, chart=chart, printed="AI")
    except NothingToPost:
        assert all(not one.total for one in charges)
        return
    debit, credit = totals_of(entries)
    assert debit == credit > 0
    by_center = {one.cost_center: one.debit - one.credit for one in entries if one.cost_center}
    assert by_center == {one.cost_center: one.total for one in charges if one.total}
    assert all((one.debit > 0) != (one.credit > 0) for one in entries)
    both = [*entries, *reversed_entries(entries, batch="B")]
    for account in {one.account for one in entries}:
        assert sum(one.debit - one.credit for one in both if one.account == account) == 0
    again = entries_of(month=OCTOBER, charges=charges[::-1], chart=chart, printed="AI")
    assert again == entries


def test_what_has_no_account_is_named() -> None:
    charges = [charge("b", gl="", openai="1"), charge("a", gl="", none="2"), charge("c", gl="")]
    with pytest.raises(AccountsMissing) as refused:
        entries_of(month=OCTOBER, charges=charges, chart=EMPTY, printed="")
    assert refused.value.message == (
        "The journal of 2026-10 waits for cost centers without an account: b (B), a (A); providers "
        "without a clearing account: *, openai. Map them under Journals."
    )
    assert [one.field for one in refused.value.errors] == [
        "cost_center.b",
        "cost_center.a",
        "clearing.*",
        "clearing.openai",
    ]


def test_accounts_hold_from_their_month_and_the_later_entry_wins() -> None:
    entered = [
        mapping("a", "1", valid_from=Month(2026, 1)),
        mapping("a", "2", valid_from=Month(2026, 10)),
        mapping("a", "3", valid_from=Month(2026, 10)),
        mapping("a", "4", valid_from=Month(2026, 11)),
        mapping("a", "", valid_from=Month(2027, 1)),
    ]
    found = [
        chart_of(entered, month=month).centers["a"].account
        for month in (SEPTEMBER, OCTOBER, Month(2026, 11), Month(2027, 2))
    ]
    assert found == ["1", "3", "4", ""]
    assert chart_of(entered, month=Month(2025, 12)).centers == {}
    ended = chart_of(entered, month=Month(2027, 1))
    with pytest.raises(AccountsMissing):
        entries_of(month=OCTOBER, charges=[charge("a", x="1")], chart=ended, printed="AI")


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_hold_known_fields_both_sides_and_the_batch(preset: str) -> None:
    layout = parse_layout(preset=preset, company=" 1000 ", text="")
    fields = {one.field for one in layout.columns if one.field}
    assert fields <= set(FIELDS)
    assert {"debit", "credit", "batch", "text", "currency"} <= fields
    assert "account" in fields or "dimension" in fields
    assert layout.company == "1000"
    custom = parse_layout(preset="custom", company="", text=text_of(layout.columns))
    assert custom.columns == layout.columns


@pytest.mark.parametrize(
    ("preset", "text", "field"),
    [
        ("custom", "", "columns"),
        ("custom", "Account", "columns"),
        ("custom", "Account = konto", "columns"),
        ("quickbooks", "", "preset"),
    ],
)
def test_wrong_layouts_name_their_field(preset: str, text: str, field: str) -> None:
    with pytest.raises(MappingInvalid) as refused:
        parse_layout(preset=preset, company="", text=text)
    assert refused.value.errors[0].field == field


# -------------------------------------------------------------------------------------- services


Close = Callable[..., chargeback.StatementSet]


@pytest.fixture
def close(allocate: Callable[..., RunFacts], people: dict[str, Actor]) -> Close:
    def closed(lines: Any = None) -> chargeback.StatementSet:
        run = allocate(usual_lines() if lines is None else lines)
        maya, jonas = people["maya"], people["jonas"]
        periods.freeze(month=OCTOBER, actor=maya, now=NOW)
        chargeback.draft_statements(month=OCTOBER, run=run.id, actor=maya, now=NOW)
        issued = chargeback.issue_statements(month=OCTOBER, actor=maya, approver=jonas, now=NOW)
        periods.lock(month=OCTOBER, actor=maya, approver=jonas, now=NOW)
        return issued

    return closed


def map_unallocated() -> None:
    chargeback.map_account(mapping=mapping("UNALLOCATED", "640999"), actor=SYSTEM, now=NOW)


def file(format: str = "csv", batch: str = "", actor: Actor = SYSTEM) -> bytes:
    return chargeback.hand_out_journal(
        month=OCTOBER, batch=batch, format=format, actor=actor, now=NOW
    ).content


def test_a_month_that_is_not_closed_has_no_journal(
    allocate: Callable[..., RunFacts], people: dict[str, Actor]
) -> None:
    run = allocate(usual_lines())
    chargeback.draft_statements(month=OCTOBER, run=run.id, actor=people["maya"], now=NOW)
    with pytest.raises(MonthNotClosed):
        chargeback.prepare_journal(month=OCTOBER, actor=people["maya"], now=NOW)
    gaps = selectors.mapping_gaps(month=OCTOBER, actor=people["maya"])
    assert [code for code, _ in gaps.centers] == ["UNALLOCATED"]


def test_an_unmapped_cost_center_blocks_the_journal_and_is_named(
    close: Close, people: dict[str, Actor]
) -> None:
    close()
    with pytest.raises(AccountsMissing, match="UNALLOCATED"):
        chargeback.prepare_journal(month=OCTOBER, actor=people["maya"], now=NOW)
    assert Journal.objects.count() == 0


def test_the_journal_carries_the_statements_totals(close: Close, people: dict[str, Actor]) -> None:
    issued = close()
    map_unallocated()
    chargeback.map_account(mapping=clearing("openai", "210100"), actor=SYSTEM, now=NOW)
    facts = chargeback.prepare_journal(month=OCTOBER, actor=people["maya"], now=NOW)
    assert (facts.batch, facts.kind, facts.state) == ("JNL-2026-10-01", "charge", "ready")
    entries = selectors.entries(batch=facts.batch, actor=people["maya"])
    stated = {
        one.cost_center: one.total
        for one in selectors.statements(month=OCTOBER, actor=people["maya"])
    }
    assert {one.cost_center: one.debit for one in entries if one.cost_center} == stated
    assert sum(stated.values()) == issued.total == facts.total
    cleared = {one.account: one.credit for one in entries if not one.cost_center}
    assert set(cleared) == {"210100", "AI-RECOVERY"}
    assert sum(cleared.values()) == issued.total
    assert [one.account for one in entries if one.cost_center] == ["640210", "640220", "640999"]
    assert selectors.journal_sums(run=issued.run) == ("JNL-2026-10-01", issued.total)
    again = chargeback.prepare_journal(month=OCTOBER, actor=people["ana"], now=NOW)
    assert again == facts


def test_a_file_is_the_same_bytes_for_ever(close: Close, people: dict[str, Actor]) -> None:
    close()
    map_unallocated()
    for format in ("csv", "xlsx"):
        first = file(format)
        chargeback.map_account(mapping=mapping("CC-4100", "999"), actor=SYSTEM, now=NOW)
        assert file(format) == first
    lines = list(csv.DictReader(io.StringIO(file().decode())))
    assert sum(Decimal(one["debit"] or 0) for one in lines) == Decimal("244.84")
    assert sum(Decimal(one["credit"] or 0) for one in lines) == Decimal("244.84")
    assert not file().startswith(b"\xef\xbb\xbf")
    with zipfile.ZipFile(io.BytesIO(file("xlsx"))) as book:
        assert b"166.51" in book.read("xl/worksheets/sheet1.xml")
    chargeback.set_layout(
        layout=parse_layout(preset="sap", company="1000", text=""), actor=SYSTEM, now=NOW
    )
    [first_line, *_] = csv.DictReader(io.StringIO(file().decode()))
    assert (first_line["Company Code"], first_line["Posting Key"]) == ("1000", "40")


def test_texts_are_no_formulas(close: Close) -> None:
    close()
    chargeback.map_account(
        mapping=mapping("UNALLOCATED", "=HYPERLINK()", target="@x"), actor=SYSTEM, now=NOW
    )
    accounts = [one["account"] for one in csv.DictReader(io.StringIO(file().decode()))]
    assert "'=HYPERLINK()" in accounts


def test_closing_anew_takes_the_old_journal_back(close: Close, people: dict[str, Actor]) -> None:
    close()
    map_unallocated()
    old_file = file()
    old = chargeback.prepare_journal(month=OCTOBER, actor=SYSTEM, now=NOW)
    chargeback.confirm_posting(
        batch=old.batch, reference="1000-77", posted_on=date(2026, 11, 5), actor=SYSTEM, now=NOW
    )
    periods.reopen(
        month=OCTOBER,
        actor=people["maya"],
        approver=people["jonas"],
        reason="late bill",
        now=NOW,
    )
    with pytest.raises(MonthNotClosed):
        chargeback.prepare_journal(month=OCTOBER, actor=SYSTEM, now=NOW)
    assert selectors.months_to_book(actor=SYSTEM) == []
    close(usual_lines()[:3])
    assert selectors.months_to_book(actor=SYSTEM) == [OCTOBER]
    new = chargeback.prepare_journal(month=OCTOBER, actor=SYSTEM, now=NOW)
    assert [
        (one.batch, one.kind, one.reverses, one.reversed_by, one.state)
        for one in selectors.journals(month=OCTOBER, actor=SYSTEM)
    ] == [
        ("JNL-2026-10-03", "charge", "", "", "ready"),
        ("JNL-2026-10-02", "reversal", "JNL-2026-10-01", "", "ready"),
        ("JNL-2026-10-01", "charge", "", "JNL-2026-10-02", "posted"),
    ]
    assert new.batch == "JNL-2026-10-03"
    both = [
        *selectors.entries(batch="JNL-2026-10-01", actor=SYSTEM),
        *selectors.entries(batch="JNL-2026-10-02", actor=SYSTEM),
    ]
    for account in {one.account for one in both}:
        assert sum(one.debit - one.credit for one in both if one.account == account) == 0
    assert file(batch="JNL-2026-10-01") == old_file
    assert b"JNL-2026-10-01" in file(batch="JNL-2026-10-02")


def test_a_month_that_charges_nothing_any_more_takes_its_journal_back(
    close: Close, people: dict[str, Actor]
) -> None:
    close()
    map_unallocated()
    old = chargeback.prepare_journal(month=OCTOBER, actor=SYSTEM, now=NOW)
    maya, jonas = people["maya"], people["jonas"]
    periods.reopen(month=OCTOBER, actor=maya, approver=jonas, reason="All a mistake.", now=NOW)
    close([cost_line("free", "0", quantity=Decimal(1))])
    assert selectors.months_to_book(actor=SYSTEM) == [OCTOBER]
    back = chargeback.prepare_journal(month=OCTOBER, actor=SYSTEM, now=NOW)
    assert (back.kind, back.reverses, back.total) == ("reversal", old.batch, old.total)
    assert selectors.months_to_book(actor=SYSTEM) == []
    with pytest.raises(NothingToPost):
        chargeback.prepare_journal(month=OCTOBER, actor=SYSTEM, now=NOW)
    assert Journal.objects.count() == 2


def test_posting_is_confirmed_once(close: Close, people: dict[str, Actor]) -> None:
    close()
    map_unallocated()
    batch = chargeback.prepare_journal(month=OCTOBER, actor=SYSTEM, now=NOW).batch
    on = date(2026, 11, 5)
    for wrong in (date(2026, 11, 6), date(2026, 9, 30)):
        with pytest.raises(MappingInvalid) as refused:
            chargeback.confirm_posting(
                batch=batch, reference="77", posted_on=wrong, actor=people["maya"], now=NOW
            )
        assert refused.value.errors[0].field == "posted_on"
    for _ in range(2):
        done = chargeback.confirm_posting(
            batch=batch, reference=" 77 ", posted_on=on, actor=people["maya"], now=NOW
        )
        assert done.posting is not None
        assert (done.posting.reference, done.state) == ("77", "posted")
    with pytest.raises(JournalPosted, match="77"):
        chargeback.confirm_posting(
            batch=batch, reference="78", posted_on=on, actor=people["maya"], now=NOW
        )
    with pytest.raises(MappingInvalid):
        chargeback.confirm_posting(
            batch=batch, reference=" ", posted_on=on, actor=people["maya"], now=NOW
        )
    with pytest.raises(Forbidden):
        chargeback.confirm_posting(
            batch=batch, reference="77", posted_on=on, actor=people["ana"], now=NOW
        )


def test_the_database_keeps_journals_in_balance(close: Close) -> None:
    close()
    map_unallocated()
    facts = chargeback.prepare_journal(month=OCTOBER, actor=SYSTEM, now=NOW)
    row = Journal.objects.get(batch=facts.batch)
    line = {"journal": row, "account": "1", "name": "x", "text": "x"}
    with pytest.raises(IntegrityError, match="no further line"), transaction.atomic():
        JournalLine.objects.bulk_create(
            [
                JournalLine(**line, position=90, debit=1, credit=0),
                JournalLine(**line, position=91, debit=0, credit=1),
            ]
        )
    for wrong in ({"debit": 1, "credit": 1}, {"debit": 0, "credit": 0}, {"debit": -1, "credit": 0}):
        with pytest.raises(IntegrityError), transaction.atomic():
            JournalLine.objects.create(**line, position=92, **wrong)
    for change in (
        "UPDATE chargeback_journalline SET debit = 5 WHERE position = 1",
        "DELETE FROM chargeback_journal",
    ):
        with (
            pytest.raises(IntegrityError, match="append-only"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(change)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([("CC-4100", "244.84", "0")], "does not balance"),
        ([("CC-4100", "244.84", "0"), ("", "0", "244.83")], "does not balance"),
        ([("CC-4100", "244.83", "0"), ("", "0", "244.83")], "while its statements sum to 244.84"),
        ([("CC-4100", "200", "0"), ("", "44.84", "0"), ("", "0", "244.84")], "while its"),
    ],
)
def test_a_journal_that_does_not_tie_out_is_refused_at_commit(
    close: Close, lines: list[tuple[str, str, str]], says: str
) -> None:
    issued = close()
    total = sum(Decimal(debit) for _, debit, _ in lines)
    with pytest.raises(IntegrityError, match=says), transaction.atomic():
        row = Journal.objects.create(
            month=OCTOBER.first_day,
            batch="JNL-2026-10-01",
            kind="charge",
            run=issued.run,
            currency="USD",
            total=total,
            line_count=max(len(lines), 2),
            data_hash="x",
            created_at=NOW,
            created_by="x",
        )
        for position, (center, debit, credit) in enumerate(lines):
            JournalLine.objects.create(
                journal=row,
                position=position,
                account="1",
                cost_center=center,
                name="x",
                text="x",
                debit=Decimal(debit),
                credit=Decimal(credit),
            )
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_a_key_that_sees_some_tags_sees_no_journal(close: Close) -> None:
    close()
    map_unallocated()
    bound = Actor("key", "k", frozenset({Scope.BILLING_READ}), bound_tags={"team": "search"})
    for ask in (
        lambda: chargeback.prepare_journal(month=OCTOBER, actor=bound, now=NOW),
        lambda: selectors.journals(actor=bound),
        lambda: selectors.disputes(actor=bound),
        lambda: selectors.mapping_gaps(month=OCTOBER, actor=bound),
    ):
        with pytest.raises(Forbidden, match="every team"):
            ask()
    assert Journal.objects.count() == 0


def test_a_cost_center_that_there_is_not_is_mapped_to_nothing(organization: None) -> None:
    with pytest.raises(MappingInvalid, match="no cost center CC-4l00"):
        chargeback.map_account(mapping=mapping("CC-4l00", "640210"), actor=SYSTEM, now=NOW)


def test_wrong_mappings_change_nothing(acme: Any, people: dict[str, Actor]) -> None:
    for wrong in (mapping("", "1"), mapping("a", "x" * 65), mapping("a", "1", target="\x00")):
        with pytest.raises(MappingInvalid):
            chargeback.map_account(mapping=wrong, actor=SYSTEM, now=NOW)
    with pytest.raises(Forbidden):
        chargeback.map_account(mapping=mapping("a", "1"), actor=people["ana"], now=NOW)
    assert selectors.mappings() == []


def test_two_that_make_it_at_once_make_one(
    close: Close, people: dict[str, Actor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who looked before the other's journal was there meets it at the insert, and returns it."""
    close()
    map_unallocated()
    first = chargeback.prepare_journal(month=OCTOBER, actor=people["ana"], now=NOW)
    real = journals._of_run

    def blind(*args: Any) -> None:
        monkeypatch.setattr(journals, "_of_run", real)

    monkeypatch.setattr(journals, "_of_run", blind)
    assert chargeback.prepare_journal(month=OCTOBER, actor=people["maya"], now=NOW) == first
    assert Journal.objects.count() == 1
