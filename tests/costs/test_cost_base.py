"""The cost base through the real door of usage and the real import of bills."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest

from apps.core.domain.access import Role
from apps.core.domain.errors import Forbidden
from apps.core.domain.months import Month
from apps.costs import selectors, services
from apps.costs.domain.accounts import AccountDraft, Feed, Truth
from apps.costs.domain.grouping import DIMENSIONS, UnknownDimension, grouped
from apps.costs.domain.lines import Basis, total
from apps.costs.models import Reconciliation
from apps.directory import services as directory
from apps.directory.domain.entries import CostCenterFacts, CustomerFacts, TeamFacts
from apps.directory.domain.rules import mapping_rule
from apps.periods import selectors as periods_now
from apps.periods import services as periods
from apps.periods.domain.calendar import PeriodMissing
from apps.periods.domain.fx import RateKind
from tests.costs.conftest import NOW, focus, person, row
from tests.ingest.factories import contract, event, send

JANUARY = Month(2026, 1)
COST = Decimal("0.005")
"""Of one event of the factory: 400 and 800 and 300 tokens at 2.50, 1.25 and 10 per million."""


def prices():
    contract(input_tokens="2.50", cached_input_tokens="1.25", output_tokens="10")


@pytest.fixture
def org(acme, ada):
    prices()
    directory.ensure_entries(
        actor=ada,
        now=NOW,
        cost_centers=[CostCenterFacts("CC-1", "One"), CostCenterFacts("CC-2", "Two")],
        teams=[TeamFacts("search", "Search", "CC-1"), TeamFacts("support", "Support", "CC-2")],
        customers=[CustomerFacts("globex", "Globex")],
    )
    return acme


def usage(number, *, team="search", model="tiny", time="2026-01-15T10:20:30Z", **changes):
    tags = {key: value for key, value in {"team": team, **changes.pop("tags", {})}.items() if value}
    return event(f"evt-{number}", time=time, tags=tags, model=model, **changes)


def bring(*rows, actor, account="cloud"):
    return services.import_focus(file=focus(*rows), provider_account=account, actor=actor, now=NOW)


def declare(actor, truth=Truth.BILLED, *, code="cloud", provider="", account=""):
    services.declare_account(
        draft=AccountDraft(code, code, provider, account, truth), actor=actor, now=NOW
    )


def base(month=JANUARY):
    return selectors.cost_base(month=month)


def by_basis(found):
    return {
        basis: total(line.effective for line in found.lines if line.basis is basis)
        for basis in {line.basis for line in found.lines}
    }


def test_an_empty_month_costs_nothing_and_has_a_hash(org):
    found = base()
    assert (found.lines, found.effective, found.currency) == ((), Decimal(0), "USD")
    assert len(found.hash) == 64
    with pytest.raises(PeriodMissing):
        base(Month(2031, 1))


def test_usage_is_priced_and_free_requests_keep_their_quantity(org):
    send([usage(1), usage(2)])
    found = base()
    assert found.effective == found.billed == 2 * COST
    lines = {line.meter: line for line in found.lines}
    assert lines["output_tokens"].quantity == 600
    assert lines["output_tokens"].unit_price == Decimal(10)
    assert lines["output_tokens"].unit_size == 1_000_000
    assert lines["requests"].quantity == 2
    assert lines["requests"].effective == 0
    assert lines["requests"].original_currency == "USD"
    assert found.unpriced == ()


def test_unpriced_usage_is_named_and_costs_nothing_known(org):
    send([usage(1), usage(2, model="unheard-of")])
    found = base()
    assert found.effective == COST
    assert {each.sku.model for each in found.unpriced} == {"unheard-of"}


def test_equal_inputs_give_the_same_base_and_replay_changes_nothing(org):
    events = [usage(n, team=team) for n, team in enumerate(["search", "support", "", "ghost"])]
    send(events)
    first = base()
    send(events)
    assert base() == first


def test_the_cost_base_of_many_lines_takes_few_queries(org, ada, django_assert_max_num_queries):
    declare(ada)
    bring(*(row(str(n), service=f"S{n}") for n in range(1, 30)), actor=ada)
    send([usage(n, tags={"n": str(n)}) for n in range(50)])
    with django_assert_max_num_queries(26):
        assert len(base().lines) == 29 + 50 * 4


def test_bills_stand_beside_usage_and_keep_billed_and_effective(org, ada):
    declare(ada)
    send([usage(1)])
    bring(row("10", effective="8.25", tags='{"team": "support"}', sub_account="42"), actor=ada)
    found = base()
    assert (found.billed, found.effective) == (Decimal(10) + COST, Decimal("8.25") + COST)
    (line,) = [line for line in found.lines if line.origin == "bill"]
    assert (line.provider, line.service, line.account) == ("AWS", "SageMaker", "42")
    assert line.tags == {"team": "support", "account": "42", "service": "SageMaker"}
    owned = selectors.owned_lines(found)
    assert {each.owner.cost_center for each in owned if each.line.origin == "bill"} == {"CC-2"}


def test_a_newer_version_of_a_bill_takes_its_place_whole(org, ada):
    declare(ada)
    bring(row("10"), row("5", service="S3"), actor=ada)
    bring(row("11"), actor=ada)
    assert base().effective == 11


def test_a_metered_account_s_bill_is_only_compared(org, ada):
    declare(ada, Truth.METERED, provider="testco", account="*")
    send([usage(1)])
    bring(row("10"), actor=ada)
    assert base().effective == COST
    (found,) = selectors.reconciliation_of_accounts(month=JANUARY)
    assert (found.metered, found.billed) == (COST, Decimal(10))
    assert found.variance == Decimal(10) - COST


def test_a_billed_account_is_accrued_until_the_bill_comes(org, ada):
    declare(ada, provider="testco", account="*")
    send([usage(1)])
    assert by_basis(base()) == {Basis.ACCRUED: COST}
    bring(row("10"), actor=ada)
    assert by_basis(base()) == {Basis.BILLED: Decimal(10)}


def test_a_trued_up_account_costs_what_its_bill_says_to_the_last_digit(org, ada):
    declare(ada, Truth.TRUED_UP, provider="testco", account="proj_1")
    send([usage(1), usage(2, account="other")])
    bring(row("10", effective="9.123456789012345678901234"), actor=ada)
    found = base()
    assert by_basis(found)[Basis.TRUE_UP] == Decimal("9.123456789012345678901234") - COST
    assert found.effective == Decimal("9.123456789012345678901234") + COST
    assert found.billed == Decimal(10) + COST


def freeze_and_close(month, actor, approver):
    periods.freeze(month=month, actor=actor, now=NOW)
    periods.lock(month=month, actor=actor, approver=approver, now=NOW)


def test_a_late_bill_reverses_the_accrual_and_books_the_difference(org, ada, grace):
    declare(ada, provider="testco", account="*")
    send([usage(1)])
    freeze_and_close(JANUARY, ada, grace)
    closed = base()
    bill = bring(row("10"), actor=ada).bill
    assert (str(bill.billing_month), str(bill.period)) == ("2026-01", "2026-02")
    later = base(JANUARY + 1)
    assert by_basis(later) == {Basis.BILLED: Decimal(10), Basis.REVERSED: -COST}
    assert {line.original_month for line in later.lines} == {"2026-01"}
    assert base() == closed
    assert closed.effective + later.effective == 10


def test_a_corrected_bill_of_a_closed_month_books_the_difference(org, ada, grace):
    declare(ada)
    bring(row("10", tags='{"team": "search"}'), actor=ada)
    freeze_and_close(JANUARY, ada, grace)
    closed = base()
    bring(row("12", tags='{"team": "support"}'), actor=ada)
    bring(row("13", tags='{"team": "support"}'), actor=ada)
    later = base(JANUARY + 1)
    assert later.effective == 3
    owned = selectors.owned_lines(later)
    teams = {each.owner.team: each.line.effective for each in owned}
    assert teams == {"search": Decimal(-10), "support": Decimal(13)}
    assert base() == closed


def test_a_late_bill_of_a_trued_up_account_books_the_difference(org, ada, grace):
    declare(ada, Truth.TRUED_UP, provider="testco", account="*")
    send([usage(1)])
    freeze_and_close(JANUARY, ada, grace)
    bring(row("10"), actor=ada)
    assert base(JANUARY + 1).effective == Decimal(10) - COST
    bring(row("11"), actor=ada)
    assert base(JANUARY + 1).effective == Decimal(11) - COST
    freeze_and_close(JANUARY + 1, ada, grace)
    bring(row("11.5"), actor=ada)
    assert base(JANUARY + 2).effective == Decimal("0.5")


def test_changing_whose_amounts_count_moves_no_closed_month(org, ada, grace):
    declare(ada, Truth.METERED, provider="testco", account="*")
    send([usage(1)])
    bring(row("10"), actor=ada)
    freeze_and_close(JANUARY, ada, grace)
    closed = base()
    with pytest.raises(periods.PeriodNotOpen):
        services.change_truth(
            code="cloud", truth=Truth.BILLED, feed=Feed.REQUEST, since=JANUARY, actor=ada, now=NOW
        )
    services.change_truth(
        code="cloud", truth=Truth.BILLED, feed=Feed.REQUEST, since=JANUARY + 1, actor=ada, now=NOW
    )
    assert base() == closed
    assert selectors.accounts(JANUARY + 1).by_code("cloud").truth is Truth.BILLED


def test_accounts_are_declared_once(org, ada):
    declare(ada, provider="testco", account="*")
    with pytest.raises(services.AccountExists):
        declare(ada)
    with pytest.raises(services.AccountExists):
        declare(ada, code="other", provider="testco", account="*")
    with pytest.raises(services.AccountRefused):
        declare(ada, code="bad code")
    with pytest.raises(Forbidden):
        declare(person(4, Role.ANALYST), code="mine")
    draft = AccountDraft("cloud", "Another name")
    assert services.ensure_account(draft=draft, actor=ada, now=NOW).provider == "testco"
    assert len(selectors.accounts().declared) == 1


# Exchange rates


@pytest.fixture
def euros(globex, ada):
    prices()
    return globex


def set_rate(text, kind, actor, month=JANUARY):
    periods.set_rate(
        month=month,
        base="USD",
        quote="EUR",
        rate=Decimal(text),
        kind=kind,
        source="demo rates, entered by hand",
        rate_on=date(2026, 1, 30),
        actor=actor,
        now=NOW,
    )


def test_a_missing_rate_is_named_and_its_lines_are_left_out(euros, ada):
    send([usage(1)])
    found = base()
    assert found.effective == 0
    (pair,) = found.missing_rates
    assert (pair.base, pair.quote, pair.amount) == ("USD", "EUR", COST)


def test_the_budget_rate_is_provisional_and_the_freeze_replaces_it(euros, ada):
    set_rate("0.9", RateKind.BUDGET, ada)
    set_rate("0.921234567891", RateKind.FROZEN, ada)
    send([usage(1)])
    open_base = base()
    assert open_base.provisional_fx
    assert open_base.effective == COST * Decimal("0.9")
    periods.freeze(month=JANUARY, actor=ada, now=NOW)
    frozen = base()
    assert not frozen.provisional_fx
    assert frozen.effective == COST * Decimal("0.921234567891")
    assert frozen.hash != open_base.hash
    line = next(line for line in frozen.lines if line.meter == "output_tokens")
    assert (line.original_currency, line.original_amount) == ("USD", Decimal("0.003"))
    assert line.fx_rate == Decimal("0.921234567891")


def test_every_line_is_exactly_its_original_times_the_rate(euros, ada):
    set_rate("0.921234567891", RateKind.BUDGET, ada)
    declare(ada)
    bring(row("0.00000000000123456789"), row("7", currency="EUR"), actor=ada)
    send([usage(n, tags={"n": str(n)}) for n in range(20)])
    found = base()
    for line in found.lines:
        assert Fraction(line.effective) == Fraction(line.original_amount) * Fraction(line.fx_rate)
    usd = sum(
        Fraction(line.original_amount) for line in found.lines if line.original_currency == "USD"
    )
    assert Fraction(found.effective) == usd * Fraction("0.921234567891") + 7


# Answers


@pytest.fixture
def month(org, ada):
    declare(ada)
    send(
        [
            usage(1, tags={"customer": "globex"}),
            usage(2, team="support", time="2026-01-16T10:00:00Z"),
            usage(3, team="growth-hacks", credential="key-9"),
            usage(4, team="", credential="key-9"),
            usage(5, model="small", tags={"customer": "initech"}),
        ]
    )
    bring(
        row("3", tags='{"team": "search"}'),
        row("-1", service="Credit", category="Credit"),
        actor=ada,
    )
    return org


def ask(actor, *group_by, axis="team"):
    return selectors.costs(month=JANUARY, axis=axis, group_by=group_by, actor=actor)


def test_totals_do_not_depend_on_the_grouping(month, ada):
    whole = base()
    for names in [(name,) for name in DIMENSIONS] + [
        ("team", "model"),
        ("tag:customer", "meter", "origin"),
        ("cost_center", "provider", "service", "charge_category"),
    ]:
        answer = ask(ada, *names)
        assert total(one.effective for one in answer.rows) == whole.effective
        assert total(one.billed for one in answer.rows) == whole.billed
        assert answer.total.effective == whole.effective
        assert sum(one.lines for one in answer.rows) == len(whole.lines)


def test_the_axis_is_the_grouping_when_none_is_named(month, ada):
    teams = {one.values[0]: one.effective for one in ask(ada).rows}
    assert teams == {"search": 3 + COST, "support": COST, "": -1 + 2 * COST}
    customers = {one.values[0]: one.effective for one in ask(ada, axis="customer").rows}
    assert set(customers) == {"globex", "initech", ""}


def test_an_unknown_dimension_is_refused_by_name(month, ada):
    with pytest.raises(UnknownDimension) as refused:
        ask(ada, "team", "mood")
    assert "'mood' is no dimension" in refused.value.message
    with pytest.raises(UnknownDimension):
        ask(ada, "tag:")
    with pytest.raises(UnknownDimension):
        ask(ada, *DIMENSIONS[:7])


def test_a_member_sees_the_own_teams_and_the_numbers_are_the_same(month, ada):
    member = person(7, Role.MEMBER, teams=frozenset({"support"}))
    mine = ask(member)
    assert [one.values for one in mine.rows] == [("support",)]
    theirs = next(one for one in ask(ada).rows if one.values == ("support",))
    assert mine.rows[0] == theirs
    assert mine.unpriced == ()
    assert ask(ada).unpriced != ()
    seen = selectors.overview(month=JANUARY, actor=member)
    assert (seen.spend, seen.unowned) == (COST, Decimal(0))
    assert total(amount for _, amount in seen.daily) == COST


def test_a_key_with_bound_tags_sees_what_it_is_bound_to(month, ada):
    from dataclasses import replace

    key = replace(ada, bound_tags={"customer": "globex"})
    assert ask(key).total.effective == COST
    bound = replace(ada, bound_tags={"credential": "key-9"})
    assert ask(bound).total.effective == 2 * COST


def test_the_overview_adds_up(month, ada):
    seen = selectors.overview(month=JANUARY, actor=ada)
    whole = base().effective
    assert seen.spend == whole
    assert total(share.amount for share in seen.by_team) == whole
    assert total(share.amount for share in seen.by_model) == whole
    assert total(amount for _, amount in seen.daily) == whole
    assert len(seen.daily) == 31
    assert dict(seen.daily)[date(2026, 1, 16)] == COST
    assert seen.unowned == -1 + 2 * COST
    assert seen.spend_before == 0
    assert seen.change is None


def test_the_overview_is_read_in_few_queries(month, ada, django_assert_max_num_queries):
    with django_assert_max_num_queries(50):
        selectors.overview(month=JANUARY, actor=ada)


def test_loose_values_are_listed_and_mapping_one_moves_its_cost(month, ada):
    found, loose = selectors.loose_values(month=JANUARY, actor=ada)
    assert found.unowned == -1 + 2 * COST
    listed = {(each.dimension, each.tag, each.value): each.effective for each in loose}
    assert listed["team", "team", "growth-hacks"] == COST
    assert listed["team", "credential", "key-9"] == COST
    assert listed["team", "service", "Credit"] == -1
    assert listed["customer", "customer", "initech"] == 0
    rule = mapping_rule(tag="team", value="growth-hacks", dimension="team", target="support")
    moved = selectors.preview_rule(month=JANUARY, rule=rule, actor=ada)
    assert {(move.dimension, move.before, move.after): move.effective for move in moved} == {
        ("cost_center", "UNALLOCATED", "CC-2"): COST,
        ("team", "", "support"): COST,
    }
    directory.map_tag_value(
        tag="team", value="growth-hacks", dimension="team", target="support", actor=ada, now=NOW
    )
    after, _ = selectors.loose_values(month=JANUARY, actor=ada)
    assert after.unowned == -1 + COST
    assert after.total == found.total
    with pytest.raises(Forbidden):
        selectors.loose_values(month=JANUARY, actor=person(8, Role.ANALYST))


def test_a_move_within_the_month_splits_the_lines_and_keeps_the_sum(org, ada):
    send([usage(1, time="2026-01-10T12:00:00Z"), usage(2, time="2026-01-20T08:00:00Z")])
    before = base()
    directory.move_team(
        team="search", cost_center="CC-2", since=date(2026, 1, 15), actor=ada, now=NOW
    )
    after = base()
    assert after.effective == before.effective
    rows = grouped(selectors.owned_lines(after), ("cost_center",))
    assert {one.values[0]: one.effective for one in rows} == {"CC-1": COST, "CC-2": COST}


def test_a_closed_month_keeps_its_owners_whatever_changes_later(org, ada, grace):
    from datetime import timedelta

    send([usage(1)])
    freeze_and_close(JANUARY, ada, grace)
    before = ask(ada, "team", "cost_center")
    directory.move_team(
        team="search", cost_center="CC-2", since=None, actor=ada, now=NOW + timedelta(hours=1)
    )
    assert ask(ada, "team", "cost_center") == before
    assert periods_now.period(JANUARY).closed_at == NOW


# The proof


def test_everything_reconciles_and_is_kept_until_the_close(month, ada, grace):
    report = services.reconcile(month=JANUARY, actor=ada, now=NOW)
    assert report.is_sound
    assert report.differing_rollups == ()
    assert {check.name for check in report.checks} == {"usage", "bills", "charges"}
    assert all(check.difference == 0 for check in report.checks)
    assert Reconciliation.objects.count() == 1
    freeze_and_close(JANUARY, ada, grace)
    again = services.reconcile(month=JANUARY, actor=ada, now=NOW)
    assert again.base_hash == report.base_hash
    assert Reconciliation.objects.count() == 1
