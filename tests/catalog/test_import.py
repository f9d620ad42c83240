"""Importing the genai-prices package: complete, repeatable, and in two times."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from apps.audit import selectors as audit
from apps.catalog import selectors, services
from apps.catalog.adapters.genai_prices import published_catalog
from apps.catalog.domain.conditions import Conditions
from apps.catalog.domain.published import PublishedCatalog, PublishedPrice, Rate
from apps.catalog.models import AiModel, ListPrice, Meter, Provider, Recognition
from apps.catalog.tasks import sync_prices
from apps.core.domain.access import system_actor
from tests.catalog.reviewers import approve_all

FIRST = datetime(2026, 1, 1, 12, tzinfo=UTC)  # when the template database imported the package
NOW = datetime(2026, 10, 15, 12, tzinfo=UTC)
AFTER = NOW + timedelta(minutes=1)  # when people approve what was imported at NOW
ACTOR = system_actor("tests")
pytestmark = pytest.mark.django_db


def published() -> PublishedCatalog:
    return published_catalog()


def with_model(catalog: PublishedCatalog, provider: str, code: str, change) -> PublishedCatalog:
    """Return the catalogue with one model changed, or left out when the change gives None."""

    def models(one):
        for model in one.models:
            changed = change(model) if (one.code, model.code) == (provider, code) else model
            if changed is not None:
                yield changed

    providers = [replace(one, models=tuple(models(one))) for one in catalog.providers]
    return replace(catalog, providers=tuple(providers))


def repriced(amount: str, **changes):
    """Return a change that prices ordinary input tokens anew."""

    def change(model):
        prices = tuple(
            price._replace(rate=price.rate._replace(amount=Decimal(amount)), **changes)
            if (price.meter, price.conditions) == ("input_tokens", Conditions())
            else price
            for price in model.prices
        )
        return replace(model, prices=prices)

    return change


def run(catalog, now=NOW):
    """Import, and let people approve whatever waits for them."""
    report = services.import_catalog(catalog=catalog, now=now, actor=ACTOR)
    approve_all(now=now + timedelta(minutes=1))
    return report


def input_price(at, provider="openai", model="gpt-4o"):
    rows = selectors.list_prices(provider=provider, model=model, known_at=at)
    return [
        row.amount for row in rows if (row.meter, row.conditions) == ("input_tokens", Conditions())
    ]


def stored_price(row):
    conditions = Conditions(*(getattr(row, name) for name in Conditions._fields))
    rate = Rate(row.amount, row.unit_size, row.currency)
    return PublishedPrice(row.meter_id, conditions, rate, row.valid_from, row.valid_to)


def state():
    tables = (Provider, AiModel, Recognition, Meter, ListPrice)
    return [list(table.objects.order_by("pk").values()) for table in tables]


def test_everything_that_is_published_is_there():
    catalog = published()
    assert Provider.objects.count() == len(catalog.providers) > 40
    assert AiModel.objects.count() == sum(len(one.models) for one in catalog.providers) > 2000
    prices = sum(len(model.prices) for one in catalog.providers for model in one.models)
    assert ListPrice.objects.count() == prices > 7000


def test_every_published_price_is_stored_digit_for_digit():
    stored = {
        (row.model.provider.code, row.model.code, stored_price(row))
        for row in ListPrice.objects.select_related("model__provider")
    }
    assert stored == {
        (one.code, model.code, price)
        for one in published().providers
        for model in one.models
        for price in model.prices
    }


def test_a_repetition_changes_nothing_and_records_nothing():
    before, head = state(), audit.head()
    report = services.import_list_prices(now=NOW)
    assert not report.changed
    assert (report.opened, report.closed) == (0, 0)
    assert state() == before
    assert audit.head() == head


def test_a_changed_price_closes_what_was_known_and_opens_a_new_row():
    report = run(with_model(published(), "openai", "gpt-4o", repriced("2.25")))
    assert (report.changed_models, report.said, report.proposed, report.opened) == (1, 2, 1, 0)
    assert input_price(NOW) == [Decimal("2.5")]
    assert input_price(AFTER) == [Decimal("2.25")]
    rows = ListPrice.objects.filter(
        model__code="gpt-4o", model__provider__code="openai", meter="input_tokens", batch=False
    ).filter(service_tier="", context_gt=0)
    assert sorted((row.known_from, row.known_to) for row in rows.order_by("id")) == [
        (FIRST, AFTER),
        (AFTER, None),
    ]
    approved, imported = audit.page(before=None, limit=2)
    assert (imported.action, imported.detail["proposed"]) == ("list_prices.imported", 1)
    assert (approved.action, approved.detail["published"]) == ("price_changes.approved", 1)


def test_going_back_is_a_third_row_and_history_answers_as_known_on():
    run(with_model(published(), "openai", "gpt-4o", repriced("2.25")))
    run(published(), NOW + timedelta(days=1))
    days = [NOW, AFTER, AFTER + timedelta(days=1)]
    assert [input_price(day) for day in days] == [[Decimal(p)] for p in ("2.5", "2.25", "2.5")]


def test_an_announced_price_splits_the_validity():
    start = datetime(2026, 12, 1, tzinfo=UTC)

    def announce(model):
        old = PublishedPrice("input_tokens", Conditions(), Rate(Decimal("2.5"), 10**6), None, start)
        new = old._replace(rate=Rate(Decimal(2), 10**6), valid_from=start, valid_to=None)
        ordinary = ("input_tokens", Conditions())
        kept = tuple(p for p in model.prices if (p.meter, p.conditions) != ordinary)
        return replace(model, prices=(old, new, *kept))

    report = run(with_model(published(), "openai", "gpt-4o", announce))
    assert (report.proposed, report.opened) == (1, 0)
    assert sorted(input_price(AFTER)) == [Decimal(2), Decimal("2.5")]


def test_a_delisted_model_keeps_its_prices_and_comes_back():
    report = run(with_model(published(), "openai", "gpt-4o", lambda _: None))
    assert report.delisted_models == 1
    assert input_price(NOW) == [Decimal("2.5")]
    index = selectors.model_index(provider="openai", known_at=NOW)
    assert index.find("gpt-4o-2024-08-06") == "gpt-4o"
    assert AiModel.objects.get(provider__code="openai", code="gpt-4o").delisted_at == NOW
    back = run(published(), NOW + timedelta(days=1))
    assert (back.changed_models, back.opened, back.closed, back.proposed) == (1, 0, 0, 0)
    assert AiModel.objects.get(provider__code="openai", code="gpt-4o").delisted_at is None


def test_recognition_is_kept_as_it_was_known():
    def renamed(model):
        return replace(model, match={"equals": "gpt-4o-renamed"})

    run(with_model(published(), "openai", "gpt-4o", renamed))
    before, after = (
        selectors.model_index(provider="openai", known_at=at)
        for at in (NOW - timedelta(seconds=1), NOW)
    )
    assert before.find("gpt-4o-2024-08-06") == "gpt-4o"
    assert before.find("gpt-4o-renamed") is None
    assert after.find("gpt-4o-2024-08-06") is None
    assert after.find("gpt-4o-renamed") == "gpt-4o"


def test_knowledge_only_grows_forward_in_time():
    run(with_model(published(), "openai", "gpt-4o", repriced("2.25")))
    before = state()
    with pytest.raises(services.ImportOutOfOrder):
        run(published(), NOW)
    with pytest.raises(services.ImportOutOfOrder):
        run(published(), NOW - timedelta(days=1))
    assert state() == before
    assert not run(with_model(published(), "openai", "gpt-4o", repriced("2.25")), FIRST).changed


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE catalog_listprice SET amount = 0",
        "UPDATE catalog_listprice SET valid_to = now()",
        "UPDATE catalog_listprice SET known_to = now(), currency = 'EUR'",
        "DELETE FROM catalog_listprice",
        "UPDATE catalog_recognition SET rules = '[]'",
        "DELETE FROM catalog_recognition",
    ],
)
def test_prices_and_recognition_are_immutable_even_by_raw_sql(statement):
    before = state()
    refused = pytest.raises(IntegrityError, match="only ever ends being known")
    with refused, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert state() == before


@pytest.mark.parametrize(
    ("changes", "constraint"),
    [
        ({"amount": Decimal(-1)}, "catalog_listprice_amount"),
        ({"unit_size": 3600}, "catalog_listprice_unit_size"),
        ({"currency": "usd"}, "catalog_listprice_currency"),
        ({"valid_from": NOW, "valid_to": NOW}, "catalog_listprice_validity"),
        ({"known_from": NOW, "known_to": NOW}, "catalog_listprice_known"),
        ({"context_gt": -1}, "catalog_listprice_context_gt"),
        ({"meter_id": "guesses"}, "catalog_listprice_meter"),
        ({}, "one_at_a_time"),
    ],
)
def test_the_database_refuses_what_cannot_be(changes, constraint):
    row = ListPrice.objects.filter(model__code="gpt-4o", known_to__isnull=True).first()
    terms = {f.attname: getattr(row, f.attname) for f in ListPrice._meta.concrete_fields}
    terms |= {"id": None, "known_from": NOW} | changes
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        ListPrice.objects.create(**terms)
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_command_and_task_say_what_they_did():
    out = io.StringIO()
    call_command("sync_prices", stdout=out)
    assert "genai-prices" in out.getvalue()
    assert "0 prices opened, 0 closed" in out.getvalue()
    before = state()
    sync_prices()
    assert state() == before


def test_the_import_goes_to_the_public_schema_from_anywhere(acme):
    run(with_model(published(), "openai", "gpt-4o", repriced("2.25")))
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('t_acme.catalog_listprice')")
        assert cursor.fetchone() == (None,)
    assert input_price(AFTER) == [Decimal("2.25")]
    assert connection.schema_name == acme.schema


def test_browsing_is_ordered_and_filtered():
    wanted = selectors.PriceFilter(provider="openai", text="gpt-4o mini", meter="input_tokens")
    rows = selectors.browse(wanted=wanted, known_at=NOW, limit=100)
    assert [row.sort_key for row in rows] == sorted(row.sort_key for row in rows)
    assert {row.model for row in rows} >= {"gpt-4o-mini", "gpt-4o-mini-transcribe"}
    assert {row.meter for row in rows} == {"input_tokens"}
    after = selectors.browse(wanted=wanted, known_at=NOW, after=rows[2].sort_key, limit=2)
    assert after == rows[3:5]
    before = selectors.browse(wanted=wanted, known_at=NOW, before=rows[3].sort_key, limit=2)
    assert before == rows[1:3]
