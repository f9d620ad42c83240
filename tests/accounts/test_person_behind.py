"""Who stands behind what a key does: four eyes are two people, however many keys one has."""

from __future__ import annotations

import pytest

from apps.accounts.models import ApiKey
from apps.accounts.selectors import actor_of_user, person_behind
from apps.core.domain.access import Scope, system_actor
from tests.accounts.people import NOW, issued_by, person


@pytest.fixture
def ada(acme):
    return person(email="ada@acme.example")


@pytest.fixture
def grace(acme):
    return person(email="grace@acme.example")


def test_a_person_acts_alone_and_by_a_key(ada):
    assert person_behind(actor_of_user(ada)) == ada.pk
    assert person_behind(issued_by(actor_of_user(ada), Scope.CLOSE_RUN)) == ada.pk


def test_a_chain_of_keys_ends_at_the_person(ada):
    actor = actor_of_user(ada)
    for _ in range(4):
        actor = issued_by(actor, Scope.ADMIN)
        assert person_behind(actor) == ada.pk


def test_keys_of_one_name_are_told_apart(ada, grace):
    hers = issued_by(actor_of_user(ada), Scope.ADMIN)
    others = issued_by(actor_of_user(grace), Scope.ADMIN)
    assert person_behind(issued_by(hers, Scope.CLOSE_RUN)) == ada.pk
    assert person_behind(issued_by(others, Scope.CLOSE_RUN)) == grace.pk


def test_a_key_that_names_its_issuer_by_name_alone_is_followed(ada):
    """As keys were written before labels told namesakes apart."""
    actor = issued_by(issued_by(actor_of_user(ada), Scope.ADMIN), Scope.CLOSE_RUN)
    ApiKey.objects.filter(pk=actor.key_id).update(created_by="key:robot")
    assert person_behind(actor) == ada.pk


def test_nobody_stands_behind_the_shell_and_its_keys(acme):
    shell = system_actor("tests")
    assert person_behind(shell) is None
    assert person_behind(issued_by(issued_by(shell, Scope.ADMIN), Scope.CLOSE_RUN)) is None


def test_a_person_who_left_is_still_the_person(ada):
    actor = issued_by(issued_by(actor_of_user(ada), Scope.ADMIN), Scope.CLOSE_RUN)
    ada.is_active, ada.deactivated_at = False, NOW
    ada.save()
    assert person_behind(actor) == ada.pk
