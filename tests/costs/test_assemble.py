"""Which usage and which charges make up a month: worked examples and properties, no database."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.domain.months import Month
from apps.costs.domain.accounts import (
    AccountDraft,
    AccountFacts,
    Accounts,
    Feed,
    Truth,
    refusals_of_account,
)
from apps.costs.domain.assemble import (
    ChargeGroup,
    charged,
    distinct,
    in_currency,
    trued_up,
)
from apps.costs.domain.lines import Basis, CostBase, negated, sealed, total
from apps.costs.domain.metering import metered, sums_by_currency, uncounted, unit_of
from apps.periods.domain.fx import FxRateFacts, FxTable, RateKind

MONTH = Month(2026, 1)
EUR = FxRateFacts(
    MONTH, "USD", "EUR", Decimal("0.921234567891"), RateKind.FROZEN, "demo", date(2026, 1, 31)
)
FX = FxTable(MONTH, RateKind.FROZEN, (EUR,))


@dataclass(frozen=True)
class Sku:
    provider: str = "openai"
    model: str = "gpt-4o"

    @property
    def label(self):
        return f"{self.provider} {self.model}".strip()


@dataclass(frozen=True)
class Row:
    cost: Decimal | None = Decimal("1.5")
    account: str = "proj"
    feed: str = "request"
    sku: Sku = Sku()
    meter: str = "output_tokens"
    tags: dict = field(default_factory=dict)
    price_id: int = 1
    currency: str = "USD"
    quantity: Decimal = Decimal(100)
    tag_set_id: int = 1
    credential: str = ""
    operation: str = ""
    day_from: date = date(2026, 1, 1)
    day_to: date = date(2026, 1, 31)


PRICES = {1: SimpleNamespace(amount=Decimal(10), unit_size=1_000_000, source="list")}


def account(code, truth=Truth.METERED, provider="openai", name="*", feed=Feed.REQUEST):
    return AccountFacts(1, code, code, provider, name, truth, feed)


def usage(rows, declared=(), billed=()):
    return metered(rows, PRICES, Accounts(declared), frozenset(billed), "USD")


def costs_of(found):
    return [each.effective for each in found]


def test_metered_usage_counts_with_its_price_and_reserved_tags():
    (found,) = usage([Row(tags={"team": "search"}, credential="key-1", operation="chat")])
    line = found
    assert (found.billed, found.effective) == (Decimal("1.5"), Decimal("1.5"))
    assert (line.unit, line.unit_price, line.unit_size) == ("token", Decimal(10), 1_000_000)
    assert line.tags == {
        "team": "search",
        "account": "proj",
        "credential": "key-1",
        "operation": "chat",
    }
    assert line.basis is Basis.METERED


def test_a_generic_service_stands_under_its_name():
    (found,) = usage([Row(sku=Sku("", "gpu-hours"), meter="gpu_seconds", account="")])
    assert (found.service, found.tags) == ("gpu-hours", {"service": "gpu-hours"})


def test_unpriced_usage_has_no_line_and_free_requests_cost_nothing():
    rows = [Row(cost=None, price_id=0), Row(cost=None, price_id=0, meter="requests", currency="")]
    (found,) = usage(rows)
    assert (found.meter, found.effective, found.unit_price) == ("requests", 0, None)
    assert found.unit == "request"


def test_a_billed_account_is_accrued_until_its_bill_is_there():
    declared = [account("openai", Truth.BILLED)]
    (accrued,) = usage([Row()], declared)
    assert accrued.basis is Basis.ACCRUED
    assert usage([Row()], declared, billed=["openai"]) == []
    assert uncounted([Row()], Accounts(declared), frozenset(["openai"])) == {"USD": Decimal("1.5")}


def test_the_exact_account_wins_over_every_account():
    declared = [account("all", Truth.BILLED), account("one", Truth.METERED, name="proj")]
    assert costs_of(usage([Row()], declared, billed=["all"])) == [Decimal("1.5")]
    assert usage([Row(account="other")], declared, billed=["all"]) == []


def test_requests_and_buckets_never_count_twice():
    rows = [Row(), Row(feed="bucket", cost=Decimal(7))]
    assert costs_of(usage(rows)) == [Decimal("1.5")]
    assert costs_of(usage(rows, [account("a", feed=Feed.BUCKET)])) == [Decimal(7)]
    assert costs_of(usage([Row(feed="bucket", cost=Decimal(7))])) == [Decimal(7)]


rows = st.lists(
    st.builds(
        Row,
        cost=st.one_of(st.none(), st.decimals("-1000", "1000", places=24)),
        account=st.sampled_from(["", "a", "b"]),
        feed=st.sampled_from(["request", "bucket"]),
        sku=st.sampled_from([Sku(), Sku("anthropic", "claude"), Sku("", "gpu")]),
        currency=st.sampled_from(["USD", "EUR"]),
    ),
    max_size=12,
)
accounts = st.lists(
    st.builds(
        account,
        st.sampled_from(["one", "two", "three"]),
        st.sampled_from(list(Truth)),
        st.sampled_from(["openai", "anthropic"]),
        st.sampled_from(["*", "a"]),
        st.sampled_from(list(Feed)),
    ),
    unique_by=(lambda each: each.code, lambda each: (each.provider, each.account)),
    max_size=3,
)


@given(rows, accounts, st.sets(st.sampled_from(["one", "two", "three"])))
def test_every_rated_cent_is_either_counted_or_told(given_rows, declared, billed):
    counted = usage(given_rows, declared, billed)
    beside = uncounted(given_rows, Accounts(declared), frozenset(billed))
    everything = sums_by_currency(given_rows)
    for currency in ("USD", "EUR"):
        kept = total(each.effective for each in counted if each.original_currency == currency)
        whole = everything.get(currency, Decimal(0))
        assert kept + beside.get(currency, Decimal(0)) == whole


# Conversion


def test_conversion_is_exact_and_happens_once():
    lines, missing = in_currency(
        usage([Row(cost=Decimal("0.000000000000000000000001"))]), fx=FX, currency="EUR"
    )
    (line,) = lines
    assert missing == []
    assert line.effective == Decimal("0.000000000000000000000000921234567891")
    assert (line.original_currency, line.original_amount) == ("USD", Decimal("1e-24"))
    assert (line.currency, line.fx_rate) == ("EUR", EUR.rate)


def test_the_sum_of_converted_lines_is_the_converted_sum():
    many = [Row(cost=Decimal(n) / Decimal(8), tags={"n": str(n)}) for n in range(1, 100)]
    lines, _ = in_currency(usage(many), fx=FX, currency="EUR")
    exact = Fraction(EUR.rate) * sum(Fraction(row.cost) for row in many)
    assert Fraction(total(line.effective for line in lines)) == exact


def test_a_missing_pair_is_named_with_what_it_holds_up():
    found = usage([Row(), Row(currency="GBP", cost=Decimal(3)), Row(currency="GBP")])
    lines, missing = in_currency(found, fx=FX, currency="EUR")
    assert len(lines) == 1
    assert [(each.base, each.quote, each.lines, each.amount) for each in missing] == [
        ("GBP", "EUR", 2, Decimal("4.5"))
    ]


# Charges, true-up, identity


def group(**changes):
    values = {
        "provider_account": "cloud",
        "billing_month": MONTH,
        "provider": "AWS",
        "service": "SageMaker",
        "sku": "S1",
        "sku_meter": "",
        "sub_account": "42",
        "charge_category": "Usage",
        "charge_class": "",
        "currency": "USD",
        "unit": "Hours",
        "tags": {"team": "search"},
        "quantity": Decimal(2),
        "billed": Decimal(10),
        "effective": Decimal(8),
        "first_day": date(2026, 1, 1),
        "last_day": date(2026, 1, 31),
    }
    return ChargeGroup(**{**values, **changes})


def test_charges_keep_billed_and_effective_and_state_no_unit_price():
    (found,) = charged([group()], month=MONTH)
    assert (found.billed, found.effective) == (Decimal(10), Decimal(8))
    assert found.unit_price is None
    assert found.tags == {"team": "search", "account": "42", "service": "SageMaker"}
    assert found.original_month == ""
    (late,) = charged([group()], month=MONTH + 1)
    assert late.original_month == "2026-01"


def test_a_true_up_makes_the_metered_total_the_bill():
    line = trued_up(
        account("openai", Truth.TRUED_UP),
        billing_month=MONTH,
        month=MONTH,
        currency="USD",
        booked=(Decimal("99.5"), Decimal("99.5")),
        bill=(Decimal(101), Decimal(100)),
    )
    assert (line.billed, line.effective) == (Decimal("1.5"), Decimal("0.5"))
    assert line.charge_category == "Adjustment"
    assert (
        trued_up(
            account("openai"),
            billing_month=MONTH,
            month=MONTH,
            currency="USD",
            booked=(Decimal(1), Decimal(1)),
            bill=(Decimal(1), Decimal(1)),
        )
        is None
    )


def base(found, currency="USD"):
    lines, missing = in_currency(found, fx=FX, currency=currency)
    return sealed(CostBase(MONTH, currency, tuple(distinct(lines)), (), tuple(missing), False))


def test_keys_and_hash_depend_on_content_and_not_on_order_or_surrogate_ids():
    some = [Row(tags={"n": str(n)}) for n in range(5)]
    one, two = base(usage(some)), base(usage(some[::-1]))
    assert one == two
    other_ids = [replace(row, tag_set_id=99 - row.tag_set_id) for row in some]
    assert base(usage(other_ids)).hash == one.hash
    dearer = [*some[:-1], replace(some[-1], cost=Decimal("1.500000000000000000000001"))]
    assert base(usage(dearer)).hash != one.hash
    assert [line.key for line in base(usage(dearer)).lines] == [line.key for line in one.lines]


def test_lines_that_would_share_a_key_are_numbered():
    twins = [Row(), Row(cost=Decimal(2))]
    keys = [line.key for line in base(usage(twins)).lines]
    assert len(set(keys)) == 2
    assert base(usage(twins)).hash == base(usage(twins[::-1])).hash


def test_a_reversal_takes_a_line_back_exactly():
    (line,) = base(charged([group()], month=MONTH)).lines
    taken = negated(line, original_month=MONTH)
    assert taken.effective + line.effective == taken.billed + line.billed == 0
    assert (taken.basis, taken.key) == (Basis.REVERSED, f"r-{line.key}")


@pytest.mark.parametrize(
    ("meter", "unit"),
    [
        ("output_tokens", "token"),
        ("cache_write_5m_tokens", "token"),
        ("requests", "request"),
        ("web_searches", "search"),
        ("gpu_seconds", "gpu_seconds"),
    ],
)
def test_meters_have_units(meter, unit):
    assert unit_of(meter) == unit


def test_an_account_draft_names_its_wrong_fields():
    def wrong(**changes):
        values = {"code": "a", "name": "A", **changes}
        return [error.field for error in refusals_of_account(AccountDraft(**values))]

    assert wrong() == []
    assert wrong(code="a b") == ["code"]
    assert wrong(name=" ") == ["name"]
    assert wrong(provider="openai") == ["account"]
    assert wrong(truth=Truth.METERED) == ["truth"]
    assert wrong(provider="x" * 65, account="*") == ["provider"]
