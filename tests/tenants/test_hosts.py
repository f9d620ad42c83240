"""Which host leads where, and what it costs."""

from __future__ import annotations

import pytest
from django.db import connection

from apps.core.domain.access import Role, Scope, system_actor
from apps.core.domain.errors import Conflict, Forbidden, Unprocessable
from apps.tenants import roster, selectors, services
from apps.tenants.models import Domain, Tenant
from tests.accounts.people import NOW, bearer, browser, person, service_key, signed_in

TESTS = system_actor("tests")


def visit(host: str, path: str = "/login/", **headers: str):
    return browser("").get(path, headers={"host": host, **headers})


def test_a_tenants_host_serves_the_tenant(acme):
    page = visit("acme.localhost:8000").content.decode()
    assert "Acme Corp" in page
    assert "Globex" not in page
    for host in ("GLOBEX.localhost", "globex.localhost.", "globex.localhost:80"):
        assert "Globex SE" in visit(host).content.decode()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.0.0.1:8000"])
def test_the_bare_host_serves_the_operator(acme, host):
    answer = visit(host)
    assert answer.status_code == 200
    assert "Acme" not in answer.content.decode()
    assert visit(host, "/settings/people/").status_code == 404
    assert visit(host, "/")["Location"] == "/login/?next=/"


def test_an_unknown_host_answers_404_in_kind(acme):
    key = bearer(service_key(Scope.ADMIN))
    page = visit("nobody.localhost")
    assert (page.status_code, page["Content-Type"]) == (404, "text/html; charset=utf-8")
    program = visit("nobody.localhost", "/api/v1/people")
    assert (program.status_code, program["Content-Type"]) == (404, "application/problem+json")
    keyed = visit("nobody.localhost", "/api/v1/people", **key)
    assert keyed.status_code == 404


def test_a_foreign_host_is_refused(acme):
    assert visit("evil.example").status_code == 400


@pytest.mark.parametrize("host", ["acme.localhost", "nobody.localhost", "localhost"])
def test_health_answers_on_every_host(acme, host):
    assert visit(host, "/healthz").json() == {"status": "ok"}


def test_metrics_are_the_operators(acme):
    assert visit("localhost", "/metrics").status_code == 200
    assert visit("acme.localhost", "/metrics").status_code == 404


def test_the_host_is_looked_up_once_not_on_each_request(acme, django_assert_num_queries):
    for host in ("acme.localhost", "nobody.localhost", "localhost"):
        visit(host)
        with django_assert_num_queries(0):
            visit(host)


def test_a_keyed_request_costs_no_query_for_tenant_and_key(acme, django_assert_num_queries):
    key = bearer(service_key(Scope.USAGE_READ))
    for host in ("acme.localhost", "localhost"):
        visit(host, "/api/v1/audit", **key)
        with django_assert_num_queries(0):
            assert visit(host, "/api/v1/audit", **key).status_code == 403


def test_unknown_hosts_cannot_fill_the_memory(acme):
    for number in range(50):
        visit(f"flood-{number}.localhost")
    assert roster.by_host._limit == 4096
    assert len(roster.by_host) <= 4096


def test_every_answer_carries_the_security_headers(acme):
    for answer in (
        visit("acme.localhost"),
        visit("localhost"),
        visit("acme.localhost", "/api/v1/people"),
        visit("nobody.localhost"),
        visit("localhost", "/api/v1/people"),
    ):
        policy = answer["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "object-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Referrer-Policy"] == "same-origin"
        assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
        assert answer["X-Request-ID"]
    assert visit("acme.localhost")["X-Frame-Options"] == "DENY"
    assert "unsafe-eval" in visit("acme.localhost", "/admin/")["Content-Security-Policy"]


# Suspension --------------------------------------------------------------------------------------


def test_a_suspended_tenant_answers_403_to_everybody(acme):
    client = signed_in("acme", person(Role.OWNER))
    key = bearer(service_key(Scope.ADMIN))
    connection.set_schema_to_public()
    services.suspend(actor=TESTS, slug="acme", reason="unpaid", now=NOW)
    page = client.get("/profile/")
    assert (page.status_code, "suspended" in page.content.decode()) == (403, True)
    for slug in ("acme", ""):
        answer = browser(slug).get("/api/v1/people", headers=key)
        assert (answer.status_code, answer.json()["code"]) == (403, "tenant_suspended")
    assert visit("globex.localhost").status_code == 200
    connection.set_schema_to_public()
    services.resume(actor=TESTS, slug="acme", now=NOW)
    assert client.get("/profile/").status_code == 200
    assert browser("").get("/api/v1/people", headers=key).status_code == 200


def test_states_change_only_as_they_can(db):
    connection.set_schema_to_public()
    for attempt, kind in (
        (lambda: services.resume(actor=TESTS, slug="acme", now=NOW), Conflict),
        (lambda: services.activate(actor=TESTS, slug="acme", now=NOW), Conflict),
        (lambda: services.suspend(actor=TESTS, slug="acme", reason=" ", now=NOW), Unprocessable),
        (
            lambda: services.suspend(actor=TESTS, slug="nobody", reason="x", now=NOW),
            selectors.NoTenant,
        ),
        (
            lambda: services.suspend(
                actor=system_actor("x").__class__("key", "k", frozenset()),
                slug="acme",
                reason="x",
                now=NOW,
            ),
            Forbidden,
        ),
    ):
        with pytest.raises(kind):
            attempt()
    assert selectors.fresh(slug="acme").status is selectors.TenantStatus.ACTIVE
    services.suspend(actor=TESTS, slug="acme", reason="unpaid", now=NOW)
    assert selectors.status_reason(slug="acme") == "unpaid"
    with pytest.raises(Conflict):
        services.suspend(actor=TESTS, slug="acme", reason="again", now=NOW)
    assert [one.slug for one in selectors.active()] == ["globex"]
    assert [one.slug for one in selectors.every()] == ["acme", "globex"]


def test_a_tenant_answers_on_more_than_one_host(db):
    connection.set_schema_to_public()
    assert visit("finops.acme.localhost").status_code == 404
    services.add_domain(
        actor=TESTS, slug="acme", host="finops.acme.localhost", primary=True, now=NOW
    )
    assert visit("finops.acme.localhost").status_code == 200
    assert visit("acme.localhost").status_code == 200
    assert selectors.domains(slug="acme") == ["finops.acme.localhost", "acme.localhost"]
    assert selectors.base_url(slug="acme") == "http://finops.acme.localhost:8000"
    for host, kind in (("globex.localhost", services.TenantExists), ("No Host", Unprocessable)):
        with pytest.raises(kind):
            services.add_domain(actor=TESTS, slug="acme", host=host, primary=False, now=NOW)
    assert Domain.objects.count() == 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": "gone"},
        {"base_currency": "usd"},
        {"slug": "pg-x"},
        {"slug": "Admin"},
        {"brand_color": "red"},
        {"status": "suspended"},
    ],
)
def test_the_database_refuses_a_wrong_tenant(db, wrong):
    from django.db import IntegrityError, transaction

    with pytest.raises(IntegrityError), transaction.atomic():
        Tenant.objects.filter(slug="acme").update(**wrong)


def test_the_present_tenant(acme):
    facts = selectors.current()
    assert (facts.schema, facts.slug, facts.currency) == ("t_acme", "acme", "USD")
    assert facts.timezone.key == "America/New_York"
    connection.set_schema_to_public()
    with pytest.raises(selectors.NoTenant):
        selectors.current()
