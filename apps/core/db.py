"""Becoming the owner of the tables for as long as a change of structure takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, transaction


def current_schema() -> str:
    """Return the schema that this thread's connection is on."""
    return str(connection.schema_name)  # type: ignore[attr-defined]


class HasSchema(Protocol):
    """A tenant, as far as the connection wants to know."""

    @property
    def schema_name(self) -> str: ...


def enter_tenant(tenant: HasSchema) -> None:
    """Point this thread's connection at a tenant's schema, until something else is entered."""
    connection.set_tenant(tenant)  # type: ignore[attr-defined]


def enter_public() -> None:
    """Point this thread's connection at the shared schema."""
    connection.set_schema_to_public()  # type: ignore[attr-defined]


@contextmanager
def as_owner() -> Iterator[None]:
    """Re-point this thread's connection at the role that owns schemas and tables.

    For provisioning and migrations only: everything else runs as a role that owns nothing and so
    cannot drop a guard. The current schema stays selected. Entering it twice changes nothing.

    :raises ImproperlyConfigured: when this process was not given the owner's password.
    :raises TransactionManagementError: when called inside a transaction, whose work would be lost.
    """
    owner = settings.OWNER_DATABASE
    if owner is None:
        raise ImproperlyConfigured(
            "OWNER_DATABASE_URL is not set in this process; provisioning runs in the worker of the "
            "queue 'provision' and in manage.py."
        )
    if connection.settings_dict["USER"] == owner["USER"]:
        yield
        return
    with _connected_as(user=owner["USER"], password=owner["PASSWORD"]):
        yield


@contextmanager
def _connected_as(*, user: str, password: str) -> Iterator[None]:
    if connection.in_atomic_block:
        raise transaction.TransactionManagementError(
            "as_owner() opens another connection and so cannot be entered inside a transaction."
        )
    original = connection.settings_dict
    connection.close()
    connection.settings_dict = {**original, "USER": user, "PASSWORD": password}
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict = original
