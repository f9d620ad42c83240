"""The operator reads the catalogue and changes nothing."""

from __future__ import annotations

import pytest
from django.db import connection

from tests.accounts.people import person, signed_in


@pytest.fixture
def operator(db):
    connection.set_schema_to_public()
    user = person()
    user.is_staff = True
    user.save()
    return signed_in("", user)


NAMES = ("provider", "aimodel", "meter", "listprice")
REVIEW = ("priceimport", "priceobservation", "pricechange", "pricedecision")


@pytest.mark.parametrize("name", [*NAMES, *REVIEW])
def test_the_operator_reads_and_changes_nothing(operator, name):
    page = operator.get(f"/admin/catalog/{name}/")
    assert page.status_code == 200
    assert operator.get(f"/admin/catalog/{name}/add/").status_code == 403
    found = operator.get(f"/admin/catalog/{name}/?q=gpt-4o")
    assert found.status_code in (200, 302)


def test_a_tenants_admin_does_not_know_the_catalogue(acme):
    owner = signed_in("acme", person())
    assert owner.get("/admin/catalog/listprice/").status_code == 404
