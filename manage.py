#!/usr/bin/env python3
"""Runs management commands; those that change the structure connect as the owner of the tables."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# They create schemas, tables or triggers. FINOPS_DB_ROLE in the environment overrides the choice.
OWNER_COMMANDS = frozenset(
    {
        "migrate",
        "migrate_schemas",
        "tenant_command",
        "create_tenant",
        "clone_tenant",
        "delete_tenant",
        "setup_database",
        "sqlflush",
    }
)


def main() -> None:
    """Run one command; a wrong setting or a stopped server ends in a sentence, not a traceback."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "finops_platform.settings.embedded")
    if len(sys.argv) > 1 and sys.argv[1] in OWNER_COMMANDS:
        os.environ.setdefault("FINOPS_DB_ROLE", "owner")
    _complain_without_packages()
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import OperationalError

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"error: {error}")
    except OperationalError as error:
        sys.exit(f"error: {_explained(error)}")


def _complain_without_packages() -> None:
    try:
        import django  # noqa: F401
    except ImportError:
        here = Path(__file__).resolve().parent
        sys.exit(
            "error: the packages are not installed for this Python. Run `make run` once, then use "
            f"'{here / '.venv' / 'bin' / 'python'}' manage.py ..."
        )


def _explained(error: Exception) -> str:
    """Say which server to start when ours is down; else give the database's own first line."""
    from django.conf import settings

    from finops_platform.embedded.postgres import Postgres
    from finops_platform.embedded.services import needs_postgres

    if settings.EMBEDDED and needs_postgres() and Postgres(home=settings.HOME).postmaster() is None:
        return (
            f"the embedded PostgreSQL of {settings.HOME.root} is not running. Start it with "
            "`make services` (servers only), `make serve` or `make run`; FINOPS_HOME names another "
            "copy."
        )
    return str(error).strip().splitlines()[0]


if __name__ == "__main__":
    main()
