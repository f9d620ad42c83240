"""Prices under many hands: what commits, who waits, and what a process remembers."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connections, transaction
from django_tenants.utils import schema_context

from apps.core.domain.errors import Refusal
from apps.rating import selectors as rating
from apps.rating import services
from apps.rating.domain.prices import SkuKey
from apps.rating.models import ContractPrice, Price, PriceBookVersion
from tests.rating.conftest import NOW

GPT = SkuKey("openai", "gpt-4o")
SECOND = timedelta(seconds=1)


def in_threads(tenant, jobs):
    """Run jobs at once, each on a connection of its own; return results or refusals."""
    start = threading.Barrier(len(jobs))

    def run(job):
        try:
            with schema_context(tenant.schema):
                start.wait(timeout=20)
                return job()
        except Refusal as refusal:
            return refusal
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def test_of_many_overlapping_prices_one_is_recorded(fresh_tenant, actor, draft):
    def record(index):
        return lambda: services.record_contract_price(
            draft=draft(amount=Decimal(index + 1)), actor=actor, now=NOW
        )

    results = in_threads(fresh_tenant, [record(index) for index in range(8)])
    refused = [result for result in results if isinstance(result, services.PriceOverlaps)]
    assert len(refused) == 7
    assert ContractPrice.objects.count() == 1


def test_prices_recorded_at_once_become_known_one_after_the_other(fresh_tenant, actor, draft):
    def record(index):
        return lambda: services.record_contract_price(
            draft=draft(meter=f"gpu_seconds_{index}"), actor=actor, now=NOW
        )

    in_threads(fresh_tenant, [record(index) for index in range(8)])
    known = list(ContractPrice.objects.values_list("known_from", flat=True))
    assert len(known) == len(set(known)) == 8


def test_adopting_at_once_makes_one_version(fresh_tenant, actor, draft):
    services.record_contract_price(draft=draft(), actor=actor, now=NOW)
    before = PriceBookVersion.objects.count()
    results = in_threads(fresh_tenant, [lambda: services.adopt_version(actor=actor, now=NOW)] * 6)
    assert len(set(results)) == 1
    assert PriceBookVersion.objects.count() == before + 1


def test_adoption_waits_for_a_batch_and_the_next_batch_sees_it(fresh_tenant, actor, draft):
    services.record_contract_price(draft=draft(), actor=actor, now=NOW)
    version = rating.current_version().version
    holding, adopted = threading.Event(), threading.Event()
    order = []

    def ingest():
        with schema_context(fresh_tenant.schema), transaction.atomic():
            services.check_version(version=version)
            holding.set()
            assert not adopted.wait(timeout=0.5)
            order.append("batch")
        connections.close_all()

    def adopt():
        holding.wait(timeout=20)
        with schema_context(fresh_tenant.schema):
            services.adopt_version(actor=actor, now=NOW)
        order.append("adopted")
        adopted.set()
        connections.close_all()

    threads = [threading.Thread(target=target) for target in (ingest, adopt)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert order == ["batch", "adopted"]
    with transaction.atomic(), pytest.raises(services.PriceBookMoved):
        services.check_version(version=version)


def test_batches_do_not_wait_for_each_other(fresh_tenant):
    version = rating.current_version().version
    both = threading.Barrier(2)

    def ingest():
        with transaction.atomic():
            services.check_version(version=version)
            both.wait(timeout=10)
        return "done"

    assert in_threads(fresh_tenant, [ingest, ingest]) == ["done", "done"]


def test_a_price_used_first_by_many_is_one_row(fresh_tenant):
    quotes = {
        (GPT, meter): rating.price_book().quote(sku=GPT, meter=meter, at=NOW)
        for meter in ("input_tokens", "output_tokens", "cached_input_tokens")
    }
    results = in_threads(fresh_tenant, [lambda: services.price_ids(quotes=quotes)] * 8)
    assert all(result == results[0] for result in results)
    assert Price.objects.count() == 3


def test_a_process_keeps_a_book_by_version_and_forgets_nothing_too_early(
    fresh_tenant, actor, draft, django_assert_num_queries
):
    book = rating.price_book()
    assert book.quote(sku=GPT, meter="input_tokens", at=NOW) is not None
    with django_assert_num_queries(1):
        assert rating.price_book() is book
        book.quote(sku=GPT, meter="input_tokens", at=NOW + SECOND)
    services.record_contract_price(draft=draft(), actor=actor, now=NOW)
    assert rating.price_book() is book
    version = services.adopt_version(actor=actor, now=NOW)
    newer = rating.price_book()
    assert newer is not book
    assert newer.version == version
    assert rating.price_book(version=book.version) is book


def test_ids_of_used_prices_are_remembered_once_committed(fresh_tenant, django_assert_num_queries):
    quotes = {
        (GPT, "input_tokens"): rating.price_book().quote(sku=GPT, meter="input_tokens", at=NOW)
    }
    first = services.price_ids(quotes=quotes)
    with django_assert_num_queries(0):
        assert services.price_ids(quotes=quotes) == first


def test_ids_that_were_rolled_back_are_not_remembered(fresh_tenant):
    quote = rating.price_book().quote(sku=GPT, meter="output_tokens", at=NOW)
    quotes = {(GPT, "output_tokens"): quote}
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        services.price_ids(quotes=quotes)
        raise ZeroDivisionError
    assert not Price.objects.exists()
    (price,) = services.price_ids(quotes=quotes).values()
    assert Price.objects.get().pk == price


def test_a_book_read_in_a_transaction_is_not_kept(fresh_tenant):
    with transaction.atomic():
        assert rating.price_book() is not rating.price_book()
