"""A sealed document never changes, by the ORM or by raw SQL; a series has no gap."""

from __future__ import annotations

import random
import threading
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django_tenants.utils import schema_context

from apps.core.domain.canonical import digest_of
from apps.documents import selectors
from apps.documents import services as documents
from apps.documents.domain.numbers import SeriesInvalid
from apps.documents.domain.states import DocumentNotDraft, State
from apps.documents.models import Document, DocumentLine, NumberSeries
from tests.documents.drafts import ISSUE, NOW, draft_october, seal


def refused(sql: str, *params: Any) -> str:
    """Run a statement in a savepoint and return the database's refusal."""
    with (
        pytest.raises(DatabaseError) as refusal,
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(sql, list(params))
    return str(refusal.value)


def test_a_draft_becomes_a_numbered_sealed_document(acme: Any) -> None:
    document = draft_october()
    assert seal(document) == ["STM-2026-10-0001"]
    facts = selectors.document(document)
    assert (facts.number, facts.state, facts.issued_at) == ("STM-2026-10-0001", State.SEALED, NOW)
    assert facts.issue == ISSUE
    assert facts.data_hash == digest_of(facts.payload)
    assert facts.total == Decimal("16027.14")
    assert sum(line.amount for line in DocumentLine.objects.all()) == facts.total


def test_numbers_follow_the_order_given_and_each_other(acme: Any) -> None:
    first, second, third = (draft_october(code=code) for code in ("C", "A", "B"))
    assert seal(second, third) == ["STM-2026-10-0001", "STM-2026-10-0002"]
    assert seal(first) == ["STM-2026-10-0003"]
    assert NumberSeries.objects.get().last == 3


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE documents_document SET total = total + 1",
        "UPDATE documents_document SET payload = '{}'::jsonb",
        "UPDATE documents_document SET state = 'draft'",
        "DELETE FROM documents_document",
        "TRUNCATE documents_document CASCADE",
        "UPDATE documents_documentline SET amount = amount + 1",
        "DELETE FROM documents_documentline",
        "INSERT INTO documents_documentline (document_id, position, key, section, heading, unit,"
        " exact, amount, facts) SELECT id, 999, 'x', 'direct', '', '', 1, 1, '{}' "
        "FROM documents_document",
        "UPDATE documents_numberseries SET last = 0",
        "DELETE FROM documents_numberseries",
    ],
)
def test_raw_sql_cannot_change_a_sealed_document(acme: Any, sql: str) -> None:
    document = draft_october()
    seal(document)
    before = selectors.document(document)
    lines = list(DocumentLine.objects.order_by("id").values())
    refused(sql)
    assert selectors.document(document) == before
    assert list(DocumentLine.objects.order_by("id").values()) == lines


def test_a_given_up_draft_stays_given_up(acme: Any) -> None:
    document = draft_october()
    assert documents.give_up(documents=[document]) == 1
    with pytest.raises(DocumentNotDraft):
        seal(document)
    with pytest.raises(DocumentNotDraft):
        documents.give_up(documents=[document])
    assert "sealed" in refused("UPDATE documents_document SET state = 'draft'")
    assert NumberSeries.objects.count() == 0


def test_sealing_twice_is_refused_and_takes_no_number(acme: Any) -> None:
    document, other = draft_october(), draft_october(code="other")
    seal(document)
    with pytest.raises(DocumentNotDraft):
        seal(other, document)
    assert NumberSeries.objects.get().last == 1
    assert selectors.document(other).state is State.DRAFT


def test_lines_that_do_not_sum_to_the_total_are_not_sealed(acme: Any) -> None:
    document = draft_october()
    Document.objects.filter(public_id=document).update(total=Decimal("16027.15"))
    with pytest.raises(IntegrityError, match="lines sum to"), transaction.atomic():
        seal(document)
    assert selectors.document(document).state is State.DRAFT


def test_a_document_is_born_a_draft(acme: Any) -> None:
    document = draft_october()
    assert "starts as a draft" in refused(
        "INSERT INTO documents_document (public_id, kind, month, subject_code, subject_name, title,"
        " currency, total, state, payload, data_hash, template_version, series, issue, created_at)"
        " SELECT gen_random_uuid(), kind, month, 'x', subject_name, title, currency, total, 'void',"
        " payload, data_hash, template_version, '', '{}', created_at FROM documents_document"
        " WHERE public_id = %s",
        document,
    )


def test_a_number_that_was_not_counted_does_not_commit(acme: Any) -> None:
    document = draft_october()
    seal(document)
    other = draft_october(code="other")
    with pytest.raises(IntegrityError, match="not taken from its series"), transaction.atomic():
        Document.objects.get(public_id=other).take_number(
            series="STM-2026-10", ordinal=7, number="STM-2026-10-0007", at=NOW, issue={}
        )
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_a_number_that_no_document_carries_does_not_commit(acme: Any) -> None:
    seal(draft_october())
    with (
        pytest.raises(IntegrityError, match="took 2 numbers for 0 documents"),
        transaction.atomic(),
    ):
        NumberSeries.objects.update(last=3)
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


@pytest.mark.parametrize("series", ["", "stm-2026-10", "STM-2026-10-", "STM 2026", "X" * 30])
def test_a_malformed_series_is_refused(acme: Any, series: str) -> None:
    document = draft_october()
    with pytest.raises(SeriesInvalid):
        seal(document, series=series)
    assert selectors.document(document).state is State.DRAFT


@pytest.mark.slow
def test_concurrent_finalisers_with_rollbacks_leave_no_gap_and_no_duplicate(
    fresh_tenant: Any,
) -> None:
    """Eight finalisers, a tenth of their transactions rolled back after the number was taken."""
    finalisers, each = 8, 25
    payload = _small()
    pending = [
        [draft_october(code=f"{worker}-{number}", payload=payload) for number in range(each)]
        for worker in range(finalisers)
    ]
    numbers: list[list[str]] = [[] for _ in range(finalisers)]
    rolled_back = [0] * finalisers
    faults: list[BaseException] = []

    class Crash(Exception):
        pass

    def finalise(worker: int) -> None:
        chance = random.Random(worker)
        try:
            with schema_context(fresh_tenant.schema):
                todo = list(pending[worker])
                while todo:
                    try:
                        with transaction.atomic():
                            number = seal(todo[0])[0]
                            if chance.random() < 0.1:
                                raise Crash
                    except Crash:
                        rolled_back[worker] += 1
                    else:
                        numbers[worker].append(number)
                        todo.pop(0)
        except BaseException as fault:
            faults.append(fault)
        finally:
            connection.close()

    threads = [threading.Thread(target=finalise, args=(worker,)) for worker in range(finalisers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert sum(rolled_back) > 0
    taken = sorted(number for own in numbers for number in own)
    assert taken == [f"STM-2026-10-{n:04d}" for n in range(1, finalisers * each + 1)]
    sealed = Document.objects.filter(state="sealed").order_by("ordinal")
    assert list(sealed.values_list("ordinal", flat=True)) == list(range(1, finalisers * each + 1))


def _small() -> dict[str, Any]:
    from tests.chargeback.sample import SEARCH, october_lines, payload_of

    return payload_of(SEARCH, october_lines()[:1])
