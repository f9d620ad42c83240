"""The commands of an operator's shell."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from django_tenants.utils import schema_context

from apps.accounts import selectors as accounts
from apps.audit import selectors as audit
from apps.core.domain.access import Role, Scope
from apps.tenants import selectors as tenants
from tests.accounts.people import browser, person


def run(*args, **options):
    out, err = StringIO(), StringIO()
    call_command(*args, stdout=out, stderr=err, **options)
    return out.getvalue(), err.getvalue()


def actor_of(text: str):
    key = text.rstrip("\n").splitlines()[-1]
    return accounts.actor_for_bearer(token=key, now=timezone.now())


def test_a_key_stands_alone_on_the_last_line(acme):
    out, err = run("create_api_key", "acme", "--scopes", "usage:write,usage:read", "costs:read")
    assert out.count("fp_acme_") == 1
    assert "fp_" not in err
    actor = actor_of(out)
    assert actor.scopes == {Scope.USAGE_WRITE, Scope.USAGE_READ, Scope.COSTS_READ}
    assert actor.user_id is None


def test_a_key_can_be_bound_and_expire(acme):
    out, _ = run(
        "create_api_key",
        "acme",
        *("--scopes", "usage:write", "--bind", "team=search", "--expires-in-days", "30"),
    )
    assert actor_of(out).bound_tags == {"team": "search"}
    assert accounts.api_keys(actor=accounts.actor_of_person("owner@acme.example"))[0].expires_at


def test_a_personal_key_is_its_persons_and_the_trail_says_who_made_it(acme):
    user = person(Role.FINANCE)
    out, _ = run("create_api_key", "acme", "--scopes", "close:run", "--user", user.email)
    assert actor_of(out).user_id == user.pk
    made = audit.page(before=None, limit=1)[0]
    assert made.action == "api_key.issued"
    assert made.actor_kind == "shell"
    assert made.actor.startswith("shell:") and made.actor.endswith(f" as {user.email}")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("acme", "--scopes", "everything"), "choose from"),
        (("acme", "--scopes", "usage:read", "--bind", "team"), "TAG=VALUE"),
        (("acme", "--scopes", "approvals:decide"), "never decides"),
        (("nobody", "--scopes", "usage:read"), "There is no tenant"),
        (("acme", "--scopes", "usage:read", "--user", "x@x.example"), "no active person"),
        (("acme", "--scopes", "usage:read", "--expires-in-days", "0"), "future"),
    ],
)
def test_what_is_wrong_is_said_plainly(acme, arguments, said):
    with pytest.raises(CommandError, match=said):
        run("create_api_key", *arguments)


def test_a_person_gets_no_key_above_their_role(acme):
    user = person(Role.ANALYST)
    with pytest.raises(CommandError, match="scope"):
        run("create_api_key", "acme", "--scopes", "close:run", "--user", user.email)


def test_a_tenant_is_suspended_and_resumed(db):
    connection.set_schema_to_public()
    run("suspend_tenant", "acme", reason="unpaid")
    assert not tenants.fresh(slug="acme").is_active
    with pytest.raises(CommandError, match="not active"):
        run("suspend_tenant", "acme", reason="unpaid")
    run("resume_tenant", "acme")
    assert tenants.fresh(slug="acme").is_active
    history = audit.history(subject="tenant", subject_id="acme")
    assert [one.action for one in history[-2:]] == ["tenant.suspended", "tenant.resumed"]


def test_an_operator_signs_in_on_the_bare_host(db):
    connection.set_schema_to_public()
    out, _ = run("create_operator", "Ops@Finops.example")
    password = next(line for line in out.splitlines() if line.startswith("password")).split()[1]
    client = browser("")
    signed = client.post("/login/", {"email": "ops@finops.example", "password": password})
    assert signed.status_code == 302
    assert "Acme Corp" in client.get("/").content.decode()
    with schema_context("public"), pytest.raises(CommandError, match="already"):
        run("create_operator", "ops@finops.example")
