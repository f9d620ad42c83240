"""Making tenants: whole, once, and again after a break."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import connection
from django_tenants.utils import schema_context, schema_exists

from apps.accounts import services as accounts
from apps.accounts.domain.keys import KeyText
from apps.accounts.models import User
from apps.audit import selectors as audit
from apps.core.domain.access import Scope, shell_actor, system_actor
from apps.core.domain.errors import Forbidden, Unprocessable
from apps.tenants import selectors as tenants
from apps.tenants import services
from apps.tenants.models import Tenant
from finops_platform import provisioning, tasks
from tests.accounts.people import PASSWORD, bearer, browser
from tests.conftest import drop_tenant

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
VALUES = {
    "slug": "umbrella-eu",
    "name": "Umbrella",
    "base_currency": "EUR",
    "timezone": "Europe/Berlin",
    "locale": "de-DE",
    "admin_email": "Ada@Umbrella.example",
}


def provision(**changes):
    return provisioning.provision_tenant(actor=system_actor("tests"), now=NOW, **(VALUES | changes))


@pytest.fixture
def umbrella(committed_db):
    """Remove the tenant that the test makes."""
    connection.set_schema_to_public()
    yield "t_umbrella_eu"
    drop_tenant(slug="umbrella-eu", schema="t_umbrella_eu")


def test_a_tenant_is_made_whole(umbrella):
    done = provision()
    assert connection.schema_name == "public"
    assert (done.schema, done.slug, done.admin_email) == (
        umbrella,
        "umbrella-eu",
        "ada@umbrella.example",
    )
    assert done.admin_password not in repr(done)
    facts = tenants.by_slug(slug="umbrella-eu")
    assert (facts.is_active, facts.currency, facts.timezone.key) == (True, "EUR", "Europe/Berlin")
    answer = browser("umbrella-eu").post(
        "/login/", {"email": done.admin_email, "password": done.admin_password}
    )
    assert answer.status_code == 302
    with schema_context(umbrella):
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM periods_period")
            assert cursor.fetchone() == (20,)  # 2025-10 to 2027-05
        actions = [one.action for one in audit.page(before=None, limit=9)]
        assert actions == ["session.opened", "tenant.provisioned", "person.invited"]
        assert audit.faults() == []


def test_the_application_owns_nothing_in_a_new_tenant(umbrella):
    provision()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FILTER (WHERE pg_get_userbyid(relowner) = current_user), count(*) "
            "FROM pg_class WHERE relnamespace = %s::regnamespace",
            [umbrella],
        )
        mine, all_of_them = cursor.fetchone()
        cursor.execute("SELECT has_schema_privilege(%s, 'CREATE')", [umbrella])
        assert cursor.fetchone() == (False,)
    assert mine == 0
    assert all_of_them > 100


def test_the_same_slug_again_is_refused_and_changes_nothing(umbrella):
    provision()
    with schema_context(umbrella):
        before = audit.head(), User.objects.count()
    with pytest.raises(services.TenantExists):
        provision()
    with pytest.raises(services.TenantExists):
        provision(name="Somebody else")
    with schema_context(umbrella):
        assert (audit.head(), User.objects.count()) == before


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"slug": "pg-umbrella"}, "slug"),
        ({"slug": "umbrella_eu"}, "slug"),
        ({"base_currency": "euro"}, "base_currency"),
        ({"timezone": "Berlin"}, "timezone"),
        ({"locale": "german"}, "locale"),
        ({"admin_email": "ada"}, "admin_email"),
        ({"name": ""}, "name"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_made(umbrella, change, field):
    before = Tenant.objects.count()
    with pytest.raises(Unprocessable) as refusal:
        provision(**change)
    assert [one.field for one in refusal.value.errors] == [field]
    assert Tenant.objects.count() == before
    assert not schema_exists(umbrella)


def test_only_an_administrator_provisions(umbrella):
    from apps.core.domain.access import Actor

    with pytest.raises(Forbidden):
        provisioning.provision_tenant(
            actor=Actor("key", "k", frozenset({Scope.USAGE_READ})), now=NOW, **VALUES
        )
    assert not Tenant.objects.filter(slug="umbrella-eu").exists()


@pytest.mark.parametrize("where", ["migrate_schemas", "ensure_partitions", "open_calendar"])
def test_what_broke_off_is_finished_by_starting_again(umbrella, monkeypatch, where):
    def fall(*args, **kwargs):
        raise OSError("the power went off")

    with monkeypatch.context() as patch:
        if where == "migrate_schemas":
            patch.setattr(provisioning, "call_command", fall)
        elif where == "ensure_partitions":
            patch.setattr(provisioning.costs, "ensure_partitions", fall)
        else:
            patch.setattr(provisioning.periods, "open_calendar", fall)
        with pytest.raises(OSError, match="power"):
            provision()
    assert connection.schema_name == "public"
    assert browser("umbrella-eu").get("/login/").status_code == 403  # never half a tenant
    key = bearer(KeyText.new("umbrella-eu").text)
    for slug in ("umbrella-eu", ""):
        assert browser(slug).get("/api/v1/people", headers=key).status_code == 401
    assert "umbrella-eu" not in [one.slug for one in tenants.active()]
    done = provision()
    assert browser("umbrella-eu").get("/login/").status_code == 200
    with schema_context(umbrella):
        assert User.objects.get().email == done.admin_email


def test_the_command_says_where_and_how_to_sign_in(umbrella):
    out = StringIO()
    call_command("create_tenant", "umbrella-eu", admin_email="ada@umbrella.example", stdout=out)
    said = dict(re.findall(r"^(\w+)\s+(\S+)", out.getvalue(), re.M))
    assert said["schema"] == umbrella
    assert said["address"] == "http://umbrella-eu.localhost:8000/"
    answer = browser("umbrella-eu").post(
        "/login/",
        {"email": "ada@umbrella.example", "password": said["password"]},
    )
    assert answer.status_code == 302
    with pytest.raises(CommandError, match="taken"):
        call_command("create_tenant", "umbrella-eu", admin_email="x@x.example", stdout=out)
    with pytest.raises(CommandError, match="reserved"):
        call_command("create_tenant", "admin", admin_email="x@x.example", stdout=out)


def test_months_are_kept_ahead(umbrella, monkeypatch):
    provision()
    later = datetime(2027, 2, 10, tzinfo=UTC)
    tenant = tenants.by_slug(slug="umbrella-eu")
    opened = provisioning.extend_months(tenant=tenant, now=later)
    assert [str(month) for month in opened] == ["2027-06", "2027-07", "2027-08"]
    assert provisioning.extend_months(tenant=tenant, now=later) == ()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM t_umbrella_eu.periods_period")
        assert cursor.fetchone() == (23,)
        cursor.execute(
            "SELECT count(*) FROM pg_class WHERE relnamespace = 't_umbrella_eu'::regnamespace "
            "AND relkind = 'r' AND relname LIKE '%%2027%%08'"
        )
        assert cursor.fetchone()[0] >= 2
    asked = []
    monkeypatch.setattr(tasks, "extend_months", lambda **values: asked.append(values) or ())
    assert tasks.provision_months_everywhere() == 0
    assert [one["tenant"].slug for one in asked] == ["acme", "globex", "umbrella-eu"]


# The operator's pages ----------------------------------------------------------------------------


@pytest.fixture
def operator(umbrella, owner_connection):
    """A browser in which an operator is signed in on the bare host."""
    with schema_context("public"):
        accounts.found_owner(
            actor=shell_actor("tests"),
            email="ops@finops.example",
            name="Ops",
            password=PASSWORD,
            is_operator=True,
            now=NOW,
        )
    client = browser("")
    signed = client.post("/login/", {"email": "ops@finops.example", "password": PASSWORD})
    assert signed.status_code == 302
    yield client
    owner_connection.execute("DELETE FROM public.django_session")
    owner_connection.execute("DELETE FROM public.accounts_user")


def test_an_operator_provisions_suspends_and_resumes_on_pages(operator):
    answer = operator.post("/tenants/new/", VALUES)
    assert (answer.status_code, answer["Location"]) == (302, "/tenants/umbrella-eu/")
    page = operator.get("/tenants/umbrella-eu/").content.decode()
    assert "http://umbrella-eu.localhost:8000" in page
    assert "Tenant activated" in page

    invitation = next(message for message in mail.outbox if message.to == ["ada@umbrella.example"])
    assert "password is" not in invitation.body
    link = re.search(r"http://umbrella-eu\.localhost:8000(/password/invite/\S+)", invitation.body)[
        1
    ]
    person = browser("umbrella-eu")
    form = person.get(link)["Location"]
    assert person.post(form, {"new_password": PASSWORD, "again": PASSWORD}).status_code == 302

    assert operator.post("/tenants/umbrella-eu/suspend/", {"reason": ""}).status_code == 302
    assert tenants.fresh(slug="umbrella-eu").is_active
    operator.post("/tenants/umbrella-eu/suspend/", {"reason": "unpaid"})
    assert browser("umbrella-eu").get("/login/").status_code == 403
    assert "unpaid" in operator.get("/tenants/umbrella-eu/").content.decode()
    operator.post("/tenants/umbrella-eu/resume/")
    assert browser("umbrella-eu").get("/login/").status_code == 200
    listed = operator.get("/").content.decode()
    assert "Umbrella" in listed and "Acme Corp" in listed


def test_a_provisioning_that_broke_off_is_seen_and_started_again(operator, monkeypatch):
    def fall(*args, **kwargs):
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(provisioning, "call_command", fall)
        with pytest.raises(OSError, match="disk full"):
            operator.post("/tenants/new/", VALUES)
    page = operator.get("/tenants/umbrella-eu/").content.decode()
    assert "disk full" in page
    assert operator.post("/tenants/umbrella-eu/provision/").status_code == 302
    assert tenants.fresh(slug="umbrella-eu").is_active


def test_a_wrong_field_stands_beside_itself(operator):
    answer = operator.post("/tenants/new/", VALUES | {"slug": "admin"})
    assert answer.status_code == 200
    assert "is reserved" in answer.content.decode()
    assert not Tenant.objects.filter(slug="umbrella-eu").exists()


def test_an_invitation_link_is_shown_until_the_owner_has_signed_in(operator):
    operator.post("/tenants/new/", VALUES)
    shown = operator.post("/tenants/umbrella-eu/invitation/")
    assert "no-store" in shown["Cache-Control"]
    link = re.search(r"localhost:8000(/password/invite/[^\"]+)", shown.content.decode())[1]
    person = browser("umbrella-eu")
    form = person.get(link)["Location"]
    person.post(form, {"new_password": PASSWORD, "again": PASSWORD})
    person.post("/login/", {"email": "ada@umbrella.example", "password": PASSWORD})
    refused = operator.post("/tenants/umbrella-eu/invitation/")
    assert refused.status_code == 302
    with schema_context("t_umbrella_eu"):
        actions = [one.action for one in audit.page(before=None, limit=20)]
    assert actions.count("person.invitation_shown") == 1


def test_nobody_else_sees_the_operators_pages(acme):
    from tests.accounts.people import signed_in

    owner = User.objects.get(role="owner")
    client = signed_in("acme", owner)
    bare = browser("")
    bare.cookies["sessionid"] = client.cookies["sessionid"].value
    for path in ("/", "/tenants/new/", "/tenants/acme/", "/admin/"):
        assert bare.get(path).status_code == 302
        if path != "/" and path != "/admin/":
            assert client.get(path).status_code == 404
