"""Who may do what: inviting, changing and ending access."""

from __future__ import annotations

import re
import threading

import pytest
from django.core import mail
from django.db import IntegrityError, connection, transaction
from django_tenants.utils import schema_context

from apps.accounts import selectors, services
from apps.accounts.models import User
from apps.accounts.tokens import LinkPurpose
from apps.audit import selectors as audit
from apps.core.domain.access import ROLE_SCOPES, Role, Scope, system_actor
from apps.core.domain.errors import Forbidden
from tests.accounts.people import NOW, PASSWORD, bearer, browser, person, service_key, signed_in

TESTS = system_actor("tests")
NEW = "a quite different sentence"


def change(user: User, role: Role, *teams: str):
    return services.change_access(
        actor=TESTS, person=user.public_id, role=role, teams=teams, now=NOW
    )


def only_owner() -> User:
    return User.objects.get(role="owner")


def test_an_invited_person_can_sign_in_once_a_password_is_set(
    acme, django_capture_on_commit_callbacks
):
    client = signed_in("acme", only_owner())
    with django_capture_on_commit_callbacks(execute=True):
        answer = client.post(
            "/settings/people/new/",
            {"email": "Ada@Acme.example", "name": "Ada", "role": "member", "teams": "search, ads"},
        )
    assert answer.status_code == 302
    with schema_context(acme.schema):
        ada = selectors.person_by_email("ada@acme.example")
        assert (ada.role, ada.teams) == (Role.MEMBER, ("ads", "search"))
        assert selectors.actor_of_person("ada@acme.example").teams == {"ads", "search"}
    url = link_in(mail.outbox[-1])
    assert url.startswith("http://acme.localhost:8000/password/invite/")
    assert use(url, "acme") == "/password/done/"
    assert sign_in("acme", "ada@acme.example", NEW).status_code == 302


def link_in(message) -> str:
    return re.search(r"http://\S+", message.body)[0]


def path_of(url: str) -> str:
    return "/" + url.split("/", 3)[3]


def use(url: str, slug: str, password: str = NEW) -> str | None:
    """Follow a link as a browser; return where setting the password leads, None if refused."""
    client = browser(slug)
    first = client.get(path_of(url))
    if first.status_code != 302:
        return None
    assert "token" not in first["Location"] and first["Location"].endswith("/form/")
    answer = client.post(first["Location"], {"new_password": password, "again": password})
    return answer["Location"] if answer.status_code == 302 else None


def sign_in(slug: str, email: str, password: str):
    return browser(slug).post("/login/", {"email": email, "password": password})


def reset_link(email: str = "owner@acme.example") -> str:
    return services.password_link(email=email, purpose=LinkPurpose.RESET).url


def test_a_link_works_once(acme):
    url = reset_link()
    assert use(url, "acme") == "/password/done/"
    assert use(url, "acme") is None
    assert sign_in("acme", "owner@acme.example", NEW).status_code == 302


def test_setting_a_password_ends_every_session(acme):
    client = signed_in("acme", only_owner())
    assert client.get("/profile/").status_code == 200
    use(reset_link(), "acme")
    assert client.get("/profile/").status_code == 302


@pytest.mark.parametrize("end", ["sign in", "deactivate", "time", "forge"])
def test_a_link_ends(acme, end):
    url = reset_link()
    if end == "sign in":
        browser("acme").force_login(only_owner())
        with schema_context(acme.schema):
            User.objects.filter(role="owner").update(last_login=NOW)
    elif end == "deactivate":
        with schema_context(acme.schema):
            User.objects.update(is_active=False, deactivated_at=NOW)
    elif end == "time":
        import time_machine as machine

        with machine.travel(machine_later()):
            assert use(url, "acme") is None
        return
    else:
        url = url[:-2] + ("A" if url[-2] != "A" else "B") + "/"
    assert use(url, "acme") is None


def machine_later():
    from datetime import timedelta

    from django.utils import timezone

    return timezone.now() + timedelta(hours=2, seconds=5)


def test_a_link_is_salted_with_schema_and_purpose(acme, globex):
    """The same person in two tenants: even with equal ids, a link of one opens nothing there."""
    with schema_context(acme.schema):
        row = only_owner()
        url = reset_link()
    with schema_context(globex.schema):
        User.objects.filter(role="owner").update(
            public_id=row.public_id,
            email=row.email,
            password=row.password,
            last_login=row.last_login,
        )
    assert use(url, "globex") is None
    assert use(url.replace("/reset/", "/invite/"), "acme") is None
    assert use(url, "acme") == "/password/done/"


def test_asking_for_a_link_tells_nobody_who_has_an_account(
    acme, django_capture_on_commit_callbacks
):
    answers = []
    for email in ("owner@acme.example", "nobody@acme.example"):
        with django_capture_on_commit_callbacks(execute=True):
            answers.append(browser("acme").post("/password/", {"email": email}))
    assert {(one.status_code, one["Location"]) for one in answers} == {(302, "/password/sent/")}
    assert [message.to for message in mail.outbox] == [["owner@acme.example"]]
    assert mail.outbox[0].subject == "Set a new password for Acme Corp"


def test_a_claimed_host_never_comes_into_a_link(acme, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        browser("acme").post(
            "/password/",
            {"email": "owner@acme.example"},
            headers={"x-forwarded-host": "evil.example"},
        )
    assert "evil" not in mail.outbox[0].body


def test_flooding_a_mailbox_is_stopped(acme):
    client = browser("acme")
    codes = [
        client.post("/password/", {"email": "owner@acme.example"}).status_code for _ in range(7)
    ]
    assert codes == [302] * 5 + [429] * 2


@pytest.mark.parametrize("weak", ["short", "123456789012345", "owner@acme.example", "password1234"])
def test_a_weak_password_is_refused_with_the_reason(acme, weak):
    url = reset_link()
    client = browser("acme")
    shown = client.get(path_of(url))["Location"]
    answer = client.post(shown, {"new_password": weak, "again": weak})
    assert answer.status_code == 200
    assert "new_password_error" in answer.content.decode()
    assert use(url, "acme") == "/password/done/"


def test_changing_ones_password_needs_the_old_one(acme):
    user = person(Role.ANALYST)
    client = signed_in("acme", user)
    body = {"old_password": "not this one", "new_password": NEW, "again": NEW}
    assert "not your present password" in client.post("/profile/", body).content.decode()
    assert client.post("/profile/", body | {"old_password": PASSWORD}).status_code == 302
    assert client.get("/profile/").status_code == 200
    assert sign_in("acme", user.email, NEW).status_code == 302


# Roles -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", list(Role))
def test_a_person_holds_the_scopes_of_the_role(acme, role):
    actor = selectors.actor_of_user(person(role))
    assert actor.scopes == ROLE_SCOPES[role]
    assert (actor.teams is None) == (role is not Role.MEMBER)


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.OWNER])
def test_only_owners_change_access(acme, role):
    actor = selectors.actor_of_user(person(role))
    before = list(User.objects.values_list("email", "role", "is_active").order_by("pk"))
    owner = only_owner().public_id
    for attempt in (
        lambda: services.invite(
            actor=actor, email="x@x.example", name="", role=role, teams=(), now=NOW
        ),
        lambda: services.change_access(
            actor=actor, person=owner, role=Role.MEMBER, teams=(), now=NOW
        ),
        lambda: services.deactivate(actor=actor, person=owner, now=NOW),
        lambda: services.reactivate(actor=actor, person=owner, now=NOW),
    ):
        with pytest.raises(Forbidden):
            attempt()
    assert list(User.objects.values_list("email", "role", "is_active").order_by("pk")) == before


def test_the_last_owner_stays(acme):
    owner = only_owner()
    for attempt in (
        lambda: change(owner, Role.FINANCE),
        lambda: services.deactivate(actor=TESTS, person=owner.public_id, now=NOW),
        lambda: services.change_person(
            actor=TESTS, person=owner.public_id, role=None, teams=["a"], active=False, now=NOW
        ),
    ):
        with pytest.raises(services.LastOwner):
            attempt()
    owner.refresh_from_db()
    assert (owner.role, owner.is_active, owner.memberships.count()) == ("owner", True, 0)
    second = person(Role.OWNER, email="second@people.example")
    change(owner, Role.FINANCE)
    with pytest.raises(services.LastOwner):
        change(second, Role.ANALYST)


def test_two_owners_cannot_demote_each_other_at_the_same_time(fresh_tenant):
    first = only_owner()
    second = person(Role.OWNER, email="second@people.example")
    barrier, results = threading.Barrier(2), []

    def demote(user: User) -> None:
        try:
            connection.set_schema(fresh_tenant.schema)
            barrier.wait()
            change(user, Role.ANALYST)
            results.append("done")
        except services.LastOwner:
            results.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=demote, args=(user,)) for user in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["done", "refused"]
    assert User.objects.filter(role="owner", is_active=True).count() == 1


def test_every_change_of_access_is_in_the_trail(acme):
    user = person(Role.MEMBER)
    change(user, Role.ANALYST, "search")
    change(user, Role.ANALYST, "search")  # nothing new
    services.deactivate(actor=TESTS, person=user.public_id, now=NOW)
    services.reactivate(actor=TESTS, person=user.public_id, now=NOW)
    entries = audit.history(subject="person", subject_id=str(user.public_id))
    assert [one.action for one in entries] == [
        "person.access_changed",
        "person.deactivated",
        "person.reactivated",
    ]
    assert entries[0].detail["from"] == {"role": "member", "teams": []}
    assert entries[0].detail["to"] == {"role": "analyst", "teams": ["search"]}
    assert audit.faults() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"role": "king"},
        {"email": "Upper@people.example"},
        {"is_active": False},
    ],
)
def test_the_database_refuses_a_wrong_person(acme, wrong):
    user = person(Role.MEMBER)
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.filter(pk=user.pk).update(**wrong)


def test_people_over_the_api(acme):
    admin = bearer(service_key(Scope.ADMIN))
    client = browser("acme")
    body = {"email": "bob@acme.example", "role": "analyst"}
    made = client.post("/api/v1/people", body, content_type="application/json", headers=admin)
    assert made.status_code == 201
    url = f"/api/v1/people/{made.json()['id']}"
    change_to = {"role": "member", "teams": ["ads"], "active": False}
    changed = client.patch(url, change_to, content_type="application/json", headers=admin).json()
    assert (changed["role"], changed["teams"], changed["active"]) == ("member", ["ads"], False)
    assert client.get(url, headers=admin).json() == changed
    again = client.post("/api/v1/people", body, content_type="application/json", headers=admin)
    assert (again.status_code, again.json()["code"]) == (409, "person_exists")
    bad = client.post(
        "/api/v1/people", body | {"email": "x"}, content_type="application/json", headers=admin
    )
    assert (bad.status_code, bad.json()["errors"][0]["field"]) == (422, "email")


def test_a_page_that_is_refused_names_who_can_grant_it(acme):
    answer = signed_in("acme", person(Role.ANALYST)).get("/settings/people/")
    assert answer.status_code == 403
    assert "owner@acme.example" in answer.content.decode()


def test_the_pages_about_people(acme, django_assert_max_num_queries):
    for number in range(30):
        person(Role.MEMBER, email=f"m{number}@people.example", teams=("a", "b"))
    client = signed_in("acme", only_owner())
    client.get("/profile/")
    with django_assert_max_num_queries(7):  # path, session, person, people, teams, period, inbox
        page = client.get("/settings/people/")
    assert "m29@people.example" in page.content.decode()
    assert "m29@" not in client.get("/settings/people/?q=m1").content.decode()
    with schema_context(acme.schema):
        one = User.objects.get(email="m3@people.example")
    url = f"/settings/people/{one.public_id}/"
    assert client.get(url).status_code == 200
    assert client.post(url, {"role": "approver", "teams": ""}).status_code == 302
    assert client.post(f"{url}deactivate/").status_code == 302
    with schema_context(acme.schema):
        one.refresh_from_db()
    assert (one.role, one.is_active) == ("approver", False)
    assert client.post(f"{url}reactivate/").status_code == 302
