"""Publication with review on the real database: agreement, people, replays, and refusals."""

from __future__ import annotations

import io
import uuid
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction

from apps.audit import selectors as audit
from apps.catalog import selectors, services
from apps.catalog.models import (
    AiModel,
    ListPrice,
    PriceChange,
    PriceDecision,
    PriceImport,
    PriceObservation,
)
from apps.core.domain.access import shell_actor, system_actor
from apps.core.domain.errors import Forbidden
from tests.catalog.reviewers import approve, operator, waiting
from tests.catalog.test_import import NOW, input_price, published, repriced, with_model
from tests.catalog.test_sources import entries, sheet, shipped

LATER = NOW + timedelta(days=1)
SHELL = shell_actor("tests")
pytestmark = pytest.mark.django_db


def litellm(now=NOW, **models):
    """Load LiteLLM's file with these entries."""
    return services.load_prices(
        source="litellm", content=entries(**models), file_name="m.json", actor=SHELL, now=now
    )


def gpt(price: float, **more):
    """An entry of gpt-4o with a price a token of input."""
    return {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": price, **more}


def genai(amount: str, now=LATER):
    """Import genai-prices with another price of gpt-4o's input, a million."""
    return services.import_catalog(
        catalog=with_model(published(), "openai", "gpt-4o", repriced(amount)),
        now=now,
        actor=system_actor("tests"),
    )


def load_sheet(*rows, now=NOW):
    return services.load_prices(
        source="sheet", content=sheet(*rows), file_name="s.csv", actor=SHELL, now=now
    )


def everything():
    tables = (ListPrice, PriceChange, PriceDecision, PriceObservation)
    return [list(table.objects.order_by("pk").values()) for table in tables]


# -- the first source -------------------------------------------------------------------------


def test_the_first_source_is_taken_whole_and_recorded_as_such():
    first = PriceImport.objects.order_by("pk").first()
    assert first is not None
    assert (first.source, first.is_baseline, first.proposed) == ("genai-prices", True, 0)
    assert ListPrice.objects.count() == first.prices == PriceObservation.objects.count()
    assert not ListPrice.objects.exclude(change=None).exists()
    assert not PriceChange.objects.exists()
    assert "list_prices.taken_whole" in {row.action for row in audit.page(before=None, limit=500)}


# -- agreement --------------------------------------------------------------------------------


def test_one_source_alone_changes_nothing_until_a_person_approves():
    report = genai("2.25")
    assert (report.published, report.proposed, report.opened) == (0, 1, 0)
    assert input_price(LATER) == [Decimal("2.5")]
    (change,) = waiting()
    assert (change.kind, change.old_amount, change.amount) == ("changed", 2.5, Decimal("2.25"))
    assert (change.agreeing, change.differing, change.approvers) == (1, 0, 1)
    after = LATER + timedelta(hours=1)
    assert approve(change, now=after) == services.Decided(1, 0, 0, 0)
    assert input_price(LATER) == [Decimal("2.5")]
    assert input_price(after) == [Decimal("2.25")]
    row = ListPrice.objects.get(change=change)
    assert (row.known_from, row.source) == (after, "genai-prices 0.2.3")


def test_a_change_is_published_at_once_when_a_second_source_states_it_already():
    litellm(**{"gpt-4o": gpt(2.24e-06)})
    (theirs,) = waiting()
    assert theirs.differing == 1
    report = genai("2.25")  # within a percent of LiteLLM's, and says since when
    assert (report.published, report.proposed, report.superseded, report.opened) == (1, 0, 1, 1)
    assert input_price(LATER) == [Decimal("2.25")]
    change = PriceChange.objects.get(state="published")
    assert (change.basis, change.agreeing, change.differing) == ("agreement", 2, 0)


def test_a_waiting_change_is_published_when_a_second_source_comes_to_agree():
    genai("2.25", now=NOW)
    report = litellm(now=LATER, **{"gpt-4o": gpt(2.25e-06)})
    assert (report.published, report.proposed) == (1, 0)
    assert input_price(LATER) == [Decimal("2.25")]
    assert not waiting()


def test_sources_that_differ_leave_it_to_a_person():
    litellm(**{"gpt-4o": gpt(2.0e-06)})
    report = genai("2.25")
    assert (report.published, report.proposed) == (0, 1)
    changes = waiting()
    assert [(one.source, one.agreeing, one.differing) for one in changes] == [
        ("litellm", 1, 1),
        ("genai-prices", 1, 1),
    ]
    assert input_price(LATER) == [Decimal("2.5")]


def test_a_rounding_within_a_percent_of_what_another_states_is_no_change():
    report = litellm(**{"gpt-4o": gpt(2.51e-06)})
    assert (report.said, report.proposed, report.published) == (1, 0, 0)


def test_a_price_two_sources_state_of_a_model_without_one_is_published():
    assert litellm(**{"gpt-4o": gpt(2.5e-06, cache_creation_input_token_cost_above_30min=4e-06)})
    (first,) = waiting()
    assert (first.kind, first.meter, first.agreeing) == ("new_price", "cache_write_30m_tokens", 1)
    row = "openai,gpt-4o,cache_write_30m_tokens,,4.00,1000000,USD,2026-10-01T00:00:00Z,,"
    assert load_sheet(row, now=LATER).published == 1
    price = ListPrice.objects.get(meter="cache_write_30m_tokens", model__code="gpt-4o")
    assert price.amount == 4
    assert not waiting()


def test_an_agreed_price_starts_at_its_own_beginning():
    row = "openai,gpt-4o,input_tokens,,2.00,1000000,USD,2026-12-01T16:00:30Z,2027-01-01T00:00:00Z,"
    load_sheet(row)
    (change,) = waiting()
    approve(change, now=LATER)
    rows = selectors.list_prices(provider="openai", model="gpt-4o", known_at=LATER)
    spans = [
        (one.amount, one.valid_from and one.valid_from.isoformat(), one.valid_to is None)
        for one in rows
        if (one.meter, one.conditions.in_words()) == ("input_tokens", "")
    ]
    assert sorted(spans, key=str) == [
        (Decimal(2), "2026-12-01T16:00:30+00:00", False),
        (Decimal("2.5"), "2027-01-01T00:00:00+00:00", True),
        (Decimal("2.5"), None, False),
    ]


# -- replays ----------------------------------------------------------------------------------


def test_the_same_file_again_changes_nothing():
    content = entries(**{"gpt-4o": gpt(2.0e-06), "wish-1": gpt(1e-06, cost_per_wish=1)})
    first = services.load_prices(
        source="litellm", content=content, file_name="m.json", actor=SHELL, now=NOW
    )
    assert (first.said, first.proposed, first.not_taken) == (2, 2, 1)
    before, head = everything(), audit.head()
    again = services.load_prices(
        source="litellm", content=content, file_name="m.json", actor=SHELL, now=LATER
    )
    assert not again.changed
    assert (again.proposed, again.published, again.superseded) == (0, 0, 0)
    assert (everything(), audit.head()) == (before, head)


def test_a_rejected_change_is_not_proposed_again_by_the_same_words():
    litellm(**{"gpt-4o": gpt(2.0e-06)})
    (change,) = waiting()
    decision = services.Decision(
        changes=(change.public_id,), verdict=services.Verdict.REJECT, reason="a typing error"
    )
    assert services.decide(decision=decision, actor=operator(), now=LATER).rejected == 1
    assert litellm(now=LATER, **{"gpt-4o": gpt(2.0e-06)}).proposed == 0
    assert not waiting()
    assert input_price(LATER) == [Decimal("2.5")]


def test_a_change_that_its_source_takes_back_becomes_pointless():
    genai("2.25", now=NOW)
    report = genai("2.5", now=LATER)
    assert (report.superseded, report.proposed) == (1, 0)
    assert PriceChange.objects.get().state == "superseded"


def test_a_new_word_of_the_source_replaces_the_waiting_one():
    genai("2.25", now=NOW)
    report = genai("2.00", now=LATER)
    assert (report.superseded, report.proposed) == (1, 1)
    assert [one.amount for one in waiting()] == [2]


def test_a_model_that_a_source_drops_keeps_its_prices_and_a_dropped_price_is_withdrawn():
    litellm(**{"gpt-4o": gpt(2.5e-06), "gpt-4o-mini": gpt(1.5e-07, output_cost_per_token=6e-07)})
    report = litellm(now=LATER, **{"gpt-4o-mini": gpt(1.5e-07)})
    assert (report.proposed, report.superseded) == (1, 0)
    (change,) = waiting()
    assert (change.kind, change.model, change.meter) == (
        "withdrawn",
        "gpt-4o-mini",
        "output_tokens",
    )
    assert change.differing == 1  # genai-prices still states it
    assert input_price(LATER) == [Decimal("2.5")]


def test_a_sheet_adds_to_what_sheets_said():
    head = "openai,gpt-4o,input_tokens,,"
    load_sheet(f"{head}2.00,1000000,USD,2026-12-01T00:00:00Z,,")
    load_sheet(f"{head}1.50,1000000,USD,2027-01-01T00:00:00Z,,", now=LATER)
    said = PriceObservation.objects.filter(source="sheet", known_to=None).order_by("valid_from")
    assert [(one.amount, one.valid_to is None) for one in said] == [
        (2, False),
        (Decimal("1.5"), True),
    ]
    assert sorted(one.amount for one in waiting()) == [Decimal("1.5"), 2]


# -- a hundred times --------------------------------------------------------------------------


def test_a_price_a_hundred_times_away_needs_a_second_other_person():
    genai("250", now=NOW)
    (change,) = waiting()
    assert (change.approvers, change.caution) == (2, "100 times the price before")
    ada, ben = operator("ada@platform.example"), operator("ben@platform.example")
    assert approve(change, by=ada, now=LATER) == services.Decided(0, 1, 0, 0)
    assert input_price(LATER) == [Decimal("2.5")]
    with pytest.raises(services.SecondPersonNeeded, match="another person"):
        approve(change, by=ada, now=LATER)
    assert input_price(LATER) == [Decimal("2.5")]
    assert approve(change, by=ben, now=LATER).published == 1
    assert input_price(LATER) == [Decimal(250)]
    assert PriceDecision.objects.filter(change=change).count() == 2


def test_two_sources_that_agree_on_a_slip_do_not_publish_it():
    litellm(**{"gpt-4o": gpt(2.5e-04)})
    report = genai("250")
    assert (report.published, report.proposed) == (0, 1)
    assert {one.approvers for one in waiting()} == {2}
    assert input_price(LATER) == [Decimal("2.5")]


def test_a_new_price_far_from_its_peers_needs_two_people():
    row = "openai,gpt-9,input_tokens,,3000.00,1000000,USD,2026-11-01T00:00:00Z,,"
    load_sheet(row)
    (change,) = waiting()
    assert (change.kind, change.approvers) == ("new_model", 2)
    assert change.caution.endswith("the median of the provider's other models")


def test_what_became_far_since_it_was_proposed_needs_two_people_after_all():
    row = "openai,gpt-4o,input_tokens,,0.026,1000000,USD,2026-12-01T00:00:00Z,,"
    load_sheet(row)
    (change,) = waiting()
    assert change.approvers == 1  # 1/96 of what is listed
    genai("3.00")
    (_, other) = waiting()
    approve(other, now=LATER + timedelta(hours=1))
    decided = approve(change, now=LATER + timedelta(hours=2))
    assert (decided.published, decided.waiting) == (0, 1)
    change.refresh_from_db()
    assert (change.state, change.approvers) == ("proposed", 2)


# -- new models -------------------------------------------------------------------------------


def test_a_model_the_catalogue_lacks_becomes_known_with_its_first_published_price():
    litellm(**{"acme-llm/wise-1": {"litellm_provider": "acme-llm", "input_cost_per_token": 1e-06}})
    assert not AiModel.objects.filter(code="wise-1").exists()
    (change,) = waiting()
    assert (change.kind, change.provider, change.model) == ("new_model", "acme-llm", "wise-1")
    approve(change, now=LATER)
    model = AiModel.objects.get(provider__code="acme-llm", code="wise-1")
    assert model.source == change.source_label
    index = selectors.model_index(provider="acme-llm", known_at=LATER + timedelta(seconds=1))
    assert index.find("Wise-1") == "wise-1"
    report = services.import_list_prices(now=LATER + timedelta(days=1))
    assert report.delisted_models == 0  # what another source brought is not genai-prices' to drop


# -- who may decide ---------------------------------------------------------------------------


def test_only_a_person_who_administers_decides():
    genai("2.25", now=NOW)
    (change,) = waiting()
    before = everything()
    for actor in (SHELL, system_actor("tests"), replace(operator(), scopes=frozenset())):
        with pytest.raises(Forbidden):
            approve(change, by=actor, now=LATER)
    with pytest.raises(Forbidden):
        services.load_prices(
            source="sheet",
            content=sheet(),
            file_name="",
            actor=replace(operator(), scopes=frozenset()),
            now=LATER,
        )
    assert everything() == before


@pytest.mark.parametrize(
    ("verdict", "reason", "error"),
    [
        (services.Verdict.REJECT, " ", services.DecisionNotValid),
        (services.Verdict.APPROVE, "x" * 501, services.DecisionNotValid),
    ],
)
def test_a_decision_that_is_not_valid_changes_nothing(verdict, reason, error):
    genai("2.25", now=NOW)
    (change,) = waiting()
    before = everything()
    decision = services.Decision(changes=(change.public_id,), verdict=verdict, reason=reason)
    with pytest.raises(error):
        services.decide(decision=decision, actor=operator(), now=LATER)
    assert everything() == before


def test_all_or_none_and_one_price_a_subject():
    litellm(**{"gpt-4o": gpt(2.0e-06)})
    genai("2.25")
    first, second = waiting()
    before = everything()
    with pytest.raises(services.DecisionNotValid, match="at the same time"):
        approve(first, second, now=LATER)
    ghost = PriceChange(public_id=uuid.uuid4())
    with pytest.raises(services.ChangeUnknown):
        approve(first, ghost, now=LATER)
    assert everything() == before
    approve(second, now=LATER)
    with pytest.raises(services.ChangeSettled, match="published already"):
        approve(second, now=LATER)
    assert [one.pk for one in waiting()] == [first.pk]


# -- order of knowledge -----------------------------------------------------------------------


def test_an_import_dated_in_the_past_is_refused_and_changes_nothing():
    genai("2.25", now=LATER)
    before, imports = everything(), PriceImport.objects.count()
    for load in (
        lambda: litellm(now=LATER, **{"gpt-4o": gpt(2.0e-06)}),
        lambda: litellm(now=NOW, **{"gpt-4o": gpt(2.0e-06)}),
        lambda: genai("2.00", now=NOW),
    ):
        with pytest.raises(services.ImportOutOfOrder):
            load()
    assert (everything(), PriceImport.objects.count()) == (before, imports)


def test_an_approval_is_known_after_everything_that_is_known():
    genai("2.25", now=NOW)
    litellm(**{"acme/wise": {"litellm_provider": "acme", "input_cost_per_token": 1e-06}}, now=LATER)
    first, second = waiting()
    approve(second, now=LATER + timedelta(hours=2))
    approve(first, now=LATER)  # a clock that is behind
    row = ListPrice.objects.get(change=first)
    assert row.known_from > LATER + timedelta(hours=2)


PUBLISH = "UPDATE catalog_pricechange SET state='published', settled_at=now(),"

# -- the database itself ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        (f"{PUBLISH} basis='person'", "people"),
        (f"{PUBLISH} basis='agreement'", "agreement of two"),
        (f"{PUBLISH} basis='agreement', agreeing=2", "agreement of two"),
        ("UPDATE catalog_pricechange SET state='rejected', settled_at=now()", "a person rejects"),
        ("UPDATE catalog_pricechange SET approvers=1", "fixed once"),
        ("UPDATE catalog_pricechange SET amount=1", "fixed once"),
        ("UPDATE catalog_pricechange SET state='published'", "."),
        ("DELETE FROM catalog_pricechange", "are kept"),
        ("UPDATE catalog_priceobservation SET amount=1", "only ever ends being known"),
        ("DELETE FROM catalog_priceobservation", "only ever ends being known"),
        ("UPDATE catalog_priceimport SET prices=1", "append-only"),
        ("DELETE FROM catalog_priceimport", "append-only"),
        ("UPDATE catalog_pricedecision SET verdict='reject'", "append-only"),
        ("DELETE FROM catalog_pricedecision", "append-only"),
    ],
)  # fmt: skip
def test_the_database_itself_holds_the_review(statement, says):
    genai("250", now=NOW)
    approve(waiting()[0], now=LATER)
    before = everything()
    refused = pytest.raises(IntegrityError, match=says)
    with refused, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert everything() == before


def test_the_database_counts_two_different_people():
    genai("250", now=NOW)
    (change,) = waiting()
    ada = operator()
    said = {"change": change, "decided_by": "ada", "verdict": "approve", "decided_at": LATER}
    PriceDecision.objects.create(user_id=ada.user_id, **said)
    with pytest.raises(IntegrityError, match="one_a_person"), transaction.atomic():
        PriceDecision.objects.create(user_id=ada.user_id, **said)
    publish = {"state": "published", "basis": "person", "settled_at": LATER}
    with pytest.raises(IntegrityError, match="needs 2 people"), transaction.atomic():
        PriceChange.objects.filter(pk=change.pk).update(**publish)
    PriceDecision.objects.create(user_id=operator("ben@platform.example").user_id, **said)
    assert PriceChange.objects.filter(pk=change.pk).update(**publish) == 1
    with pytest.raises(IntegrityError, match="settled already"), transaction.atomic():
        PriceDecision.objects.create(user_id=operator("cy@platform.example").user_id, **said)
    with pytest.raises(IntegrityError, match="settled already"), transaction.atomic():
        PriceChange.objects.filter(pk=change.pk).update(state="superseded", basis="")


# -- the whole file, and the commands ---------------------------------------------------------


def test_the_whole_file_of_the_installed_package_goes_through():
    report = services.load_prices(
        source="litellm", content=shipped(), file_name="m.json", actor=SHELL, now=NOW
    )
    assert report.prices > 10_000
    assert (report.opened, report.closed) == (
        0,
        0,
    )  # it is the second word, and alone with its news
    state = {one.code: one for one in selectors.sources(now=NOW)}["litellm"]
    assert state.agreement.agreeing > 2_000
    assert 50 < state.agreement.differing < 300
    assert state.waiting == report.proposed == sum(
        n for kind, n in selectors.waiting_counts().items() if kind != "two"
    )  # fmt: skip
    listed = selectors.changes(wanted=selectors.ChangeFilter(state="proposed"), limit=50)
    last = listed[-1]
    after = selectors.changes(
        wanted=selectors.ChangeFilter(state="proposed"),
        limit=50,
        after=(*last.subject[:3], last.id),
    )
    assert {one.id for one in listed}.isdisjoint(one.id for one in after)


def test_the_commands_say_what_was_published_and_what_waits(tmp_path):
    file = tmp_path / "prices.json"
    file.write_bytes(entries(**{"gpt-4o": gpt(2.0e-06, cost_per_wish=1)}))
    out = io.StringIO()
    call_command("load_prices", str(file), source="litellm", stdout=out)
    assert "1 statements differ" in out.getvalue()
    assert "1 wait for a person" in out.getvalue()
    assert "cost_per_wish: the key is not known" in out.getvalue()
    out = io.StringIO()
    call_command("sync_prices", stdout=out)
    assert "Waiting for a person at /prices/changes/: 1 changed prices." in out.getvalue()
    file.write_bytes(b"no")
    with pytest.raises(CommandError, match="is no JSON"):
        call_command("load_prices", str(file), source="litellm")
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("load_prices", str(tmp_path / "none"), source="litellm")


def test_history_answers_in_both_times():
    genai("2.25", now=NOW)
    (change,) = waiting()
    approve(change, now=LATER)
    subject = selectors.change(public_id=change.public_id).subject
    then = selectors.history(subject=subject, known_at=NOW)
    today = selectors.history(subject=subject, known_at=LATER)
    assert [row.rate.amount for row in then.believed] == [Decimal("2.5")]
    assert [row.rate.amount for row in today.believed] == [Decimal("2.25")]
    assert [(row.basis, row.known_to) for row in today.rows] == [
        ("person", None),
        ("baseline", LATER),
    ]
    assert subject in selectors.subjects_of(provider="openai", model="gpt-4o")
