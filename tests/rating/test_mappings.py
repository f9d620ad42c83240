"""What sent models mean: taken by the book from the right moment on, and never changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from apps.audit.models import AuditRecord
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Forbidden
from apps.rating import selectors, services
from apps.rating.domain.book import PriceBook, SkuKey
from apps.rating.domain.mapping import Meaning
from apps.rating.domain.prices import BEGINNING
from apps.rating.models import ModelMapping
from tests.rating.book_of import PlainSource, moment, row

NOW = datetime(2026, 1, 20, 12, tzinfo=UTC)
FINANCE = Actor(kind="key", label="key:finance", scopes=frozenset({Scope.PRICES_WRITE}))


def sku(book: PriceBook, model: str, at: datetime, provider: str = "openai") -> SkuKey:
    return book.sku_for(
        provider=provider,
        model=model,
        service_tier=None,
        batch=False,
        region=None,
        context_tokens=10,
        at=at,
    )


def book_with(*said: Meaning) -> PriceBook:
    source = PlainSource([row(), row(model="gpt-5", amount="9"), row("output_tokens", "10")])
    source.said = said
    return PriceBook(version=1, source=source)


class TestBook:
    START, END = moment("2026-01-10T08:00:00"), moment("2026-01-12T00:00:00")
    SAID = Meaning("openai", "house-model", "openai", "gpt-4o", START, END)

    def test_a_meaning_holds_from_its_start_to_before_its_end(self) -> None:
        book = book_with(self.SAID)
        tick = timedelta(microseconds=1)
        found = [
            sku(book, "House-Model", at).model
            for at in (self.START - tick, self.START, self.END - tick, self.END)
        ]
        assert found == ["House-Model", "gpt-4o", "gpt-4o", "House-Model"]

    def test_what_it_means_is_priced(self) -> None:
        book = book_with(self.SAID)
        found = sku(book, "house-model", self.START)
        quote = book.quote(sku=found, meter="input_tokens", at=self.START)
        assert quote is not None
        assert str(quote.amount) == "2.5"

    def test_breakpoints_name_both_edges(self) -> None:
        points = book_with(self.SAID).breakpoints(
            provider="openai", model="house-model", service_tier=None, batch=False, region=None
        )
        assert points.instants == (self.START, self.END)

    def test_a_meaning_is_final(self) -> None:
        again = Meaning("openai", "gpt-4o", "openai", "gpt-5", BEGINNING, self.END)
        book = book_with(self.SAID, again)
        assert sku(book, "house-model", self.START).model == "gpt-4o"
        assert sku(book, "gpt-4o", self.START).model == "gpt-5"
        assert sku(book, "gpt-4o-2024", self.END).model == "gpt-4o"

    def test_other_names_are_untouched(self) -> None:
        plain, mapped = book_with(), book_with(self.SAID)
        for name in ("gpt-4o", "other", "house-model-2"):
            assert sku(plain, name, self.START) == sku(mapped, name, self.START)


def draft(**changes: Any) -> services.MappingDraft:
    said = {
        "sent_provider": "OpenAI",
        "sent_model": "House-GPT",
        "provider": "openai",
        "model": "gpt-4o",
        "valid_from": datetime(2026, 1, 1, tzinfo=UTC),
        **changes,
    }
    return services.MappingDraft(**said)


def record(**changes: Any) -> UUID:
    return services.record_mapping(draft=draft(**changes), actor=FINANCE, now=NOW)


@pytest.mark.usefixtures("acme")
class TestServices:
    def test_it_is_kept_under_the_names_that_usage_is_looked_up_by(self) -> None:
        found = selectors.mapping(record(model="gpt-4o-2024-08-06"))
        assert (found.sent_provider, found.sent_model) == ("openai", "house-gpt")
        assert (found.provider, found.model) == ("openai", "gpt-4o")
        entry = AuditRecord.objects.latest("sequence")
        assert (entry.action, entry.subject_id) == ("model_mapping.recorded", str(found.id))

    def test_it_means_nothing_before_adoption_and_for_ever_after(self) -> None:
        at = datetime(2026, 1, 5, tzinfo=UTC)
        before = selectors.current_version().version
        found = record()
        assert sku(selectors.price_book(), "house-gpt", at).model == "house-gpt"
        after = services.adopt_version(actor=FINANCE, now=NOW)
        assert sku(selectors.price_book(), "house-gpt", at).model == "gpt-4o"
        services.withdraw_mapping(mapping=found, reason="wrong", actor=FINANCE, now=NOW)
        last = services.adopt_version(actor=FINANCE, now=NOW)
        books = [selectors.price_book(version=v) for v in (before, after, last)]
        assert [sku(book, "house-gpt", at).model for book in books] == [
            "house-gpt",
            "gpt-4o",
            "house-gpt",
        ]

    def test_a_sent_model_means_one_thing_at_a_time(self) -> None:
        first = record()
        with pytest.raises(services.MappingOverlaps, match="means openai gpt-4o already"):
            record(model="gpt-4o-mini")
        ended = services.end_mapping(
            mapping=first, valid_to=datetime(2026, 1, 10, tzinfo=UTC), actor=FINANCE, now=NOW
        )
        record(model="gpt-4o-mini", valid_from=datetime(2026, 1, 10, tzinfo=UTC))
        standing = [m for m in selectors.mappings() if m.is_believed]
        assert sorted(m.model for m in standing) == ["gpt-4o", "gpt-4o-mini"]
        assert selectors.mapping(ended).valid_to == datetime(2026, 1, 10, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"model": "no-such-model"}, "model"),
            ({"sent_model": "gpt-4o"}, "model"),
            ({"sent_model": " "}, "sent_model"),
            ({"sent_model": "a\x00b"}, "sent_model"),
            ({"valid_from": datetime(2026, 1, 1)}, "valid_from"),
            ({"valid_to": datetime(2025, 1, 1, tzinfo=UTC)}, "valid_to"),
            ({"note": "x" * 501}, "note"),
        ],
    )
    def test_what_cannot_be_is_refused_by_field(self, changes: dict[str, Any], field: str) -> None:
        with pytest.raises(services.MappingNotValid) as caught:
            record(**changes)
        assert caught.value.errors[0].field == field
        assert ModelMapping.objects.count() == 0

    def test_it_needs_the_scope(self) -> None:
        stranger = Actor(kind="key", label="m", scopes=frozenset({Scope.USAGE_CORRECT}))
        with pytest.raises(Forbidden):
            services.record_mapping(draft=draft(), actor=stranger, now=NOW)
        assert ModelMapping.objects.count() == 0

    def test_the_database_keeps_it(self) -> None:
        record()
        for statement in (
            "UPDATE rating_modelmapping SET model = 'gpt-5'",
            "UPDATE rating_modelmapping SET valid_to = now()",
            "DELETE FROM rating_modelmapping",
            "TRUNCATE rating_modelmapping CASCADE",
        ):
            with (
                pytest.raises(DatabaseError),
                transaction.atomic(),
                connection.cursor() as cursor,
            ):
                cursor.execute(statement)
        with pytest.raises(IntegrityError, match="no_overlap"), transaction.atomic():
            ModelMapping.objects.create(
                sent_provider="openai",
                sent_model="house-gpt",
                provider="openai",
                model="gpt-5",
                valid_from=NOW,
                known_from=NOW + timedelta(days=1),
                created_by="raw",
            )
