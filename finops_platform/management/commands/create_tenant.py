"""Provisions a tenant: `manage.py create_tenant acme --admin-email ada@acme.example`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone
from django_tenants.utils import schema_context

from apps.accounts import services as accounts
from apps.core.command import PlatformCommand
from apps.tenants import selectors as tenants
from finops_platform.provisioning import provision_tenant


class Command(PlatformCommand):
    help = "Provision a tenant: schema, first owner, calendar. Prints where and how to sign in."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="lower-case letters, digits and hyphens")
        parser.add_argument("--name", help="as on statements; the slug when left out")
        parser.add_argument("--admin-email", required=True, help="the first owner")
        parser.add_argument("--currency", default="USD", help="base currency, ISO 4217")
        parser.add_argument("--timezone", default="UTC", help="IANA zone, such as Europe/Berlin")
        parser.add_argument("--locale", default="en-US")

    def handle(self, *args: Any, **options: Any) -> None:
        done = provision_tenant(
            actor=self.actor,
            slug=options["slug"],
            name=options["name"] or options["slug"],
            base_currency=options["currency"],
            timezone=options["timezone"],
            locale=options["locale"],
            admin_email=options["admin_email"],
            now=timezone.now(),
        )
        self.stdout.write(f"schema    {done.schema}")
        self.stdout.write(f"address   {tenants.base_url(slug=done.slug)}/")
        self.stdout.write(f"e-mail    {done.admin_email}")
        self.stdout.write(f"password  {done.admin_password}   (shown once)")
        with schema_context(done.schema):
            link = accounts.password_link(
                email=done.admin_email, purpose=accounts.LinkPurpose.INVITE
            )
        if link is not None:
            self.stdout.write(f"or choose a password: {link.url}")
