"""API keys: at rest, at use, on every host."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django_tenants.utils import schema_context

from apps.accounts import keyring, selectors, services
from apps.accounts.domain import keys as domain
from apps.accounts.domain.keys import KeyKind, KeyText
from apps.accounts.models import ApiKey, User
from apps.audit import selectors as audit
from apps.core.domain.access import Role, Scope, system_actor
from apps.core.domain.errors import Forbidden, Unauthenticated
from apps.tenants import roster
from apps.tenants.models import Tenant
from tests.accounts.people import NOW, bearer, browser, person, service_key, signed_in

KEYS = "/api/v1/api-keys"
AUDIT = "/api/v1/audit"


def actor_of(key, *, now=NOW):
    return selectors.actor_for_bearer(token=key if isinstance(key, str) else key.text, now=now)


def personal_key(user: User, *scopes: Scope):
    request = services.KeyRequest(KeyKind.PERSONAL, "laptop", frozenset(scopes))
    return services.issue_key(actor=selectors.actor_of_user(user), request=request, now=NOW)


# At rest -----------------------------------------------------------------------------------------


def test_only_a_hash_of_the_secret_is_stored(acme):
    key = service_key(Scope.USAGE_WRITE)
    secret = KeyText.parse(key.text).secret
    row = ApiKey.objects.get(public_id=key.facts.id)
    assert row.key_hash == KeyText.parse(key.text).hash
    with connection.cursor() as cursor:
        for table in ("accounts_apikey", "audit_auditrecord", "django_session"):
            cursor.execute(
                f"SELECT count(*) FROM {table} AS r WHERE r::text LIKE %s", [f"%{secret}%"]
            )
            assert cursor.fetchone() == (0,)


def test_a_key_does_not_show_in_a_traceback(acme):
    key = service_key(Scope.USAGE_WRITE)
    secret = KeyText.parse(key.text).secret
    assert secret not in repr(key)
    assert secret not in repr(KeyText.parse(key.text))


def test_hashes_are_compared_in_constant_time(acme, monkeypatch):
    compared = []
    monkeypatch.setattr(
        domain.hmac, "compare_digest", lambda left, right: compared.append((left, right))
    )
    key = service_key(Scope.USAGE_WRITE)
    for text in (key.text, KeyText.new("acme").text):
        with pytest.raises(Unauthenticated):
            actor_of(text)
    assert len(compared) == 2  # also for a prefix that is nobody's


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "personal"},
        {"kind": "robot"},
        {"scopes": []},
        {"expires_at": NOW},
    ],
)
def test_the_database_refuses_a_wrong_key(acme, change):
    key = service_key(Scope.USAGE_WRITE)
    with pytest.raises(IntegrityError), transaction.atomic():
        ApiKey.objects.filter(public_id=key.facts.id).update(**change)


# What it may do ----------------------------------------------------------------------------------


def test_a_service_key_is_nobody_and_holds_what_it_was_given(acme):
    actor = actor_of(service_key(Scope.USAGE_WRITE, bound_tags={"team": "search"}))
    assert (actor.kind, actor.user_id, actor.teams) == ("key", None, None)
    assert actor.scopes == {Scope.USAGE_WRITE}
    assert actor.bound_tags == {"team": "search"}


def test_a_service_key_never_decides(acme):
    with pytest.raises(services.KeyNotValid) as refusal:
        service_key(Scope.APPROVALS_DECIDE)
    assert refusal.value.errors[0].code == "personal_only"
    assert not actor_of(service_key(Scope.ADMIN)).may(Scope.APPROVALS_DECIDE)


def test_a_personal_key_follows_its_persons_role(acme):
    user = person(Role.FINANCE)
    key = personal_key(user, Scope.CLOSE_RUN, Scope.COSTS_READ)
    assert actor_of(key).scopes == {Scope.CLOSE_RUN, Scope.COSTS_READ}
    assert actor_of(key).user_id == user.pk
    services.change_access(
        actor=system_actor("tests"), person=user.public_id, role=Role.ANALYST, teams=(), now=NOW
    )
    assert actor_of(key).scopes == {Scope.COSTS_READ}
    services.deactivate(actor=system_actor("tests"), person=user.public_id, now=NOW)
    with pytest.raises(Unauthenticated):
        actor_of(key)


def test_a_members_key_sees_the_members_teams(acme):
    user = person(Role.MEMBER, teams=("search", "ads"))
    assert actor_of(personal_key(user, Scope.USAGE_READ)).teams == {"ads", "search"}


def test_nobody_grants_what_they_do_not_hold(acme):
    user = person(Role.ANALYST)
    with pytest.raises(Forbidden):
        personal_key(user, Scope.CLOSE_RUN)
    with pytest.raises(Forbidden):
        services.issue_key(
            actor=selectors.actor_of_user(user),
            request=services.KeyRequest(KeyKind.SERVICE, "x", frozenset({Scope.USAGE_READ})),
            now=NOW,
        )
    assert ApiKey.objects.count() == 0


def test_a_narrow_key_issues_and_revokes_none(acme):
    actor = actor_of(personal_key(person(), Scope.USAGE_READ))
    request = services.KeyRequest(KeyKind.PERSONAL, "x", frozenset({Scope.USAGE_READ}))
    with pytest.raises(Forbidden):
        services.issue_key(actor=actor, request=request, now=NOW)
    key = ApiKey.objects.get()
    with pytest.raises(Forbidden):
        services.revoke_key(actor=actor, key=key.public_id, now=NOW)


def test_a_bound_key_cannot_issue_a_looser_one(acme):
    actor = replace(system_actor("tests"), bound_tags={"team": "search"})
    loose = services.KeyRequest(KeyKind.SERVICE, "x", frozenset({Scope.USAGE_WRITE}))
    with pytest.raises(Forbidden):
        services.issue_key(actor=actor, request=loose, now=NOW)
    tight = replace(loose, bound_tags={"team": "search", "environment": "test"})
    assert services.issue_key(actor=actor, request=tight, now=NOW).facts.bound_tags == {
        "team": "search",
        "environment": "test",
    }


# How long it works -------------------------------------------------------------------------------


def test_an_expired_key_opens_nothing_even_when_remembered(acme):
    key = service_key(Scope.USAGE_READ, expires_at=NOW + timedelta(seconds=5))
    assert actor_of(key).may(Scope.USAGE_READ)
    with pytest.raises(Unauthenticated):
        actor_of(key, now=NOW + timedelta(seconds=5))


def test_a_revoked_key_opens_nothing_at_once(acme):
    key = service_key(Scope.USAGE_READ)
    actor_of(key)
    services.revoke_key(actor=system_actor("tests"), key=key.facts.id, now=NOW)
    with pytest.raises(Unauthenticated):
        actor_of(key)
    services.revoke_key(actor=system_actor("tests"), key=key.facts.id, now=NOW)
    actions = [
        entry.action for entry in audit.history(subject="api_key", subject_id=str(key.facts.id))
    ]
    assert actions == ["api_key.issued", "api_key.revoked"]


def test_another_process_forgets_a_revoked_key_within_the_time_it_remembers(acme):
    assert keyring.SECONDS <= 30
    key = service_key(Scope.USAGE_READ)
    actor_of(key)
    ApiKey.objects.filter(public_id=key.facts.id).update(revoked_at=NOW)  # by another process
    actor_of(key)
    clock = keyring._holders._clock
    keyring._holders._clock = lambda: clock() + keyring.SECONDS
    try:
        with pytest.raises(Unauthenticated):
            actor_of(key)
    finally:
        keyring._holders._clock = clock


def test_the_last_use_is_kept_to_the_minute(acme, django_assert_num_queries):
    key = service_key(Scope.USAGE_READ)

    def used(seconds: int):
        keyring.forget()
        actor_of(key, now=NOW + timedelta(seconds=seconds))
        return ApiKey.objects.get(public_id=key.facts.id).last_used_at - NOW

    assert [used(at).seconds for at in (0, 30, 59, 61, 100)] == [0, 0, 0, 61, 61]
    with django_assert_num_queries(0):
        actor_of(key, now=NOW + timedelta(seconds=200))


# On which host -----------------------------------------------------------------------------------


def test_a_key_works_on_its_tenants_host_and_on_the_shared_one(acme):
    key = service_key(Scope.ADMIN)
    own = browser("acme").get(KEYS, headers=bearer(key))
    shared = browser("").get(KEYS, headers=bearer(key))
    assert (own.status_code, shared.status_code) == (200, 200)
    assert own.json()["results"] == shared.json()["results"]
    assert [one["prefix"] for one in own.json()["results"]] == [key.facts.prefix]


def everywhere_refused(token: str) -> set[tuple[int, str, bytes]]:
    answers = set()
    for slug in ("acme", ""):
        answer = browser(slug).get(KEYS, headers=bearer(token))
        answers.add((answer.status_code, answer["WWW-Authenticate"], answer.content))
    return answers


def test_everything_that_is_no_key_here_gets_the_same_401(acme, globex):
    with schema_context(acme.schema):
        key = service_key(Scope.ADMIN)
        revoked = service_key(Scope.ADMIN)
        services.revoke_key(actor=system_actor("tests"), key=revoked.facts.id, now=NOW)
        expired = service_key(Scope.ADMIN, expires_at=NOW + timedelta(days=1))
    with schema_context(globex.schema):
        Tenant.objects.filter(slug="globex").update(
            status="suspended", suspended_at=NOW, status_reason="x"
        )
    roster.forget()
    text = KeyText.parse(key.text)
    wrong = [
        "fp_nobody_" + key.text.split("_", 2)[2],
        replace(text, secret=text.secret[::-1]).text,
        KeyText.new("acme").text,
        KeyText.new("globex").text,  # suspended, and wrong
        KeyText.new("public").text,
        "fp_acme",
        "'; DROP TABLE accounts_apikey; --",
        "\u00e4\u00f6\u00fc",
        revoked.text,
        expired.text,
    ]
    answers = set().union(*(everywhere_refused(token) for token in wrong))
    assert len(answers) == 1
    status, challenge, body = answers.pop()
    assert (status, challenge) == (401, "Bearer")
    assert b"invalid_key" in body


def test_another_tenants_key_is_401(acme, globex):
    with schema_context(acme.schema):
        key = service_key(Scope.ADMIN)
    answer = browser("globex").get(KEYS, headers=bearer(key))
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_key")


def test_the_right_key_of_a_suspended_tenant_learns_of_the_suspension(acme):
    key = service_key(Scope.ADMIN)
    Tenant.objects.filter(slug="acme").update(
        status="suspended", suspended_at=NOW, status_reason="x"
    )
    roster.forget()
    for slug in ("acme", ""):
        answer = browser(slug).get(KEYS, headers=bearer(key))
        assert (answer.status_code, answer.json()["code"]) == (403, "tenant_suspended")
        assert browser(slug).get(KEYS, headers=bearer(KeyText.new("acme").text)).status_code == 401
    assert browser("acme").get("/login/").status_code == 403


def test_the_shared_host_takes_no_sessions(acme):
    with schema_context(acme.schema):
        client = signed_in("acme", person())
        weak = service_key(Scope.USAGE_READ)
    shared = browser("")
    shared.cookies["sessionid"] = client.cookies["sessionid"].value
    assert shared.get(KEYS).status_code == 401
    assert shared.get(AUDIT, headers=bearer(weak)).status_code == 403
    assert "sessionid" not in shared.get(AUDIT, headers=bearer(weak)).cookies


def test_a_request_of_the_shared_host_leaves_the_next_one_on_public(acme):
    key = service_key(Scope.ADMIN)
    client = browser("")
    assert client.get(KEYS, headers=bearer(key)).status_code == 200
    assert client.get("/login/").status_code == 200
    assert connection.schema_name == "public"


# Over the API ------------------------------------------------------------------------------------


def test_a_key_is_issued_listed_and_revoked_over_the_api(acme):
    client = browser("acme")
    admin = bearer(service_key(Scope.ADMIN))
    body = {
        "name": "gateway",
        "kind": "service",
        "scopes": ["usage:write"],
        "bound_tags": {"team": "search"},
    }
    made = client.post(KEYS, body, content_type="application/json", headers=admin)
    assert made.status_code == 201
    assert made["Cache-Control"] == "no-store"
    key = made.json()["key"]
    assert actor_of(key).bound_tags == {"team": "search"}
    listed = client.get(KEYS, headers=admin).json()["results"]
    assert [one["name"] for one in listed] == ["gateway", "robot"]
    assert key not in str(listed)
    gone = client.delete(f"{KEYS}/{made.json()['id']}", headers=admin)
    assert gone.status_code == 200
    assert gone.json()["revoked_at"]
    with pytest.raises(Unauthenticated):
        actor_of(key)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"kind": "robot"}, "kind"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["everything"]}, "scopes.0"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
        ({"bound_tags": {"": "x"}}, "bound_tags"),
        ({"bound_tags": {"a": "\x00"}}, "bound_tags.a"),
        ({"name": "a\x00b"}, "name"),
    ],
)
def test_a_wrong_field_is_named(acme, change, field):
    admin = bearer(service_key(Scope.ADMIN))
    body = {"name": "n", "kind": "service", "scopes": ["usage:write"]} | change
    answer = browser("acme").post(KEYS, body, content_type="application/json", headers=admin)
    assert answer.status_code in (400, 422)
    assert field in [error["field"] for error in answer.json()["errors"]]
    assert ApiKey.objects.count() == 1


def test_a_member_sees_and_revokes_own_keys_only(acme):
    member, owner = person(Role.MEMBER), person()
    own, other = personal_key(member, Scope.USAGE_READ), personal_key(owner, Scope.USAGE_READ)
    client = signed_in("acme", member)
    assert [one["id"] for one in client.get(KEYS).json()["results"]] == [str(own.facts.id)]
    assert client.delete(f"{KEYS}/{other.facts.id}").status_code == 404
    assert client.delete(f"{KEYS}/{own.facts.id}").status_code == 200


def test_a_session_needs_the_csrf_token_to_write(acme):
    user = person()
    client = browser("acme", enforce_csrf_checks=True)
    client.force_login(user)
    body = {"name": "n", "kind": "service", "scopes": ["usage:write"]}
    assert client.post(KEYS, body, content_type="application/json").status_code == 403
    assert client.get(KEYS).status_code == 200


def test_the_page_shows_a_new_key_once(acme):
    client = signed_in("acme", person())
    page = client.post(
        "/settings/api-keys/new/",
        {
            "name": "gateway",
            "kind": "service",
            "scopes": ["usage:write"],
            "bound_tags": "team=search",
        },
    )
    text = page.content.decode()
    key = KeyText.parse(text.split('value="fp_', 1)[1].split('"', 1)[0].join(["fp_", ""]))
    assert page.status_code == 200
    assert "no-store" in page["Cache-Control"]
    assert actor_of(key.text).scopes == {Scope.USAGE_WRITE}
    listed = client.get("/settings/api-keys/").content.decode()
    assert "gateway" in listed
    assert key.secret not in listed
