"""Migrates the template database and provisions the two tenants that most tests live in."""

from __future__ import annotations

import os
from datetime import UTC, datetime

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
TENANTS = (
    {
        "slug": "acme",
        "name": "Acme Corp",
        "base_currency": "USD",
        "timezone": "America/New_York",
        "locale": "en-US",
        "admin_email": "owner@acme.example",
    },
    {
        "slug": "globex",
        "name": "Globex SE",
        "base_currency": "EUR",
        "timezone": "Europe/Berlin",
        "locale": "de-DE",
        "admin_email": "owner@globex.example",
    },
)


def main() -> None:
    """Run as the owner of the tables, against the database that FINOPS_TEST_DATABASE names."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "finops_platform.settings.test"
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate_schemas", schema_name="public", verbosity=0)
    from apps.catalog.services import import_list_prices
    from apps.core.domain.access import system_actor
    from finops_platform.provisioning import provision_tenant

    import_list_prices(now=NOW)
    for tenant in TENANTS:
        provision_tenant(actor=system_actor("tests"), now=NOW, **tenant)


if __name__ == "__main__":
    main()
