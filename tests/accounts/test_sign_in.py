"""Signing in and out, as a browser does it."""

from __future__ import annotations

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django_tenants.utils import schema_context

from apps.accounts.models import User
from apps.audit import selectors as audit
from apps.core.domain.access import Role
from tests.accounts.people import PASSWORD, browser, person, signed_in

HOME = "/profile/"


def sign_in(client, email="owner@people.example", password=PASSWORD, **fields):
    return client.post("/login/", {"email": email, "password": password, **fields})


def test_the_right_password_opens_a_session(acme):
    person()
    client = browser("acme")
    answer = sign_in(client, email="Owner@People.Example", next=HOME)
    assert (answer.status_code, answer["Location"]) == (302, HOME)
    assert client.get(HOME).status_code == 200
    with schema_context(acme.schema):
        assert audit.page(before=None, limit=1)[0].action == "session.opened"


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("owner@people.example", "wrong password here"),
        ("nobody@people.example", PASSWORD),
        ("gone@people.example", PASSWORD),
    ],
)
def test_every_wrong_sign_in_gets_the_same_answer(acme, email, password):
    person()
    User.objects.filter(pk=person(Role.ANALYST, email="gone@people.example").pk).update(
        is_active=False, deactivated_at="2026-01-01T00:00:00Z"
    )
    client = browser("acme")
    answer = sign_in(client, email=email, password=password)
    assert answer.status_code == 200
    assert "The e-mail address or the password is wrong." in answer.content.decode()
    assert "sessionid" not in client.cookies
    assert Session.objects.count() == 0


def test_signing_in_gives_the_session_a_new_key(acme):
    """A key planted before cannot be used after (session fixation)."""
    person()
    client = browser("acme")
    session = client.session
    session["planted"] = True
    session.save()
    planted = session.session_key
    sign_in(client)
    assert client.cookies["sessionid"].value != planted
    with schema_context(acme.schema):
        assert not Session.objects.filter(session_key=planted).exists()


def test_the_session_cookie_is_hard_to_steal(acme):
    person()
    client = browser("acme")
    sign_in(client)
    cookie = client.cookies["sessionid"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert cookie["domain"] == ""


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "http:evil.example",
        "javascript:alert(1)",
        "http://acme.localhost.evil.example/",
    ],
)
def test_nobody_is_led_to_another_site(acme, elsewhere):
    person()
    answer = sign_in(browser("acme"), next=elsewhere)
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert "evil" not in browser("acme").get("/login/", {"next": elsewhere}).content.decode()


def test_a_form_of_another_site_is_refused(acme):
    user = person()
    client = browser("acme", enforce_csrf_checks=True)
    assert sign_in(client).status_code == 403
    client.force_login(user)
    assert client.post("/logout/").status_code == 403
    assert client.get(HOME).status_code == 200


def test_sign_out_takes_a_post(acme):
    client = signed_in("acme", person())
    assert client.get("/logout/").status_code == 405
    assert client.post("/logout/").status_code == 302
    assert client.get(HOME)["Location"] == "/login/?next=/profile/"


def test_guessing_is_slowed_down_and_the_right_password_then_tells_nothing(acme):
    person()
    client = browser("acme")
    for _ in range(5):
        assert sign_in(client, password="guess guess guess").status_code == 200
    answer = sign_in(client)
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= 900
    assert "Too many attempts" in answer.content.decode()
    other_address = browser("acme", REMOTE_ADDR="10.0.0.9")
    assert sign_in(other_address).status_code == 302


def test_attempts_of_one_tenant_do_not_count_in_another(acme, globex):
    person()
    client = browser("acme")
    for _ in range(6):
        sign_in(client, password="guess guess guess")
    assert sign_in(browser("globex")).status_code == 302


def test_a_deactivated_person_is_out_at_once(acme):
    user = person()
    client = signed_in("acme", user)
    assert client.get(HOME).status_code == 200
    User.objects.filter(pk=user.pk).update(is_active=False, deactivated_at="2026-01-01T00:00:00Z")
    assert client.get(HOME).status_code == 302


def test_an_idle_session_ends(acme, settings):
    client = signed_in("acme", person())
    assert client.get(HOME).status_code == 200
    settings.SESSION_IDLE_SECONDS = -1
    assert client.get(HOME).status_code == 302


def test_a_session_means_nothing_to_another_tenant(acme, globex):
    with schema_context(acme.schema):
        client = signed_in("acme", person())
    cookie = client.cookies["sessionid"].value
    thief = browser("globex")
    thief.cookies["sessionid"] = cookie
    assert thief.get(HOME).status_code == 302
    operator = browser("")
    operator.cookies["sessionid"] = cookie
    assert operator.get(HOME).status_code == 302
    assert client.get(HOME).status_code == 200
    assert connection.schema_name in ("public", acme.schema)
