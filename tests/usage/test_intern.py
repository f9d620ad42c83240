"""Tag sets and SKUs get their numbers once; caps protect the tenant, memory never lies."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django_tenants.utils import schema_context

from apps.usage import services as usage
from apps.usage.models import Event, EventKey, InternCount, Rollup, SentSku, TagSet
from apps.usage.services import intern
from tests.ingest.factories import NOW, event, send


def test_equal_tags_in_another_order_are_one_tag_set(acme: Any) -> None:
    tags = {"team": "search", "feature": "sum"}
    send([event("a", tags=tags), event("b", tags=dict(reversed(tags.items())))])
    assert TagSet.objects.count() == 1


def test_the_reserved_parts_tell_tag_sets_apart(acme: Any) -> None:
    send([event("a", account="x"), event("b", account="y"), event("c", operation="chat")])
    assert TagSet.objects.count() == 3


@pytest.mark.parametrize(
    ("limit", "changes", "code"),
    [
        ("TAG_SET_LIMIT", {"tags": {"team": "one-too-many"}}, "tag_set_limit"),
        ("SENT_SKU_LIMIT", {"model": "z-one-too-many"}, "model_limit"),
    ],
)
def test_a_cap_refuses_what_is_new_and_takes_the_rest(
    acme: Any, monkeypatch: pytest.MonkeyPatch, limit: str, changes: Any, code: str
) -> None:
    monkeypatch.setattr(intern, limit, 1)
    receipt = send([event("a"), event("b", **changes), event("c")])
    assert (receipt.accepted, receipt.rejected) == (2, 1)
    assert receipt.errors[0].code == code
    assert send([event("d", **changes)]).rejected == 1
    later = send([event("e", **changes)], received_at=NOW + timedelta(days=40))
    assert later.accepted == 1
    assert InternCount.objects.count() == 2


def test_caps_hold_in_the_database(acme: Any) -> None:
    from django.db import IntegrityError

    with pytest.raises(IntegrityError, match="tag_set_limit"), transaction.atomic():
        InternCount.objects.create(month=NOW.date().replace(day=1), tag_sets=100_001)


def test_numbers_of_a_rolled_back_transaction_are_forgotten(acme: Any) -> None:
    with transaction.atomic():
        send([event("a")])
        transaction.set_rollback(True)
    assert (TagSet.objects.count(), SentSku.objects.count()) == (0, 0)
    send([event("a")])
    assert Event.objects.get().tag_set == TagSet.objects.get().pk


def test_two_tenants_in_turn_on_one_thread(acme: Any, globex: Any) -> None:
    """Raw statements and COPY go where the connection is now, not where it was before."""
    for turn in range(3):
        for tenant in (acme, globex):
            with schema_context(tenant.schema):
                send([event(f"{tenant.slug}-{turn}", tags={"team": tenant.slug})])
    for tenant in (acme, globex):
        with schema_context(tenant.schema):
            names = {key.event_id for key in EventKey.objects.all()}
            assert names == {f"{tenant.slug}-{turn}" for turn in range(3)}
            assert Event.objects.count() == 3
            assert {tags.tags["team"] for tags in TagSet.objects.all()} == {tenant.slug}
            assert Rollup.objects.get(meter="requests").quantity == 3
            assert usage.verify_rollups() == []


def test_no_table_of_a_tenant_lies_in_public(acme: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' "
            "AND (tablename LIKE 'usage%' OR tablename LIKE 'ingest%')"
        )
        assert cursor.fetchall() == []
