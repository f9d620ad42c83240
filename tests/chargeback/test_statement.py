"""The payload: a golden statement, and what must hold for every run."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.chargeback.domain.facts import (
    UNALLOCATED,
    ChargeLine,
    Earlier,
    Kind,
    PriceFacts,
    Recipient,
    Usage,
)
from apps.chargeback.domain.period import DoesNotReconcile, period_figures
from apps.chargeback.domain.rounding import ROUNDING_KEY, in_minor_units, over_rows
from apps.chargeback.domain.rows import rows_of
from apps.chargeback.domain.statement import build
from apps.chargeback.domain.variance import BRIDGE
from apps.core.domain.canonical import canonical_json
from apps.core.domain.money import minor_quantum
from apps.core.domain.months import Month
from apps.documents.adapters.layouts.statement import Issue, layout
from tests.chargeback.sample import (
    ASSISTANT,
    NOBODY,
    OCTOBER,
    RECIPIENTS,
    SEARCH,
    SEPTEMBER,
    frame_of,
    october,
    october_lines,
    payload_of,
    september_lines,
)

GOLDEN = Path(__file__).with_name("golden_search_2026_10.json")


def test_the_golden_statement() -> None:
    """Every figure of a realistic statement; regenerate only for a change that you can explain."""
    payload = json.loads(canonical_json(october()))
    assert payload == json.loads(GOLDEN.read_text())


def test_figures_of_the_golden_statement_by_hand() -> None:
    """1,606,999,303 uncached input tokens at 2.50 per million are 4,017.4982575, and so on."""
    payload = october()
    lines = {line["key"]: line for line in payload["lines"]}
    [gpt_input] = [
        line
        for line in lines.values()
        if (line["product"], line["meter"], line["section"]) == ("gpt-4o", "input_tokens", "direct")
    ]
    assert Decimal(gpt_input["quantity"]) == Decimal("1606999303")
    assert Decimal(gpt_input["exact"]) == Decimal("1606.999303") * Decimal("2.50")
    assert gpt_input["exact"] == "4017.498257500000"
    assert gpt_input["amount"] == "4017.50"
    assert gpt_input["price"] == {
        "amount": "2.5",
        "unit_size": 1000000,
        "currency": "USD",
        "source": "contract OA-2026-02",
        "valid_from": "2026-02-01T00:00:00+00:00",
        "valid_to": None,
        "fx_rate": "1",
    }
    [gateway] = [line for line in lines.values() if line["rule"] == "AI gateway"]
    share = Fraction(5512, 9000)
    assert abs(Fraction(gateway["exact"]) - Fraction("2210.404117") * share) < Fraction(1, 10**12)
    assert gateway["pool_total"] == "2210.404117000000"
    assert payload["unit_costs"]["per_1000_requests"] == "3.331213"
    assert payload["change"]["ratio"] == "0.661846"


def test_the_statement_answers_every_content_point() -> None:
    payload = october()
    assert payload["recipient"]["owner_name"] == "Dana Whitfield"
    assert {line["section"] for line in payload["lines"]} >= {"direct", "shared", "correction"}
    assert [
        line["original_month"] for line in payload["lines"] if line["section"] == "correction"
    ] == ["2026-09", "2026-09"]
    assert payload["change"]["previous"]["number"] == "STM-2026-09-0001"
    assert [row["experiment"] for row in payload["experiments"]] == [
        "exp-long-context",
        "exp-judge",
    ]
    assert not any(row["approved"] for row in payload["experiments"])
    assert payload["unowned"]["causes"][0]["account"] == "proj_legacy"
    assert payload["reconciliation"]["effective"]["difference"] == "0.00"
    debit, credit = payload["postings"]
    assert (debit["account"], debit["debit"]) == ("640210", payload["total"])
    assert (credit["account"], credit["credit"]) == ("AI-RECOVERY", payload["total"])
    assert payload["terms"] == {"dispute_contact": "finops@acme.example", "dispute_days": 10}
    assert payload["run"]["id"]


def test_an_approved_experiment_is_not_untracked() -> None:
    lines = [line for line in october_lines() if line.cost_center == SEARCH.code]
    payload = build(
        frame=frame_of(october_lines()),
        recipient=SEARCH,
        lines=lines,
        usage=Usage(approved=frozenset({"exp-long-context"})),
        earlier=Earlier(),
    )
    [action] = [a for a in payload["actions"] if a["code"] == "approve_experiments"]
    assert action["names"] == ["exp-judge"]


def test_the_unallocated_statement_says_what_to_do() -> None:
    payload = payload_of(NOBODY, october_lines())
    assert payload["total"] == payload["unowned"]["amount"] == "383.37"
    assert payload["unowned"]["causes"][0]["amount"] == "383.37"
    assert payload["recipient"]["unallocated"] is True
    assert "assign_owners" in [action["code"] for action in payload["actions"]]


def test_a_missing_gl_account_is_told_and_not_invented() -> None:
    bare = replace(SEARCH, gl_code="", owner_name="")
    payload = payload_of(bare, october_lines())
    assert {"set_gl_code", "name_owner"} <= {action["code"] for action in payload["actions"]}
    assert payload["postings"][0]["account"] is None


def test_a_credit_is_posted_the_other_way_round() -> None:
    lines = [replace(october_lines()[0], effective=Decimal("-10"), billed=Decimal("-10"))]
    payload = payload_of(SEARCH, lines)
    debit, credit = payload["postings"]
    assert (debit["account"], debit["debit"]) == ("AI-RECOVERY", "10.00")
    assert (credit["account"], credit["credit"]) == ("640210", "10.00")


def test_nothing_costs_nothing() -> None:
    payload = payload_of(SEARCH, [])
    assert (payload["total"], payload["lines"], payload["postings"]) == ("0.00", [], [])
    assert payload["unit_costs"]["per_1000_requests"] is None
    assert payload["unowned"]["share"] is None


def test_lines_that_miss_the_cost_base_are_refused() -> None:
    with pytest.raises(DoesNotReconcile):
        period_figures(
            lines=october_lines(),
            cost_centers=[],
            base_effective=Decimal("30118.5845845") + Decimal("1e-12"),
            base_billed=Decimal("30118.5845845"),
            currency="USD",
        )


def test_a_correction_says_why_and_an_accrual_that_it_is_one() -> None:
    """Late usage and what takes an accrual back are two lines, though all else is equal."""
    late = replace(direct("input_tokens", "1", "3"), original_month=SEPTEMBER, basis="metered")
    back = replace(late, source="back", effective=Decimal(-2), billed=Decimal(-2), basis="reversed")
    bill = replace(late, source="bill", effective=Decimal(5), billed=Decimal(5), basis="billed")
    accrued = replace(direct("input_tokens", "1", "4"), source="now", basis="accrued")
    metered = replace(accrued, source="own", basis="metered")
    payload = payload_of(SEARCH, [late, back, bill, accrued, metered])
    told = {line.get("reason"): Decimal(line["amount"]) for line in payload["lines"]}
    assert told == {
        "late_usage": Decimal(3),
        "taken_back": Decimal(-2),
        "late_bill": Decimal(5),
        "accrued": Decimal(4),
        None: Decimal(4),
    }
    for locale, reason in (
        ("en-US", "Late or corrected usage"),
        ("de-DE", "Verspäteter oder berichtigter Verbrauch"),
        ("fr-FR", "Usage tardif ou rectifié"),
    ):
        printed = layout(payload=payload, issue=Issue(), data_hash="", locale=locale)
        assert reason in {row["reason"] for row in printed["corrections"]}
        assert {row["reason"] != "" for group in printed["direct"] for row in group["rows"]} == {
            True,
            False,
        }


# ------------------------------------------------------------------------------------ variance


def direct(meter: str, millions: str, amount: str, *, model: str = "gpt-4o") -> ChargeLine:
    price = PriceFacts(amount=Decimal(1), unit_size=1_000_000, currency="USD")
    return ChargeLine(
        source=f"{model}:{meter}",
        receiver="search",
        cost_center=SEARCH.code,
        kind=Kind.DIRECT,
        effective=Decimal(amount),
        billed=Decimal(amount),
        provider="openai",
        model=model,
        meter=meter,
        quantity=Decimal(millions) * 1_000_000,
        unit="token",
        price=price,
    )


def bridge_of(before: list[ChargeLine], now: list[ChargeLine]) -> dict[str, Decimal]:
    earlier = Earlier(payload=payload_of(SEARCH, before, month=SEPTEMBER))
    payload = payload_of(SEARCH, now, earlier=earlier)
    steps = payload["change"]["bridge"]
    assert [step["step"] for step in steps] == list(BRIDGE)
    return {step["step"]: Decimal(step["amount"]) for step in steps if Decimal(step["amount"])}


def test_twice_the_use_is_volume() -> None:
    assert bridge_of(
        [direct("input_tokens", "10", "25")], [direct("input_tokens", "20", "50")]
    ) == {"volume": Decimal("25.00")}


def test_a_dearer_unit_is_price() -> None:
    assert bridge_of(
        [direct("input_tokens", "10", "25")], [direct("input_tokens", "10", "30")]
    ) == {"price": Decimal("5.00")}


def test_the_exchange_rate_is_told_apart_from_the_price() -> None:
    """10 million at USD 2.50: EUR 20 at 0.80; at USD 3.00 and 0.90 EUR 27, of which 4.50 price."""

    def in_euros(line: ChargeLine, rate: str) -> list[ChargeLine]:
        price = replace(
            line.price or PriceFacts(amount=Decimal(1), unit_size=1, currency="USD"),
            fx_rate=Decimal(rate),
        )
        return [replace(line, price=price)]

    before = in_euros(direct("input_tokens", "10", "20"), "0.80")
    now = in_euros(direct("input_tokens", "10", "27"), "0.90")
    assert bridge_of(before, now) == {"price": Decimal("4.50"), "fx": Decimal("2.50")}


def test_a_shift_to_dearer_tokens_is_mix() -> None:
    before = [direct("input_tokens", "10", "25"), direct("output_tokens", "10", "100")]
    now = [direct("input_tokens", "5", "12.5"), direct("output_tokens", "15", "150")]
    assert bridge_of(before, now) == {"mix": Decimal("37.50")}


def test_what_comes_and_goes_is_told_apart() -> None:
    before = [direct("input_tokens", "10", "25"), direct("input_tokens", "1", "3", model="old")]
    now = [direct("input_tokens", "10", "25"), direct("input_tokens", "1", "7", model="new")]
    assert bridge_of(before, now) == {"new": Decimal("7.00"), "retired": Decimal("-3.00")}


# ---------------------------------------------------------------------------------- properties

exact = st.decimals(min_value=-(10**6), max_value=10**6, places=12)
currencies = st.sampled_from(["USD", "JPY", "KWD"])
centers = st.sampled_from([SEARCH.code, ASSISTANT.code, UNALLOCATED, "MARKUP"])


@st.composite
def runs(draw: st.DrawFn) -> list[ChargeLine]:
    count = draw(st.integers(min_value=0, max_value=25))
    return [_drawn_line(draw, number) for number in range(count)]


def _drawn_line(draw: st.DrawFn, number: int) -> ChargeLine:
    kind = draw(st.sampled_from(list(Kind)))
    return ChargeLine(
        source=f"s{number}",
        receiver=draw(st.sampled_from(["search", "assistant"])),
        cost_center=draw(centers),
        kind=kind,
        effective=draw(exact),
        billed=draw(exact),
        rule=draw(st.sampled_from(["pool", "markup"])),
        driver="requests",
        driver_value=Decimal(draw(st.integers(0, 50))),
        driver_total=Decimal(100),
        provider="openai",
        model=draw(st.sampled_from(["gpt-4o", "gpt-4o-mini", ""])),
        service="bill",
        meter=draw(st.sampled_from(["input_tokens", "output_tokens"])),
        quantity=Decimal(draw(st.integers(0, 10**9))),
        unit="token",
        original_month=draw(st.sampled_from([None, SEPTEMBER])),
        tags=draw(
            st.dictionaries(
                st.sampled_from(["team", "customer", "experiment"]), st.text(max_size=5), max_size=3
            )
        ),
    )


def statements_of(lines: list[ChargeLine], currency: str) -> dict[str, dict[str, Any]]:
    recipients = (*RECIPIENTS, Recipient(code="MARKUP", name="Markup"))
    return {
        recipient.code: payload_of(recipient, lines, currency=currency, recipients=recipients)
        for recipient in recipients
    }


def total(amounts: Iterable[str]) -> Decimal:
    return sum((Decimal(amount) for amount in amounts), Decimal(0))


@settings(max_examples=60, deadline=None)
@given(runs(), currencies)
def test_cents_are_conserved_at_every_level(lines: list[ChargeLine], currency: str) -> None:
    """Period = sum of statements; statement = sum of lines; exact lines = exact total."""
    quantum = minor_quantum(currency)
    statements = statements_of(lines, currency)
    base = sum((Fraction(line.effective) for line in lines), Fraction(0))
    rounded = round(base / Fraction(quantum)) * quantum
    assert total(payload["total"] for payload in statements.values()) == rounded
    for code, payload in statements.items():
        own = sum(
            (Fraction(line.effective) for line in lines if line.cost_center == code), Fraction(0)
        )
        assert total(line["amount"] for line in payload["lines"]) == Decimal(payload["total"])
        assert total(line["exact"] for line in payload["lines"]) == Decimal(payload["total"])
        assert total(payload["sections"].values()) == Decimal(payload["total"])
        assert Fraction(total(use["exact"] for use in payload["use"])) == own
        assert abs(Fraction(payload["total"]) - own) < 2 * Fraction(quantum)
        if payload["customers"]:
            assert total(row["amount"] for row in payload["customers"]) == Decimal(payload["total"])
        assert payload["reconciliation"]["effective"]["difference"] == f"{0 * quantum:f}"
        debits = total(row["debit"] or "0" for row in payload["postings"])
        assert debits == total(row["credit"] or "0" for row in payload["postings"])
        assert debits == abs(Decimal(payload["total"]))


@settings(max_examples=40, deadline=None)
@given(runs(), st.randoms(use_true_random=False))
def test_order_of_lines_changes_nothing(lines: list[ChargeLine], chance: random.Random) -> None:
    before = statements_of(lines, "USD")
    shuffled = list(lines)
    chance.shuffle(shuffled)
    assert canonical_json(statements_of(shuffled, "USD")) == canonical_json(before)


@settings(max_examples=40, deadline=None)
@given(runs(), runs())
def test_the_bridge_leads_from_one_total_to_the_other(
    before: list[ChargeLine], now: list[ChargeLine]
) -> None:
    earlier = Earlier(payload=payload_of(SEARCH, before, month=SEPTEMBER))
    payload = payload_of(SEARCH, now, earlier=earlier)
    then = Decimal(earlier.payload["total"])  # type: ignore[index]
    steps = total(step["amount"] for step in payload["change"]["bridge"])
    assert steps == Decimal(payload["total"]) - then == Decimal(payload["change"]["amount"])


@given(st.dictionaries(st.text(min_size=1, max_size=4), exact, min_size=1, max_size=12), currencies)
def test_every_part_is_within_one_minor_unit_of_its_exact_amount(
    parts: dict[str, Decimal], currency: str
) -> None:
    quantum = minor_quantum(currency)
    amounts = in_minor_units(parts, currency)
    for key, amount in amounts.items():
        assert abs(Fraction(amount) - Fraction(parts[key])) < Fraction(quantum)
        assert amount % quantum == 0


def test_the_difference_to_cents_is_a_line_of_its_own() -> None:
    """Two statements of 10.004: the period is 20.01, so one of them carries the cent."""
    both = in_minor_units({"A": Decimal("10.004"), "B": Decimal("10.004")}, "USD")
    assert both == {"A": Decimal("10.01"), "B": Decimal("10.00")}
    rows = over_rows({"x": Decimal("10.004")}, both["A"], "USD")
    assert rows == {"x": Decimal("10.00"), ROUNDING_KEY: Decimal("0.01")}
    rows = over_rows({"x": Decimal("10.004")}, both["B"], "USD")
    assert rows == {"x": Decimal("10.00"), ROUNDING_KEY: Decimal("0.00")}
    assert over_rows({"x": Decimal("10.00")}, Decimal("10.00"), "USD") == {"x": Decimal("10.00")}


def test_rows_keep_prices_apart_that_changed_in_the_month() -> None:
    dear = PriceFacts(amount=Decimal("3"), unit_size=1_000_000, currency="USD")
    lines = [
        direct("input_tokens", "1", "2.5"),
        replace(direct("input_tokens", "1", "3"), source="later", price=dear),
    ]
    rows = rows_of(lines=lines, pools={}, total=Decimal("5.50"), currency="USD")
    assert [str(row.exact) for row in rows] == ["2.5", "3"]


def test_months_of_the_sample_are_those_of_the_story() -> None:
    assert (OCTOBER, Month(2026, 10)) == (SEPTEMBER + 1, OCTOBER)
    assert len(september_lines()) < len(october_lines())
