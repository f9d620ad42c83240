"""Roll-ups: their parts are those of the statements, to the cent, whatever the run."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.allocation.domain.facts import RunFacts
from apps.budgets import services as budgets
from apps.budgets.domain.budgets import BudgetDraft
from apps.chargeback import selectors, services, tasks
from apps.chargeback.domain import rollups, views
from apps.chargeback.domain.facts import UNALLOCATED, ChargeLine, Kind, Usage
from apps.chargeback.domain.period import period_figures
from apps.chargeback.domain.rollups import Issued, NotIssuedYet, RollupKind
from apps.chargeback.domain.rounding import exact_sum
from apps.chargeback.models import Rollup
from apps.chargeback.selectors import rolled
from apps.core.domain.access import Actor, Role
from apps.core.domain.errors import Forbidden
from apps.directory import services as directory
from apps.directory.domain.entries import CostCenterFacts, ProductFacts
from apps.documents import selectors as documents
from tests.accounts.people import person, signed_in
from tests.chargeback.conftest import NOW, OCTOBER, SYSTEM, cost_line, usual_lines

CENTERS = ("CC-1", "CC-2", "CC-3", "CC-4", UNALLOCATED)
PARENTS = {"CC-1": "TOP", "CC-2": "MID", "CC-3": "MID", "MID": "TOP", "CC-4": "", "TOP": ""}


def _line(rank: int, draw: random.Random) -> ChargeLine:
    amount = Decimal(draw.choice([1, 1, 1, -1]) * draw.randrange(10**14)).scaleb(-12)
    product = draw.choice(["", "assistant", "search", "zebra"])
    return ChargeLine(
        source=f"s{rank % 7}",
        receiver="",
        cost_center=draw.choice(CENTERS),
        kind=draw.choice([Kind.DIRECT, Kind.SHARED, Kind.MARKUP]),
        effective=amount,
        billed=amount + draw.choice([Decimal(0), Decimal("0.005")]),
        rule=f"r{rank % 3}",
        model=f"m{rank}",
        meter="input_tokens",
        quantity=Decimal(draw.randrange(10**6)),
        unit="token",
        tags={"product": product} if product else {},
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(min_value=0, max_value=2**32), st.integers(min_value=1, max_value=40))
def test_parts_of_a_statement_sum_to_it_and_rollups_to_the_period(seed: int, count: int) -> None:
    draw = random.Random(seed)
    lines = [_line(rank, draw) for rank in range(count)]
    shares = {
        f"s{rank}": {"globex": Fraction(1, 3), "": Fraction(1, 6), "initech": Fraction(1, 2)}
        for rank in range(0, 7, 2)
    }
    figures = period_figures(
        lines=lines,
        cost_centers=CENTERS,
        base_effective=exact_sum(line.effective for line in lines),
        base_billed=exact_sum(line.billed for line in lines),
        currency="USD",
    )
    issued = [
        Issued(
            cost_center=code,
            name=code,
            number="",
            parent=PARENTS.get(code, ""),
            total=figures.effective.statements[code],
            billed=figures.billed.statements[code],
        )
        for code in CENTERS
    ]
    owned = {code: [line for line in lines if line.cost_center == code] for code in CENTERS}
    for made in (
        rollups.by_product(issued, owned, "USD"),
        rollups.by_customer(issued, owned, shares, "USD"),
    ):
        if not made:
            continue
        for one in issued:
            parts = [part for each in made for part in each.parts if part.statement is one]
            assert exact_sum(part.amount for part in parts) == one.total
            assert exact_sum(part.billed for part in parts) == one.billed
        assert exact_sum(one.charged.total for one in made) == figures.effective.rounded
        lost = exact_sum(line.effective for each in made for line in each.lines) - exact_sum(
            line.effective for line in lines
        )
        assert abs(lost) <= Decimal(len(lines) * 3).scaleb(-12)
    for one in rollups.by_customer(issued, owned, shares, "USD"):
        for part in one.parts:
            told = views.cost_to_serve(
                lines=owned[part.statement.cost_center],
                usage=Usage(customers=shares),
                total=part.statement.total,
                currency="USD",
            )
            by_code = {row["customer"]: Decimal(row["amount"]) for row in told}
            assert by_code.get(one.code, part.statement.total) == part.amount
    tree = {one.code: one for one in rollups.by_parent(issued, owned, PARENTS)}
    assert sorted(tree) == ["MID", "TOP"]
    totals = {one.cost_center: one.total for one in issued}
    assert tree["MID"].charged.total == totals["CC-2"] + totals["CC-3"]
    assert tree["TOP"].charged.total == tree["MID"].charged.total + totals["CC-1"]


def test_a_circle_of_parents_ends() -> None:
    one = Issued(
        cost_center="A", name="A", number="", parent="B", total=Decimal(1), billed=Decimal(1)
    )
    assert rollups.subtrees([one], {"A": "B", "B": "A"}) == {"A": ["A"], "B": ["A"]}


@pytest.fixture
def issued(allocate: Callable[..., RunFacts], people: dict[str, Actor], store: Any) -> RunFacts:
    directory.ensure_entries(
        actor=SYSTEM,
        now=NOW,
        cost_centers=[
            CostCenterFacts("CC-4000", "Products", "Priya Shah", "priya@acme.example"),
        ],
        products=[ProductFacts("finder", "Finder")],
    )
    for code in ("CC-4100", "CC-4200"):
        directory.place_cost_center(
            cost_center=code, parent="CC-4000", since=None, actor=SYSTEM, now=NOW
        )
    own = {"team": "search", "product": "finder", "customer": "globex"}
    return allocate([*usual_lines(), cost_line("u9", "33.335", tags=own)])


def close(run: RunFacts, people: dict[str, Actor]) -> services.StatementSet:
    services.draft_statements(month=OCTOBER, run=run.id, actor=people["maya"], now=NOW)
    return services.issue_statements(
        month=OCTOBER, actor=people["maya"], approver=people["jonas"], now=NOW
    )


def test_a_month_is_rolled_up_once_and_ties_to_its_statements(
    issued: RunFacts, people: dict[str, Actor]
) -> None:
    with pytest.raises(NotIssuedYet):
        services.roll_up(month=OCTOBER, actor=SYSTEM, now=NOW)
    statements = close(issued, people)
    assert services.roll_up(month=OCTOBER, actor=SYSTEM, now=NOW) == 5
    assert services.roll_up(month=OCTOBER, actor=SYSTEM, now=NOW) == 5
    found = selectors.rollups(month=OCTOBER, actor=people["maya"])
    assert [(one.kind.value, one.code, one.name) for one in found] == [
        ("customer", "globex", "Globex"),
        ("customer", "", "No customer"),
        ("parent", "CC-4000", "Products"),
        ("product", "finder", "Finder"),
        ("product", "", "No product"),
    ]
    sums = {
        kind: sum(one.total for one in found if one.kind is kind)
        for kind in (RollupKind.PRODUCT, RollupKind.CUSTOMER)
    }
    assert set(sums.values()) == {statements.total}
    [parent] = selectors.rollups(month=OCTOBER, kind=RollupKind.PARENT, actor=people["maya"])
    listed = {
        one.cost_center: one for one in selectors.statements(month=OCTOBER, actor=people["maya"])
    }
    assert parent.total == listed["CC-4100"].total + listed["CC-4200"].total
    assert parent.number == "ROL-2026-10-0001"
    payload = selectors.rollup(parent.id, actor=people["maya"]).payload
    assert sum(Decimal(line["amount"]) for line in payload["lines"]) == parent.total
    assert {(part["number"], part["amount"]) for part in payload["rollup"]["parts"]} == {
        (listed[code].number, str(listed[code].total)) for code in ("CC-4100", "CC-4200")
    }
    own = selectors.statement(listed["CC-4100"].id, actor=people["maya"]).payload["customers"]
    [globex] = [one for one in found if one.code == "globex"]
    assert str(globex.total) == own[0]["amount"]


def test_only_who_sees_everything_sees_rollups(issued: RunFacts, people: dict[str, Actor]) -> None:
    close(issued, people)
    with pytest.raises(Forbidden):
        services.roll_up(month=OCTOBER, actor=people["ana"], now=NOW)
    tasks.roll_up(schema="t_acme", month="2026-10")
    with pytest.raises(Forbidden):
        selectors.rollups(month=OCTOBER, actor=people["lee"])
    [first, *_] = selectors.rollups(month=OCTOBER, actor=people["ana"])
    with pytest.raises(Forbidden):
        selectors.rollup(first.id, actor=people["lee"])


def test_a_month_closed_again_gets_rollups_that_name_the_old(
    issued: RunFacts, people: dict[str, Actor], allocate: Callable[..., RunFacts]
) -> None:
    close(issued, people)
    services.roll_up(month=OCTOBER, actor=SYSTEM, now=NOW)
    before = selectors.rollups(month=OCTOBER, actor=people["maya"])
    again = allocate([*usual_lines(), cost_line("u9", "34", tags={"product": "finder"})])
    close(again, people)
    assert selectors.months_to_roll_up(first=OCTOBER) == [OCTOBER]
    tasks.follow_up(schema="t_acme")
    services.roll_up(month=OCTOBER, actor=SYSTEM, now=NOW)
    after = selectors.rollups(month=OCTOBER, actor=people["maya"])
    assert [one.replaces for one in after] == [one.number for one in before]
    assert {one.run for one in after} == {again.id}
    assert Rollup.objects.count() == 10
    assert selectors.months_to_roll_up(first=OCTOBER) == []


def test_what_a_month_closed_again_names_no_more_is_nothing_to_compare_with(
    issued: RunFacts, people: dict[str, Actor], allocate: Callable[..., RunFacts]
) -> None:
    """October had the product finder once; replaced figures are no trend of November's."""
    close(issued, people)
    services.roll_up(month=OCTOBER, actor=SYSTEM, now=NOW)
    assert (RollupKind.PRODUCT, "finder") in rolled.earlier(OCTOBER + 1, currency="USD")
    close(allocate([*usual_lines(), cost_line("u9", "34", tags={"product": "seeker"})]), people)
    services.roll_up(month=OCTOBER, actor=SYSTEM, now=NOW)
    known = rolled.earlier(OCTOBER + 1, currency="USD")
    assert {code for kind, code in known if kind is RollupKind.PRODUCT} == {"seeker", ""}


def test_the_same_numbers_in_every_format_and_language(
    issued: RunFacts, people: dict[str, Actor]
) -> None:
    close(issued, people)
    services.roll_up(month=OCTOBER, actor=SYSTEM, now=NOW)
    maya = signed_in("acme", person(Role.FINANCE))
    listed = maya.get("/api/v1/rollups?period=2026-10&kind=customer").json()["results"]
    [globex] = [one for one in listed if one["code"] == "globex"]
    path = f"/api/v1/rollups/{globex['id']}"
    content = maya.get(path).json()["content"]
    assert content["total"] == globex["total"]
    csv = maya.get(f"{path}.csv").content.decode("utf-8-sig").splitlines()
    head = csv[0].split(",")
    amounts = [Decimal(row.split(",")[head.index("amount")]) for row in csv[1:]]
    assert sum(amounts) == Decimal(globex["total"])
    assert maya.get(f"{path}.xlsx").content.startswith(b"PK")
    for locale, title in (("en-US", "Cost to serve"), ("de-DE", "Kosten"), ("fr-FR", "Coût")):
        printed = documents.laid_out(document=UUID(globex["id"]), locale=locale)
        assert title in printed["head"]["title"]
        assert len(printed["parts"]["rows"]) == len(content["rollup"]["parts"])
    pdf = maya.get(f"{path}.pdf")
    assert pdf.content.startswith(b"%PDF")
    assert maya.get(f"{path}.pdf", headers={"if-none-match": pdf["ETag"]}).status_code == 304


def test_the_pages_list_by_kind_and_show_one(issued: RunFacts, people: dict[str, Actor]) -> None:
    close(issued, people)
    maya = signed_in("acme", person(Role.FINANCE))
    empty = maya.get("/statements/rollups/2026-10/").content.decode()
    assert "Roll them up now" in empty
    assert maya.post("/statements/rollups/2026-10/make/").status_code == 302
    page = maya.get("/statements/rollups/2026-10/?kind=product").content.decode()
    assert "Finder" in page
    assert "Globex" not in page
    assert maya.get("/statements/rollups/2026-10/?format=csv").content.decode().count("ROL-") == 5
    [first, *_] = selectors.rollups(month=OCTOBER, actor=people["maya"])
    shown = maya.get(f"/statements/rollups/{first.id}/").content.decode()
    assert first.number in shown
    assert "/statements/2026-10/CC-4100/" in shown
    lines = maya.get(f"/statements/rollups/{first.id}/lines/").content.decode()
    assert "gpt-4o" in lines
    assert (
        'href="/statements/rollups/2026-10/"' in maya.get("/statements/2026-10/").content.decode()
    )
    member = signed_in("acme", person(Role.MEMBER, teams=("search",)))
    assert member.get("/statements/rollups/2026-10/").status_code == 403
    assert 'href="/statements/rollups/' not in member.get("/statements/2026-10/").content.decode()


def test_without_a_tree_of_cost_centers_the_page_says_what_to_do(
    allocate: Callable[..., RunFacts], people: dict[str, Actor], store: Any
) -> None:
    close(allocate(usual_lines()), people)
    maya = signed_in("acme", person(Role.FINANCE))
    address = "/statements/rollups/2026-10/?kind=parent"
    assert "Roll them up now" in maya.get(address).content.decode()
    services.roll_up(month=OCTOBER, actor=SYSTEM, now=NOW)
    page = maya.get(address).content.decode()
    assert "No cost center stood under another" in page
    assert 'href="/settings/organization/"' in page


def test_a_line_that_nobody_shares_is_nobodys() -> None:
    draw = random.Random(1)
    line = replace(_line(1, draw), effective=Decimal("10"), tags={})
    assert rollups._shared_out(line, {}) == [("", line)]


def test_budgets_stand_on_the_statement_and_rollup_they_belong_to(
    issued: RunFacts, people: dict[str, Actor]
) -> None:
    for name, scope, amount in (
        ("Search", {"team": "search"}, "100"),
        ("Finder", {"product": "finder"}, "500"),
        ("Globex", {"customer": "globex", "environment": "production"}, "7"),
        ("Everything", {}, "9000"),
    ):
        draft = BudgetDraft(
            name=name,
            amount=Decimal(amount),
            currency="USD",
            scope=scope,
            starts_on=OCTOBER.first_day,
        )
        budgets.create(draft=draft, actor=SYSTEM, now=NOW)
    close(issued, people)
    services.roll_up(month=OCTOBER, actor=SYSTEM, now=NOW)
    stated = {
        one.cost_center: selectors.statement(one.id, actor=people["maya"])
        for one in selectors.statements(month=OCTOBER, actor=people["maya"])
    }
    [shown] = stated["CC-4100"].payload["budgets"]
    assert (shown["name"], shown["amount"], shown["over"]) == ("Search", "100", False)
    assert stated["CC-4200"].payload["budgets"] == []
    by_code = {
        one.code: selectors.rollup(one.id, actor=people["maya"]).payload["budgets"]
        for one in selectors.rollups(month=OCTOBER, actor=people["maya"])
        if one.code
    }
    assert {code: [one["name"] for one in found] for code, found in by_code.items()} == {
        "globex": ["Globex"],
        "CC-4000": ["Search"],
        "finder": ["Finder"],
    }
    printed = documents.laid_out(document=stated["CC-4100"].facts.id, locale="de-DE")
    assert [row["name"] for row in printed["budgets"]["rows"]] == ["Search"]
    maya = signed_in("acme", person(Role.FINANCE))
    page = maya.get("/statements/2026-10/CC-4100/").content.decode()
    assert "Budget, actual and forecast" in page
