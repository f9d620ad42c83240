"""The organization pages."""

from __future__ import annotations

import pytest

from apps.core.domain.access import Role
from apps.directory import selectors
from tests.accounts.people import person as account_of
from tests.accounts.people import signed_in

HERE = "/settings/organization/"


@pytest.fixture
def finance(acme):
    return signed_in("acme", account_of(Role.FINANCE))


def text_of(answer):
    return answer.content.decode().replace("\xa0", " ")


def new(client, kind, **form):
    return client.post(f"{HERE}{kind}/new/", {"name": "A name", **form})


def test_the_tree_is_entered_shown_and_moved(finance):
    assert new(finance, "cost-centers", code="CC-1", gl_code="6410").status_code == 302
    assert new(finance, "cost-centers", code="CC-0", parent="CC-1").status_code == 302
    assert new(finance, "teams", code="search", cost_center="CC-0").status_code == 302
    page = text_of(finance.get(HERE))
    assert "UNALLOCATED" in page
    assert page.index("CC-1") < page.index("CC-0")
    moved = finance.post(
        f"{HERE}teams/search/", {"name": "Search", "cost_center": "CC-1", "since": "2026-02-01"}
    )
    assert moved.status_code == 302
    (team,) = selectors.teams()
    assert team.name == "Search"
    assert selectors.attribution().change_dates[0].isoformat() == "2026-02-01"
    assert "moved it in the tree" in text_of(finance.get(f"{HERE}teams/search/"))


@pytest.mark.parametrize("kind", ["products", "features", "customers"])
def test_every_kind_has_its_list_and_form(finance, kind):
    assert "yet" in text_of(finance.get(f"{HERE}{kind}/"))
    assert new(finance, kind, code="one").status_code == 302
    assert "one" in text_of(finance.get(f"{HERE}{kind}/"))
    assert finance.post(f"{HERE}{kind}/one/", {"name": "Two"}).status_code == 302
    assert "Two" in text_of(finance.get(f"{HERE}{kind}/?q=tw"))
    assert (
        "one"
        not in text_of(finance.get(f"{HERE}{kind}/?q=zzz"))
        .split("<main")[1]
        .replace("None", "")
        .replace('value="zzz"', "")
        .split("list-results")[-1]
    )


def test_mistakes_stand_beside_their_fields(finance):
    new(finance, "cost-centers", code="CC-1")
    new(finance, "cost-centers", code="CC-2", parent="CC-1")
    assert "The code CC-1 is taken." in text_of(new(finance, "cost-centers", code="CC-1"))
    assert "Give 1 to 64 letters" in text_of(new(finance, "teams", code="a b"))
    ring = finance.post(f"{HERE}cost-centers/CC-1/", {"name": "One", "parent": "CC-2"})
    assert "would be a ring" in text_of(ring)
    assert {center.code: center.parent for center in selectors.cost_centers()}["CC-1"] == ""


def test_what_is_not_there_is_missing(finance):
    assert finance.get(f"{HERE}planets/").status_code == 404
    assert finance.get(f"{HERE}teams/none/").status_code == 404


def test_who_may_not_write_reads_only(acme):
    member = signed_in("acme", account_of(Role.MEMBER, teams=("search",)))
    assert member.get(HERE).status_code == 200
    assert member.get(f"{HERE}teams/new/").status_code == 403
    assert new(member, "teams", code="mine").status_code == 403
    assert selectors.teams() == []


def test_names_of_attackers_do_not_run(finance):
    new(finance, "products", code="p", name="<script>x</script>")
    assert "<script>x" not in text_of(finance.get(f"{HERE}products/"))
    exported = text_of(finance.get(f"{HERE}products/?format=csv"))
    assert "<script>x" in exported


def test_formulas_are_guarded_in_exports(finance):
    new(finance, "products", code="p", name="=1+1")
    assert "'=1+1" in text_of(finance.get(f"{HERE}products/?format=csv"))
