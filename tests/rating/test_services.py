"""Contract prices, versions and used prices on a real database, with the real list prices."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction

from apps.audit import selectors as audit
from apps.catalog import services as catalog
from apps.catalog.adapters.genai_prices import published_catalog
from apps.catalog.domain.conditions import Conditions
from apps.rating import selectors as rating
from apps.rating import services
from apps.rating.domain.prices import SkuKey
from apps.rating.domain.rate import cost_of
from apps.rating.models import ContractPrice, CurrentVersion, Price, PriceBookVersion
from tests.catalog.reviewers import approve_all
from tests.catalog.test_import import repriced, with_model
from tests.rating.conftest import NOW

GPT = SkuKey("openai", "gpt-4o")
DAY = timedelta(days=1)


def sku_of(book, provider, model, *, context=1, at=NOW, tier="", batch=False):
    return book.sku_for(
        provider=provider,
        model=model,
        service_tier=tier,
        batch=batch,
        region="",
        context_tokens=context,
        at=at,
    )


def cost(book, sku, meters, at=NOW):
    total = Decimal(0)
    for meter, quantity in meters.items():
        quote = book.quote(sku=sku, meter=meter, at=at)
        assert quote is not None, meter
        total += cost_of(quantity=Decimal(quantity), amount=quote.amount, unit_size=quote.unit_size)
    return total


def amount(book, sku=GPT, meter="input_tokens", at=NOW):
    quote = book.quote(sku=sku, meter=meter, at=at)
    return None if quote is None else quote.amount


def adopt(actor, now=NOW):
    return rating.price_book(version=services.adopt_version(actor=actor, now=now))


# -- the worked examples, through the real list prices ----------------------------------------


@pytest.mark.parametrize(
    ("meters", "expected"),
    [
        ({"input_tokens": 18_059_974, "output_tokens": 245_896}, "47.608895"),
        ({"input_tokens": 22_361_870, "output_tokens": 4_088_665}, "96.791325"),
    ],
)
def test_the_azure_traces_at_gpt_4o_list_prices(acme, meters, expected):
    book = rating.price_book()
    sku = sku_of(book, "azure", "gpt-4o-2024-08-06")
    assert sku == SkuKey("azure", "gpt-4o")
    assert cost(book, sku, meters) == Decimal(expected)


def test_the_seeds_example_at_a_contract_price(acme, actor, draft):
    for meter, price in (("input_tokens", "0.12"), ("output_tokens", "0.36")):
        services.record_contract_price(
            draft=draft(provider="in-house", model="llama", meter=meter, amount=Decimal(price)),
            actor=actor,
            now=NOW,
        )
    book = adopt(actor)
    sku = sku_of(book, "in-house", "llama")
    assert cost(book, sku, {"input_tokens": 128_000, "output_tokens": 128_000}) == Decimal(
        "0.06144"
    )


def test_cache_writes_are_charged_once(acme):
    book = rating.price_book()
    sku = sku_of(book, "anthropic", "claude-3-7-sonnet-20250219")
    meters = {"input_tokens": 3, "cache_write_5m_tokens": 12_304, "output_tokens": 550}
    assert cost(book, sku, meters) == Decimal("0.054399")


def test_the_long_context_tier_is_a_cliff_on_the_whole_request(acme):
    book = rating.price_book()
    below, above = (
        sku_of(book, "anthropic", "claude-sonnet-4-5", context=n) for n in (200_000, 200_001)
    )
    assert (below.context_tier, above.context_tier) == ("", "200000")
    assert cost(book, below, {"input_tokens": 200_000}) == Decimal("0.6")
    assert cost(book, above, {"input_tokens": 200_001}) == Decimal("1.200006")


def test_a_listed_price_change_splits_at_its_instant(acme):
    book = rating.price_book()
    sku = SkuKey("openai", "o3")
    change = datetime(2025, 6, 10, tzinfo=UTC)
    assert amount(book, sku, at=change - timedelta(microseconds=1)) == 10
    assert amount(book, sku, at=change) == 2


def test_batch_and_tiers_of_the_real_catalogue(acme):
    book = rating.price_book()
    at = datetime(2026, 10, 20, tzinfo=UTC)
    batch = sku_of(book, "openai", "gpt-4o", batch=True, at=at)
    assert amount(book, batch, at=at) == Decimal("1.25")
    assert amount(book, batch, "cached_input_tokens", at=at) is None
    priority = sku_of(book, "openai", "gpt-4o", tier="priority", at=at)
    assert amount(book, priority, at=at) == Decimal("4.25")
    assert amount(book, priority, "web_searches", at=at) == 10
    mistyped = sku_of(book, "openai", "gpt-4o", tier="prioritty", at=at)
    assert amount(book, mistyped, at=at) is None
    before = datetime(2026, 10, 1, tzinfo=UTC)
    assert amount(book, priority, at=before) is None


def test_requests_have_a_price_only_where_one_is_listed(acme):
    book = rating.price_book()
    sonar = sku_of(book, "perplexity", "sonar-pro")
    assert book.expects_price(sku=sonar, meter="requests")
    assert not book.expects_price(sku=GPT, meter="requests")


def test_a_book_is_read_lazily(acme, django_assert_max_num_queries):
    with django_assert_max_num_queries(9):
        book = rating.price_book()
        for _ in range(100):
            sku = sku_of(book, "openai", "gpt-4o")
            assert amount(book, sku) == Decimal("2.5")


# -- contract prices --------------------------------------------------------------------------


def test_a_contract_price_takes_effect_by_adoption_and_the_old_version_stays(acme, actor, draft):
    before = rating.current_version().version
    price = services.record_contract_price(draft=draft(), actor=actor, now=NOW)
    assert amount(rating.price_book()) == Decimal("2.5")
    assert rating.is_outdated()
    after = services.adopt_version(actor=actor, now=NOW)
    assert after > before
    assert not rating.is_outdated()
    assert amount(rating.price_book()) == Decimal(2)
    assert amount(rating.price_book(version=before)) == Decimal("2.5")
    quote = rating.price_book().quote(sku=GPT, meter="input_tokens", at=NOW)
    assert quote is not None and quote.source == f"contract {price}"
    actions = [entry.action for entry in audit.page(before=None, limit=2)]
    assert actions == ["price_book.adopted", "contract_price.recorded"]


def test_adopting_nothing_new_changes_nothing(acme, actor):
    first = services.adopt_version(actor=actor, now=NOW)
    count = PriceBookVersion.objects.count()
    assert services.adopt_version(actor=actor, now=NOW + DAY) == first
    assert PriceBookVersion.objects.count() == count


def test_aliases_are_recorded_canonically(acme, actor, draft):
    price = services.record_contract_price(
        draft=draft(provider="Azure_OpenAI", model="gpt-4o-2024-08-06"), actor=actor, now=NOW
    )
    facts = rating.contract_price(price)
    assert (facts.provider, facts.model) == ("azure", "gpt-4o")
    book = adopt(actor)
    assert amount(book, sku_of(book, "azure", "gpt-4o-2024-11-20")) == 2


def test_overlap_is_refused_and_names_the_other(acme, actor, draft):
    other = services.record_contract_price(draft=draft(), actor=actor, now=NOW)
    count = ContractPrice.objects.count()
    with pytest.raises(services.PriceOverlaps, match=str(other)):
        services.record_contract_price(
            draft=draft(valid_from=NOW + DAY, amount=Decimal("1.9")), actor=actor, now=NOW
        )
    assert ContractPrice.objects.count() == count


def test_overlap_is_refused_by_the_database_itself(acme, actor, draft):
    services.record_contract_price(draft=draft(), actor=actor, now=NOW)
    row = ContractPrice.objects.get()
    with pytest.raises(IntegrityError, match="no_overlap"), transaction.atomic():
        ContractPrice.objects.create(
            provider=row.provider,
            model=row.model,
            meter=row.meter,
            amount=1,
            unit_size=1,
            currency="USD",
            valid_from=NOW + DAY,
            known_from=NOW + DAY,
            created_by="x",
        )


def test_windows_that_mean_the_same_overlap_however_they_are_written(acme, actor, draft):
    services.record_contract_price(
        draft=draft(conditions=Conditions(window="12345@16:30-00:30")), actor=actor, now=NOW
    )
    assert ContractPrice.objects.get().window == "mon-fri 16:30-00:30"
    again = draft(conditions=Conditions(window="Mon - Fri 16:30-00:30 UTC"))
    with pytest.raises(services.PriceOverlaps):
        services.record_contract_price(draft=again, actor=actor, now=NOW)
    elsewhere = draft(conditions=Conditions(window="mon-fri 16:30-00:30 Asia/Shanghai"))
    services.record_contract_price(draft=elsewhere, actor=actor, now=NOW)
    assert ContractPrice.objects.count() == 2


@pytest.mark.parametrize(
    "other",
    [
        {"meter": "output_tokens"},
        {"conditions": Conditions(batch=True)},
        {"conditions": Conditions(context_gt=128_000)},
        {"model": "gpt-4o*"},
        {
            "valid_from": datetime(2026, 9, 1, tzinfo=UTC),
            "valid_to": datetime(2026, 10, 1, tzinfo=UTC),
        },
    ],
)
def test_other_things_and_adjacent_times_do_not_overlap(acme, actor, draft, other):
    services.record_contract_price(draft=draft(), actor=actor, now=NOW)
    services.record_contract_price(
        draft=draft(**other, confirm_unit_slip=True), actor=actor, now=NOW
    )
    assert ContractPrice.objects.count() == 2


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE rating_contractprice SET amount = 1",
        "UPDATE rating_contractprice SET valid_to = now()",
        "UPDATE rating_contractprice SET known_to = now(), amount = 1",
        "DELETE FROM rating_contractprice",
    ],
)
def test_a_price_is_immutable_even_by_raw_sql(acme, actor, draft, statement):
    services.record_contract_price(draft=draft(), actor=actor, now=NOW)
    refused = pytest.raises(IntegrityError, match="only ever ends being known")
    with refused, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert ContractPrice.objects.get().amount == 2


def test_known_to_is_set_once(acme, actor, draft):
    services.record_contract_price(draft=draft(), actor=actor, now=NOW)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE rating_contractprice SET known_to = %s", [NOW + DAY])
        with pytest.raises(IntegrityError), transaction.atomic():
            cursor.execute("UPDATE rating_contractprice SET known_to = NULL")
        with pytest.raises(IntegrityError), transaction.atomic():
            cursor.execute("UPDATE rating_contractprice SET known_to = %s", [NOW + 2 * DAY])


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE rating_price SET amount = 0",
        "DELETE FROM rating_price",
        "UPDATE rating_pricebookversion SET catalog_known_at = now()",
        "DELETE FROM rating_pricebookversion",
        "DELETE FROM rating_currentversion",
        "UPDATE rating_currentversion SET version_id = 0",
    ],
)
def test_used_prices_and_versions_are_immutable(acme, statement):
    quote = rating.price_book().quote(sku=GPT, meter="input_tokens", at=NOW)
    services.price_ids(quotes={(GPT, "input_tokens"): quote})
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_replacing_keeps_the_old_price_before_and_after(acme, actor, draft):
    old = services.record_contract_price(draft=draft(), actor=actor, now=NOW)
    november, december = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
    services.record_contract_price(
        draft=draft(amount=Decimal("1.8"), valid_from=november, valid_to=december, replaces=old),
        actor=actor,
        now=NOW + DAY,
    )
    book = adopt(actor, NOW + DAY)
    assert [amount(book, at=at) for at in (NOW, november, december)] == [2, Decimal("1.8"), 2]
    assert ContractPrice.objects.get(public_id=old).known_to is not None


def test_ending_a_price_leaves_the_started_row_as_it_was(acme, actor, draft):
    price = services.record_contract_price(draft=draft(), actor=actor, now=NOW)
    end = datetime(2026, 11, 1, tzinfo=UTC)
    ended = services.end_contract_price(price=price, valid_to=end, actor=actor, now=NOW + DAY)
    book = adopt(actor, NOW + DAY)
    assert amount(book, at=NOW) == 2
    assert amount(book, at=end) == Decimal("2.5")
    first = ContractPrice.objects.get(public_id=price)
    assert (first.valid_to, first.known_to) == (None, NOW + DAY)
    assert rating.contract_price(ended).valid_to == end
    with pytest.raises(services.PriceUnknown):
        services.end_contract_price(price=price, valid_to=end, actor=actor, now=NOW + DAY)


def test_a_withdrawn_price_is_gone_from_new_versions_only(acme, actor, draft):
    price = services.record_contract_price(draft=draft(), actor=actor, now=NOW)
    with_price = services.adopt_version(actor=actor, now=NOW)
    services.withdraw_contract_price(price=price, reason="typed wrong", actor=actor, now=NOW + DAY)
    without = services.adopt_version(actor=actor, now=NOW + DAY)
    assert amount(rating.price_book(version=with_price)) == 2
    assert amount(rating.price_book(version=without)) == Decimal("2.5")


def test_withdrawing_needs_a_reason(acme, actor, draft):
    price = services.record_contract_price(draft=draft(), actor=actor, now=NOW)
    with pytest.raises(services.PriceNotValid):
        services.withdraw_contract_price(price=price, reason=" ", actor=actor, now=NOW)
    assert ContractPrice.objects.get().known_to is None


def test_a_price_recorded_with_an_early_clock_never_enters_an_adopted_version(acme, actor, draft):
    services.record_contract_price(draft=draft(), actor=actor, now=NOW)
    version = services.adopt_version(actor=actor, now=NOW)
    services.record_contract_price(
        draft=draft(meter="output_tokens", amount=Decimal(8)), actor=actor, now=NOW - DAY
    )
    assert amount(rating.price_book(version=version), meter="output_tokens") == 10
    assert rating.is_outdated()


@pytest.mark.parametrize("price", ["250", "0.025", "0"])
def test_a_unit_slip_needs_confirmation(acme, actor, draft, price):
    with pytest.raises(services.PriceNotValid) as refused:
        services.record_contract_price(draft=draft(amount=Decimal(price)), actor=actor, now=NOW)
    assert [fault.field for fault in refused.value.errors] == ["confirm_unit_slip"]
    assert not ContractPrice.objects.exists()
    services.record_contract_price(
        draft=draft(amount=Decimal(price), confirm_unit_slip=True), actor=actor, now=NOW
    )
    assert ContractPrice.objects.count() == 1


def test_the_same_price_in_another_unit_is_no_slip(acme, actor, draft):
    services.record_contract_price(
        draft=draft(amount=Decimal("0.002"), unit_size=1000), actor=actor, now=NOW
    )
    with pytest.raises(services.PriceNotValid):
        services.record_contract_price(
            draft=draft(meter="output_tokens", amount=Decimal(10), unit_size=1000),
            actor=actor,
            now=NOW,
        )


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("model", {"model": ""}),
        ("model", {"model": "*"}),
        ("model", {"model": "a*b"}),
        ("model", {"model": "x\x00"}),
        ("provider", {"provider": "p" * 65}),
        ("meter", {"meter": "Input Tokens"}),
        ("amount", {"amount": Decimal("-0.01")}),
        ("amount", {"amount": Decimal("NaN")}),
        ("amount", {"amount": Decimal("Infinity")}),
        ("amount", {"amount": Decimal("1e12")}),
        ("amount", {"amount": Decimal("1e-19")}),
        ("unit_size", {"unit_size": 3600}),
        ("unit_size", {"unit_size": 0}),
        ("currency", {"currency": "usd"}),
        ("valid_from", {"valid_from": datetime(1999, 1, 1, tzinfo=UTC)}),
        ("valid_to", {"valid_to": datetime(2026, 9, 1, tzinfo=UTC)}),
        ("valid_to", {"valid_to": datetime(9999, 9, 1, tzinfo=UTC)}),
        ("window", {"conditions": Conditions(window="1am to 4am")}),
        ("context_gt", {"conditions": Conditions(context_gt=-1)}),
        ("note", {"note": "n" * 501}),
    ],
)
def test_each_wrong_field_is_named_and_nothing_is_stored(acme, actor, draft, field, changes):
    with pytest.raises(services.PriceNotValid) as refused:
        services.record_contract_price(draft=draft(**changes), actor=actor, now=NOW)
    assert field in [fault.field for fault in refused.value.errors]
    assert all(fault.message for fault in refused.value.errors)
    assert not ContractPrice.objects.exists()


# -- versions and used prices -----------------------------------------------------------------


def test_check_version_refuses_another_version(acme, actor, draft):
    before = rating.current_version().version
    services.check_version(version=before)
    services.record_contract_price(draft=draft(), actor=actor, now=NOW)
    services.adopt_version(actor=actor, now=NOW)
    with pytest.raises(services.PriceBookMoved):
        services.check_version(version=before)


def test_used_prices_are_copied_once_with_all_they_said(acme):
    book = rating.price_book()
    quotes = {
        (GPT, meter): book.quote(sku=GPT, meter=meter, at=NOW)
        for meter in ("input_tokens", "output_tokens")
    }
    first = services.price_ids(quotes=quotes)
    assert services.price_ids(quotes=quotes) == first
    assert Price.objects.count() == 2
    used = rating.prices([*first.values(), 0, 10**9])
    assert len(used) == 2
    facts = used[first[quotes[GPT, "input_tokens"].key]]
    assert (facts.sku, facts.meter, facts.unit) == ("openai gpt-4o", "input_tokens", "token")
    assert (facts.amount, facts.unit_size, facts.currency) == (Decimal("2.5"), 1_000_000, "USD")
    assert (facts.valid_from, facts.valid_to, facts.kind) == (None, None, "list")
    assert facts.source == "genai-prices 0.2.3"


def test_an_equal_price_of_a_later_version_is_the_same_used_price(acme, actor, draft):
    before = rating.price_book().quote(sku=GPT, meter="input_tokens", at=NOW)
    services.record_contract_price(
        draft=draft(meter="output_tokens", amount=Decimal(9)), actor=actor, now=NOW
    )
    after = adopt(actor).quote(sku=GPT, meter="input_tokens", at=NOW)
    ids = services.price_ids(quotes={(GPT, "input_tokens"): before})
    assert services.price_ids(quotes={(GPT, "input_tokens"): after}) == ids


def test_the_difference_of_two_versions_is_named(acme, actor, draft):
    before = rating.current_version().version
    middle = datetime(2026, 10, 20, tzinfo=UTC)
    services.record_contract_price(draft=draft(valid_from=middle), actor=actor, now=NOW)
    after = services.adopt_version(actor=actor, now=NOW)
    start, end = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
    used = [(GPT, "input_tokens"), (GPT, "output_tokens"), (SkuKey("openai", "o3"), "input_tokens")]
    changes = rating.quote_changes(before=before, after=after, used=used, start=start, end=end)
    assert [(c.sku, c.meter, c.start, c.end) for c in changes] == [
        (GPT, "input_tokens", middle, end)
    ]
    assert changes[0].before is not None and changes[0].before.amount == Decimal("2.5")
    assert changes[0].after is not None and changes[0].after.amount == 2
    assert not changes[0].retiered


def test_a_new_context_threshold_is_reported_as_retiering(acme, actor, draft):
    before = rating.current_version().version
    services.record_contract_price(
        draft=draft(conditions=Conditions(context_gt=64_000), amount=Decimal(3)),
        actor=actor,
        now=NOW,
    )
    after = services.adopt_version(actor=actor, now=NOW)
    changes = rating.quote_changes(
        before=before, after=after, used=[(GPT, "input_tokens")], start=NOW, end=NOW + DAY
    )
    assert [change.retiered for change in changes] == [True]


def test_an_unknown_version_is_missing(acme):
    with pytest.raises(rating.VersionUnknown):
        rating.price_book(version=10**6)


def test_two_tenants_never_see_each_others_contract_prices(acme, globex, actor, draft):
    from django_tenants.utils import schema_context

    services.record_contract_price(draft=draft(), actor=actor, now=NOW)
    adopt(actor)
    with schema_context(acme.schema):
        assert amount(rating.price_book()) == Decimal("2.5")
        assert not ContractPrice.objects.exists()
    assert amount(rating.price_book()) == 2


def test_the_one_version_in_force_is_one_row(acme):
    with pytest.raises(IntegrityError), transaction.atomic():
        CurrentVersion.objects.create(id=2, version=PriceBookVersion.objects.get())


def test_imported_prices_take_effect_by_adoption_only(acme, actor):
    pinned = rating.price_book().version
    later = datetime(2030, 1, 1, tzinfo=UTC)
    catalog.import_catalog(
        catalog=with_model(published_catalog(), "openai", "gpt-4o", repriced("2.25")),
        now=later,
        actor=actor,
    )
    assert not rating.is_outdated()  # nobody approved the price yet
    approve_all(now=later)
    assert amount(rating.price_book()) == Decimal("2.5")
    assert rating.is_outdated()
    version = services.adopt_version(actor=actor, now=later)
    assert version > pinned
    assert amount(rating.price_book()) == Decimal("2.25")
    assert amount(rating.price_book(version=pinned)) == Decimal("2.5")
