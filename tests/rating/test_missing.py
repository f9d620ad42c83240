"""Why usage has no price, what it may cost at worst, and which names are alike."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import pytest

from apps.catalog.domain.conditions import Conditions
from apps.rating import selectors
from apps.rating.domain.likeness import near_models
from apps.rating.domain.missing import Basis, Reason, reason_of, worst_case
from apps.rating.domain.prices import BEGINNING, PriceRow, SkuKey
from tests.rating.book_of import moment, row

AT = moment("2026-01-15T00:00:00")
GPT = SkuKey("openai", "gpt-4o")


def why(
    *rows: PriceRow, sku: SkuKey = GPT, known: tuple[bool, bool] = (True, True), meter: str = ""
) -> Reason:
    return reason_of(rows=rows, sku=sku, meter=meter or "input_tokens", at=AT, known=known)


class TestReason:
    def test_unknown_names(self) -> None:
        assert why(known=(False, False)) is Reason.UNKNOWN_PROVIDER
        assert why(known=(True, False)) is Reason.UNKNOWN_MODEL
        service = SkuKey("", "ocr")
        assert why(sku=service, known=(False, False)) is Reason.UNKNOWN_SERVICE

    def test_a_model_without_any_price_lacks_the_meter(self) -> None:
        assert why() is Reason.NO_METER_PRICE
        assert why(row("output_tokens")) is Reason.NO_METER_PRICE

    def test_a_tier_of_its_own_needs_its_own_price(self) -> None:
        assert why(row(), sku=GPT._replace(service_tier="flex")) is Reason.NO_TIER_PRICE
        assert why(row(), sku=GPT._replace(batch=True)) is Reason.NO_TIER_PRICE

    def test_a_price_before_its_time(self) -> None:
        assert why(row(valid_from=moment("2026-02-01T00:00:00"))) is Reason.NOT_AT_TIME
        assert why(row(valid_to=AT)) is Reason.NOT_AT_TIME

    def test_two_equal_prices(self) -> None:
        assert why(row(), row(amount="3", valid_from=moment("2026-01-01T00:00:00"))) is (
            Reason.SEVERAL_MATCH
        )


class TestWorstCase:
    RATES = {"USD": Decimal(1), "EUR": Decimal("1.25"), "JPY": None}

    def of(self, *peers: PriceRow) -> selectors.Diagnosis | object:
        return worst_case(
            quantity=Decimal(3_000_000),
            peers=peers,
            basis=Basis.PROVIDER,
            currency="USD",
            convert=self.RATES.__getitem__,
        )

    def test_it_is_the_dearest_by_unit_and_rate(self) -> None:
        peers = (
            row(amount="2.5"),
            row(amount="0.003", unit_size=1_000),
            row(amount="2.60", currency="EUR"),
        )
        found = self.of(*peers)
        assert (found.amount, found.peers, found.price) == (Decimal("9.75"), 3, peers[2])

    def test_what_has_no_rate_does_not_compare(self) -> None:
        assert self.of(row(amount="900", currency="JPY")) is None
        assert self.of() is None
        found = self.of(row(amount="900", currency="JPY"), row())
        assert (found.amount, found.peers) == (Decimal("7.5"), 1)


class TestLikeness:
    MODELS = [
        ("openai", "gpt-4o"),
        ("openai", "gpt-4o-mini"),
        ("openai", "gpt-4.1"),
        ("anthropic", "claude-sonnet-4-5"),
        ("azure", "gpt-4o-mini"),
        ("cohere", "command-r"),
    ]

    def near(self, model: str, provider: str = "openai") -> list[tuple[str, str]]:
        found = near_models(provider=provider, model=model, candidates=self.MODELS, limit=3)
        return [near[1:] for near in found]

    @pytest.mark.parametrize("sent", ["gpt-4o-mini-2025-02-01", "GPT4o mini", "acme/gpt-4o-mini"])
    def test_the_likest_name_comes_first(self, sent: str) -> None:
        assert self.near(sent)[:2] == [("openai", "gpt-4o-mini"), ("azure", "gpt-4o-mini")]

    def test_nothing_alike_is_not_proposed(self) -> None:
        assert self.near("whisper-zx") == []

    def test_an_equal_name_is_wholly_alike(self) -> None:
        found = near_models(provider="", model="gpt-4.1", candidates=self.MODELS, limit=1)
        assert found[0].likeness == Fraction(1)


@pytest.mark.usefixtures("acme")
class TestDiagnostician:
    def diagnose(self, sku: SkuKey, meter: str = "input_tokens") -> selectors.Diagnosis:
        lacking = selectors.Lacking(
            sku, meter, Decimal(1_000_000), AT, datetime(2026, 1, 16, tzinfo=UTC)
        )
        return self.doctor.diagnose(lacking)

    @pytest.fixture(autouse=True)
    def _doctor(self, acme: object) -> None:
        self.doctor = selectors.Diagnostician(
            book=selectors.price_book(), currency="USD", convert={"USD": Decimal(1)}.get
        )

    def test_a_model_of_a_known_provider_is_bounded_by_its_peers(self) -> None:
        found = self.diagnose(SkuKey("anthropic", "claude-next"))
        assert found.reason is Reason.UNKNOWN_MODEL
        assert found.worst is not None
        assert (found.worst.basis, found.worst.price.provider) == (Basis.PROVIDER, "anthropic")
        opus = selectors.price_book().rows(sku=SkuKey("anthropic", "claude-opus-4-0"))
        dearest = max(r.amount for r in opus if r.meter == "input_tokens")
        assert found.worst.amount >= dearest

    def test_an_unknown_provider_is_bounded_by_anybody(self) -> None:
        found = self.diagnose(SkuKey("house", "model"))
        assert (found.reason, found.worst.basis) == (Reason.UNKNOWN_PROVIDER, Basis.ANY)

    def test_nobody_knows_a_meter_of_its_own(self) -> None:
        found = self.diagnose(SkuKey("", "ocr"), "pages_scanned")
        assert (found.reason, found.worst) == (Reason.UNKNOWN_SERVICE, None)

    def test_a_tier_without_a_price(self) -> None:
        found = self.diagnose(SkuKey("openai", "gpt-4o", service_tier="gold"))
        assert found.reason is Reason.NO_TIER_PRICE

    def test_near_names_come_from_the_provider_first(self) -> None:
        found = self.doctor.near(provider="openai", model="gpt-4o-house", meter="input_tokens")
        assert found[0][1:] == ("openai", "gpt-4o")
        assert {near.provider for near in found} == {"openai"}
        found = self.doctor.near(provider="openai", model="gpt-4o", meter="input_tokens")
        assert ("openai", "gpt-4o") not in [near[1:] for near in found]
        found = self.doctor.near(provider="house", model="gpt-4o-x", meter="input_tokens")
        assert found[0].model == "gpt-4o"


def test_a_conditioned_price_is_no_price_of_the_plain_sku() -> None:
    flex = row(conditions=Conditions(service_tier="flex"), valid_from=BEGINNING)
    assert why(flex) is Reason.NO_TIER_PRICE
