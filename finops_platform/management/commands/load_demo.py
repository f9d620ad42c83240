"""Loads the demo and closes its complete months; a second run adds nothing."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from functools import partial
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone
from django_tenants.utils import schema_context
from tqdm import tqdm

from apps.catalog import selectors as catalog
from apps.core.command import PlatformCommand
from apps.core.domain.months import Month
from apps.periods import selectors as periods
from apps.periods.domain.calendar import State
from apps.tenants import selectors as tenants
from apps.tenants.selectors import TenantFacts
from finops_platform.demo.access import Access
from finops_platform.demo.answers import answer_statements, name_responders
from finops_platform.demo.bills import import_bills
from finops_platform.demo.budgets import ensure_budgets
from finops_platform.demo.closing import CloseStuck, close_month
from finops_platform.demo.experiments import ensure_experiments
from finops_platform.demo.late import bring_late, declare_accounts
from finops_platform.demo.ledger import hand_over, set_up_ledger
from finops_platform.demo.script import Script
from finops_platform.demo.summary import summarize, text_of
from finops_platform.demo.tenancy import OPERATOR, ensure_operator, ensure_tenant
from finops_platform.demo.traffic import month_events, post

SLUGS = ("acme", "globex")


class Command(PlatformCommand):
    help = "Load the two demo tenants and close their complete months through the workers."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--today", type=date.fromisoformat, help="pin the day, as 2026-11-24")
        parser.add_argument(
            "--no-close", action="store_true", help="leave all months open; needs no worker"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        logging.getLogger("audit").setLevel(logging.WARNING)  # a line a record hides the bars
        until = _until(options["today"])
        if catalog.last_known_at() is None:
            call_command("sync_prices", stdout=self.stdout)
        access = Access.load()
        ensure_operator(actor=self.actor, access=access, now=timezone.now())
        loaded: list[tuple[TenantFacts, Sequence[Month]]] = []
        for slug in SLUGS:
            loaded.append(self._load(Script.read(slug), access=access, until=until))
        if not options["no_close"]:
            for tenant, months in loaded:
                self._close(tenant, months)
        self._report(loaded, access)

    def _load(
        self, script: Script, *, access: Access, until: datetime
    ) -> tuple[TenantFacts, Sequence[Month]]:
        months = _months(script, until)
        tenant = ensure_tenant(
            script=script, months=months, actor=self.actor, access=access, now=timezone.now()
        )
        with schema_context(tenant.schema):
            self._set_up(script, first=months[0], now=timezone.now())
            for month in months:
                if periods.period(month).state is State.OPEN:
                    self._post(script, tenant, months, month, until)
            import_bills(script=script, months=months, actor=self.actor, now=timezone.now())
            ensure_experiments(script=script, months=months, now=until)
            ensure_budgets(
                script=script,
                tenant=tenant,
                first=months[0],
                actor=self.actor,
                now=timezone.now(),
            )
        return tenant, months

    def _set_up(self, script: Script, *, first: Month, now: datetime) -> None:
        declare_accounts(script=script, actor=self.actor, now=now)
        set_up_ledger(script=script, first=first, actor=self.actor, now=now)
        name_responders(script=script, actor=self.actor, now=now)

    def _post(
        self,
        script: Script,
        tenant: TenantFacts,
        months: Sequence[Month],
        month: Month,
        until: datetime,
    ) -> None:
        items = month_events(script, tenant=tenant, months=months, month=month, until=until)
        with tqdm(desc=f"{tenant.slug} {month}", unit=" events", disable=None) as bar:
            for count in post(items=items, actor=self.actor, received_at=timezone.now()):
                bar.update(count)

    def _close(self, tenant: TenantFacts, months: Sequence[Month]) -> None:
        script = Script.read(tenant.slug)
        with schema_context(tenant.schema):
            for index, month in enumerate(months[:-1]):
                self._close_month(script, month)
                bring_late(
                    script=script, months=months, index=index, actor=self.actor, now=timezone.now()
                )
                answer_statements(script=script, months=months, index=index, clock=timezone.now)
                hand_over(
                    script=script, months=months, index=index, actor=self.actor, now=timezone.now()
                )

    def _close_month(self, script: Script, month: Month) -> None:
        roles = {person["role"]: person["email"] for person in script["people"]}
        with tqdm(desc=f"{script['slug']} {month} close", unit=" steps", disable=None) as bar:
            try:
                close_month(
                    month=month,
                    preparer=roles["finance"],
                    approver=roles["owner"],
                    shell=self.actor,
                    clock=timezone.now,
                    glance=partial(_show, bar),
                )
            except CloseStuck as stuck:
                raise CommandError(str(stuck)) from stuck

    def _report(
        self, loaded: Sequence[tuple[TenantFacts, Sequence[Month]]], access: Access
    ) -> None:
        self.stdout.write("")
        for tenant, months in loaded:
            with schema_context(tenant.schema):
                for summary in summarize(tenant=tenant, months=months, actor=self.actor):
                    self.stdout.write(text_of(summary))
        for tenant, _ in loaded:
            self._report_access(tenant, access)
        password = access.passwords.get(OPERATOR, "(see the first run)")
        self.stdout.write(f"\nOperator: {settings.PUBLIC_URL}/")
        self.stdout.write(f"  {'operator':<9} {OPERATOR:<32} {password}")

    def _report_access(self, tenant: TenantFacts, access: Access) -> None:
        self.stdout.write(f"\n{tenant.name}: {tenants.base_url(slug=tenant.slug)}/")
        for person in Script.read(tenant.slug)["people"]:
            email = person["email"]
            password = access.passwords.get(email, "(see the first run)")
            self.stdout.write(f"  {person['role']:<9} {email:<32} {password}")
        api = f"http://127.0.0.1:{os.environ.get('PORT') or '8000'}/api/v1/"
        self.stdout.write(f"  API       {api}")
        self.stdout.write(f"  API key   {access.keys.get(tenant.slug, '(see the first run)')}")


def _until(today: date | None) -> datetime:
    """Return up to when the demo's events go: now, or the end of a pinned day, in UTC."""
    now = timezone.now()
    if today is None:
        return now
    return min(now, datetime.combine(today, time(23, 59, 59), tzinfo=UTC))


def _months(script: Script, until: datetime) -> Sequence[Month]:
    """Return the two months before today's and today's own, in the tenant's timezone."""
    from zoneinfo import ZoneInfo

    present = Month.of(until.astimezone(ZoneInfo(script["timezone"])).date())
    return [present - 2, present - 1, present]


def _show(bar: Any, run: Any) -> None:
    done = [step for step in run.steps if step.state.value == "done"]
    bar.total, bar.n = len(run.steps), len(done)
    bar.set_postfix_str(run.current.name.value if run.current else "done", refresh=True)
