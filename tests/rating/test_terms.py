"""Discounts, committed levels and derived prices on a real database, with the real list prices."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from apps.audit import selectors as audit
from apps.rating import selectors as rating
from apps.rating import services
from apps.rating.domain import cost_models
from apps.rating.domain.cost_models import CostModelDraft
from apps.rating.domain.prices import SkuKey
from apps.rating.domain.terms import CommitmentDraft, DiscountDraft, LevelDraft, Scope
from apps.rating.models import Commitment, CommitmentTerm, ContractPrice, CostModel, Discount, Price
from tests.rating.conftest import NOW
from tests.rating.test_services import GPT, adopt, amount, cost, sku_of

OCTOBER = datetime(2026, 10, 1, tzinfo=UTC)
NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)


def discount(percent: str = "15", **changes: Any) -> DiscountDraft:
    scope = {k: changes.pop(k) for k in ("provider", "family", "model", "meter") if k in changes}
    return DiscountDraft(
        scope=Scope(**({"provider": "openai"} | scope)),
        percent=Decimal(percent),
        **({"valid_from": OCTOBER} | changes),
    )


def commitment(**changes: Any) -> CommitmentDraft:
    terms: dict[str, Any] = {
        "name": "OpenAI 2026",
        "scope": Scope(provider="openai"),
        "measure": "spend",
        "currency": "USD",
        "levels": (
            LevelDraft(commit=Decimal(10_000), percent=Decimal(5)),
            LevelDraft(commit=Decimal(50_000), percent=Decimal(12)),
        ),
    }
    return CommitmentDraft(**(terms | changes))


def put_in_force(agreed, level, valid_from, actor):
    return services.put_level_in_force(
        commitment=agreed,
        level=level,
        valid_from=valid_from,
        valid_to=None,
        note="",
        actor=actor,
        now=NOW,
    )


def test_a_discount_takes_effect_by_adoption_and_the_used_price_names_its_list_price(acme, actor):
    before = rating.current_version().version
    found = services.record_discount(draft=discount(), actor=actor, now=NOW)
    assert rating.is_outdated()
    assert amount(rating.price_book()) == Decimal("2.5")
    book = adopt(actor)
    assert amount(book) == Decimal("2.125")
    assert amount(rating.price_book(version=before)) == Decimal("2.5")
    sku = sku_of(book, "openai", "gpt-4o-2024-08-06")
    assert cost(book, sku, {"input_tokens": 1_000_000, "output_tokens": 1_000_000}) == Decimal(
        "10.625"
    )
    quote = book.quote(sku=sku, meter="input_tokens", at=NOW)
    (number,) = services.price_ids(quotes={(sku, "input_tokens"): quote}).values()
    row = Price.objects.get(pk=number)
    assert (row.kind, row.amount, row.list_amount, row.percent) == (
        "discount",
        Decimal("2.125"),
        Decimal("2.5"),
        15,
    )
    assert row.source == f"genai-prices 0.2.3 less discount {found}"
    used = rating.prices([number])[number]
    assert (used.list_amount, used.list_unit_size, used.percent) == (Decimal("2.5"), 1_000_000, 15)


def test_a_discount_that_reaches_nothing_is_worth_a_second_look(acme, actor):
    found = services.record_discount(
        draft=discount(provider="openai", meter="inputtokens"), actor=actor, now=NOW
    )
    (caution,) = rating.cautions(discount=found)
    assert caution.startswith("No list price is in its scope")


@pytest.mark.parametrize("provider", ["openai", "azure"])
def test_a_discount_that_ties_says_with_which_and_where(acme, actor, provider):
    def record(**changes):
        draft = discount(provider=provider, **changes)
        return services.record_discount(draft=draft, actor=actor, now=NOW)

    def cautions(one):
        return rating.cautions(discount=one)

    plain, wider = record(model="gpt-4o-2*"), record(model="gpt-4o*")
    elsewhere = record(model="gpt-4.1*", region="eu")
    standard = record(model="gpt-4o-2*", service_tier="standard")
    assert [cautions(one) for one in (plain, wider, elsewhere, standard)] == [[], [], [], []]
    regional = record(model="gpt-4o-2*", region="eu")
    (caution,) = cautions(regional)
    assert str(standard) in caution and "openai gpt-4o-2" in caution
    (other,) = cautions(standard)
    assert str(regional) in other
    services.end_discount(discount=standard, valid_to=NOVEMBER, actor=actor, now=NOW)
    late = record(model="gpt-4o-2*", context_gt=None, service_tier="standard", valid_from=NOVEMBER)
    assert len(cautions(late)) == 1
    services.withdraw_discount(discount=regional, reason="wrong", actor=actor, now=NOW)
    assert cautions(late) == []


def test_a_discount_of_a_reseller_reduces_the_prices_it_resells(acme, actor):
    services.record_discount(draft=discount("10", provider="azure"), actor=actor, now=NOW)
    book = adopt(actor)
    assert amount(book, sku_of(book, "azure", "gpt-4o")) == Decimal("2.25")
    assert amount(book) == Decimal("2.5")


@pytest.mark.parametrize(
    ("draft", "field"),
    [
        (discount("0"), "percent"),
        (discount("100.000001"), "percent"),
        (discount("NaN"), "percent"),
        (discount("0.0000001"), "percent"),
        (discount(model="gpt*4"), "model"),
        (discount(model="gpt-4o", family="gpt"), "family"),
        (discount(meter="Tokens"), "meter"),
        (discount(provider="x" * 65), "provider"),
        (discount(valid_to=OCTOBER), "valid_to"),
        (discount(valid_from=datetime(2026, 10, 1)), "valid_from"),
        (discount(context_gt=-1), "context_gt"),
        (discount(note="a\x00b"), "note"),
    ],
)
def test_a_wrong_discount_is_refused_by_field_and_nothing_is_kept(acme, actor, draft, field):
    with pytest.raises(services.DiscountNotValid) as refused:
        services.record_discount(draft=draft, actor=actor, now=NOW)
    assert field in {error.field for error in refused.value.errors}
    assert not Discount.objects.exists()


def test_the_same_scope_is_discounted_once_at_a_time(acme, actor):
    first = services.record_discount(draft=discount(), actor=actor, now=NOW)
    with pytest.raises(services.DiscountOverlaps):
        services.record_discount(draft=discount("20"), actor=actor, now=NOW)
    assert Discount.objects.count() == 1
    services.record_discount(
        draft=discount("20", valid_from=NOVEMBER, replaces=first), actor=actor, now=NOW
    )
    book = adopt(actor)
    assert amount(book, at=NOVEMBER - timedelta(microseconds=1)) == Decimal("2.125")
    assert amount(book, at=NOVEMBER) == 2


def test_an_ended_and_a_withdrawn_discount_stay_on_record(acme, actor):
    found = services.record_discount(draft=discount(), actor=actor, now=NOW)
    ended = services.end_discount(discount=found, valid_to=NOVEMBER, actor=actor, now=NOW)
    assert amount(adopt(actor), at=NOVEMBER) == Decimal("2.5")
    with pytest.raises(services.DiscountUnknown):
        services.end_discount(discount=found, valid_to=NOVEMBER, actor=actor, now=NOW)
    with pytest.raises(services.DiscountNotValid):
        services.withdraw_discount(discount=ended, reason=" ", actor=actor, now=NOW)
    services.withdraw_discount(discount=ended, reason="Never signed", actor=actor, now=NOW)
    assert amount(adopt(actor)) == Decimal("2.5")
    deeds = [one.action for one in audit.history(subject="discount", subject_id=str(ended))]
    assert deeds == ["discount.ended", "discount.withdrawn"]
    assert Discount.objects.count() == 2


def test_the_database_holds_discounts_and_terms_still(acme, actor):
    services.record_discount(draft=discount(), actor=actor, now=NOW)
    agreed = services.record_commitment(draft=commitment(), actor=actor, now=NOW)
    put_in_force(agreed, 1, OCTOBER, actor)
    for statement in (
        "UPDATE rating_discount SET percent = 99",
        "DELETE FROM rating_discount",
        "UPDATE rating_commitmentterm SET valid_from = now()",
        "DELETE FROM rating_commitmentterm",
        "UPDATE rating_commitmentlevel SET percent = 99",
        "DELETE FROM rating_commitment",
    ):
        with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)


def test_the_database_refuses_two_discounts_of_one_scope_at_a_time(acme, actor):
    services.record_discount(draft=discount(batch=True), actor=actor, now=NOW)
    terms = (
        "INSERT INTO rating_discount (public_id, provider, family, model, meter, service_tier, "
        "batch, region, context_gt, percent, valid_from, known_from, note, created_by) "
        "SELECT gen_random_uuid(), provider, family, model, meter, service_tier, {batch}, region, "
        "context_gt, 50, valid_from + interval '1 day', known_from, note, created_by "
        "FROM rating_discount WHERE batch"
    )
    with connection.cursor() as cursor:
        cursor.execute(terms.format(batch="false"))
        cursor.execute(terms.format(batch="NULL"))
    for batch in ("true", "NULL"):
        refused = pytest.raises(IntegrityError, match="rating_discount_no_overlap")
        with refused, transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(terms.format(batch=batch))


def test_a_committed_level_gives_its_discount_while_it_is_in_force(acme, actor):
    agreed = services.record_commitment(draft=commitment(), actor=actor, now=NOW)
    assert amount(adopt(actor)) == Decimal("2.5")
    put_in_force(agreed, 1, OCTOBER, actor)
    services.put_level_in_force(
        commitment=agreed,
        level=2,
        valid_from=NOVEMBER,
        valid_to=None,
        note="",
        actor=actor,
        now=NOW,
    )
    book = adopt(actor)
    assert amount(book, at=OCTOBER - timedelta(seconds=1)) == Decimal("2.5")
    assert amount(book, at=OCTOBER) == Decimal("2.375")
    assert amount(book, at=NOVEMBER) == Decimal("2.2")
    quote = book.quote(sku=GPT, meter="input_tokens", at=NOVEMBER)
    assert quote is not None and quote.source.endswith(f"commitment {agreed} level 2")
    terms = CommitmentTerm.objects.filter(known_to__isnull=True).order_by("valid_from")
    assert [(one.level.position, one.valid_to) for one in terms] == [(1, NOVEMBER), (2, None)]


def test_a_committed_level_may_give_a_fixed_price(acme, actor):
    draft = commitment(
        scope=Scope(provider="openai", model="gpt-4o", meter="input_tokens"),
        measure="quantity",
        levels=(LevelDraft(commit=Decimal(10**9), amount=Decimal("1.9"), unit_size=1_000_000),),
    )
    agreed = services.record_commitment(draft=draft, actor=actor, now=NOW)
    put_in_force(agreed, 1, OCTOBER, actor)
    quote = adopt(actor).quote(sku=GPT, meter="input_tokens", at=NOW)
    assert quote is not None and (quote.amount, quote.row.kind) == (Decimal("1.9"), "contract")


def test_a_discount_and_a_committed_level_of_the_same_scope_tie(acme, actor):
    services.record_discount(draft=discount(), actor=actor, now=NOW)
    agreed = services.record_commitment(draft=commitment(), actor=actor, now=NOW)
    put_in_force(agreed, 1, OCTOBER, actor)
    book = adopt(actor)
    assert amount(book) is None
    assert len(book.rivals(sku=GPT, meter="input_tokens", at=NOW)) == 2


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": " "}, "name"),
        ({"measure": "quantity"}, "meter"),
        ({"currency": "usd"}, "currency"),
        ({"levels": ()}, "levels"),
        ({"levels": (LevelDraft(commit=Decimal(1)),)}, "levels.0"),
        ({"levels": (LevelDraft(commit=Decimal(0), percent=Decimal(1)),)}, "levels.0.commit"),
        (
            {"levels": tuple(LevelDraft(commit=Decimal(9), percent=Decimal(1)) for _ in "ab")},
            "levels.1.commit",
        ),
        (
            {"levels": (LevelDraft(commit=Decimal(1), amount=Decimal(1), unit_size=1),)},
            "levels.0.amount",
        ),
    ],
)
def test_a_wrong_commitment_is_refused_by_field(acme, actor, changes, field):
    with pytest.raises(services.CommitmentNotValid) as refused:
        services.record_commitment(draft=commitment(**changes), actor=actor, now=NOW)
    assert field in {error.field for error in refused.value.errors}
    assert not Commitment.objects.exists()


def test_a_level_that_is_not_there_cannot_be_in_force(acme, actor):
    agreed = services.record_commitment(draft=commitment(), actor=actor, now=NOW)
    with pytest.raises(services.CommitmentUnknown):
        services.put_level_in_force(
            commitment=agreed,
            level=3,
            valid_from=OCTOBER,
            valid_to=None,
            note="",
            actor=actor,
            now=NOW,
        )
    with pytest.raises(services.CommitmentExists):
        services.record_commitment(draft=commitment(), actor=actor, now=NOW)
    assert not CommitmentTerm.objects.exists()


# -- self-hosted ------------------------------------------------------------------------------

LLAMA = CostModelDraft(
    name="Llama on 8 H100",
    gpu_hourly_rate=Decimal("2.50"),
    gpus=Decimal(8),
    currency="USD",
    throughput={"input_tokens": Decimal(40_000), "output_tokens": Decimal(5_000)},
    utilization=Decimal("0.5"),
)
PRICED = services.Priced(provider="in-house", model="llama-3-70b", valid_from=OCTOBER)


def test_a_self_hosted_token_costs_its_share_of_the_fleet(acme, actor):
    """20 USD an hour over 72 and 9 million tokens an hour, at half the speed."""
    found = services.record_cost_model(draft=LLAMA, priced=PRICED, actor=actor, now=NOW)
    book = adopt(actor)
    sku = SkuKey("in-house", "llama-3-70b")
    assert amount(book, sku) == Decimal("0.277777777778")
    assert amount(book, sku, "output_tokens") == Decimal("2.222222222222")
    quote = book.quote(sku=sku, meter="output_tokens", at=NOW)
    assert quote is not None and quote.source.startswith("derived, contract ")
    kept = CostModel.objects.get(public_id=found)
    assert kept.inputs["gpu_hourly_rate"] == "2.5"
    assert kept.derivation["hourly_cost"] == "20"
    assert kept.derivation["utilization"] == "1/2"
    assert ContractPrice.objects.filter(cost_model=kept).count() == 2
    with pytest.raises(IntegrityError), transaction.atomic():
        CostModel.objects.filter(pk=kept.pk).update(name="Another")


def test_a_newer_cost_model_takes_over_from_its_beginning(acme, actor):
    services.record_cost_model(draft=LLAMA, priced=PRICED, actor=actor, now=NOW)
    busier = replace(LLAMA, utilization=Decimal(1))
    later = replace(PRICED, valid_from=NOVEMBER)
    services.record_cost_model(draft=busier, priced=later, actor=actor, now=NOW)
    book, sku = adopt(actor), SkuKey("in-house", "llama-3-70b")
    assert amount(book, sku, at=NOVEMBER - timedelta(seconds=1)) == Decimal("0.277777777778")
    assert amount(book, sku, at=NOVEMBER) == Decimal("0.138888888889")


@given(
    st.dictionaries(
        st.sampled_from(["input_tokens", "output_tokens", "cached_input_tokens"]),
        st.tuples(st.integers(1, 10**6), st.integers(0, 10**9)),
        min_size=1,
    )
)
def test_derived_prices_times_measured_tokens_come_back_to_the_cost_of_the_fleet(classes):
    draft = replace(
        LLAMA,
        utilization=None,
        throughput={meter: Decimal(speed) for meter, (speed, _) in classes.items()},
        measured={meter: Decimal(tokens) for meter, (_, tokens) in classes.items()},
        hours=Decimal(744),
    )
    if cost_models.faults(draft):
        return
    derivation = cost_models.derive(draft)
    total = sum(
        Fraction(one.amount) * Fraction(draft.measured[one.meter]) / 10**6
        for one in derivation.prices
    )
    tokens = sum(draft.measured.values())
    assert abs(total - 20 * 744) <= Fraction(tokens) / 10**18


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"utilization": Decimal(0)}, "utilization"),
        ({"utilization": Decimal("1.1")}, "utilization"),
        ({"utilization": None}, "utilization"),
        ({"gpus": Decimal(0)}, "gpus"),
        ({"gpu_hourly_rate": Decimal("NaN")}, "gpu_hourly_rate"),
        ({"throughput": {}}, "throughput"),
        ({"throughput": {"requests": Decimal(1)}}, "throughput.requests"),
        (
            {
                "utilization": None,
                "hours": Decimal(1),
                "measured": {"output_tokens": Decimal(5_000 * 3_600 + 1)},
            },
            "measured",
        ),
        (
            {"utilization": None, "hours": Decimal(1), "measured": {"x_tokens": Decimal(5)}},
            "measured.x_tokens",
        ),
    ],
)
def test_wrong_inputs_of_a_cost_model_are_named(acme, actor, changes, field):
    with pytest.raises(services.CostModelNotValid) as refused:
        services.record_cost_model(
            draft=replace(LLAMA, **changes), priced=PRICED, actor=actor, now=NOW
        )
    assert field in {error.field for error in refused.value.errors}
    assert not CostModel.objects.exists()
    assert not ContractPrice.objects.exists()
