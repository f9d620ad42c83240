"""Slugs, schemas and hosts."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.domain.keys import KeyText
from apps.tenants.domain.names import (
    TenantDraft,
    TenantNotValid,
    is_host,
    schema_of,
    slug_problem,
    zone_of,
)

SLUGS = st.from_regex(r"[a-z][a-z0-9-]{1,30}", fullmatch=True).filter(
    lambda slug: slug_problem(slug) is None
)
GOOD = TenantDraft("acme", "Acme", "USD", "America/New_York", "en-US", "ada@acme.example")


@given(SLUGS, SLUGS)
def test_no_two_slugs_share_a_schema(one, other):
    assert (schema_of(one) == schema_of(other)) == (one == other)


@given(SLUGS)
def test_a_schema_is_a_plain_name_that_postgresql_keeps_whole(slug):
    assert re.fullmatch(r"t_[a-z][a-z0-9_]{1,30}", schema_of(slug))


@given(SLUGS)
def test_a_key_names_its_tenant(slug):
    key = KeyText.new(slug)
    assert KeyText.parse(key.text) == key
    assert KeyText.parse(key.text + "x") is None


@pytest.mark.parametrize(
    "slug",
    [
        *("api", "www", "public", "admin", "pg", "pg-catalog", "pgx"),
        *("a", "", "1a", "-a", "A", "a_b", "a" * 32, "acme ", "acme\n", "ac/me", "ä"),
    ],
)
def test_a_reserved_or_malformed_slug_is_refused(slug):
    assert slug_problem(slug)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"slug": "PG"}, "slug"),
        ({"name": "  "}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"currency": "usd"}, "base_currency"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"locale": "english"}, "locale"),
    ],
)
def test_each_wrong_field_of_a_draft_is_named(change, field):
    GOOD.check()
    with pytest.raises(TenantNotValid) as refusal:
        replace(GOOD, **change).check()
    assert [one.field for one in refusal.value.errors] == [field]


def test_an_unknown_zone_is_refused():
    assert zone_of("Europe/Berlin").key == "Europe/Berlin"
    with pytest.raises(TenantNotValid):
        zone_of("../../etc/passwd")


@pytest.mark.parametrize("host", ["acme.localhost", "a.b-c.example", "x"])
def test_a_host(host):
    assert is_host(host)


@pytest.mark.parametrize(
    "host",
    ["", "Acme.localhost", "acme.localhost:8000", "-a.b", "a-.b", "a..b", "a.b\n", "a" * 300],
)
def test_no_host(host):
    assert not is_host(host)
