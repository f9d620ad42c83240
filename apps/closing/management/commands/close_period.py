"""Closes a month through the workers: `manage.py close_period acme 2026-10`."""

from __future__ import annotations

import time
from typing import Any, Final
from uuid import UUID

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone
from django_tenants.utils import schema_context
from tqdm import tqdm

from apps.accounts import selectors as accounts
from apps.closing import selectors, services
from apps.closing.selectors import CloseRunFacts, RunState
from apps.closing.tasks import enqueue
from apps.core.command import PlatformCommand
from apps.core.domain.months import Month
from apps.periods import selectors as periods
from apps.periods.domain.calendar import State
from apps.tenants import selectors as tenants

_GLANCE: Final = 0.25
"""Seconds between two looks at the close."""


class Command(PlatformCommand):
    help = "Close a month through Celery and the broker, and wait for it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug")
        parser.add_argument("month", help="2026-10")
        parser.add_argument(
            "--approve-as", metavar="EMAIL", help="approve as this person, not the preparer"
        )
        parser.add_argument(
            "--timeout", type=int, default=600, help="seconds to wait for a sign of life"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        month = Month.parse(options["month"])
        with schema_context(tenants.by_slug(slug=options["slug"]).schema):
            closed = periods.period(month).state is State.CLOSED
            run = selectors.latest(month) if closed else self._started(month)
            if run is None:
                raise CommandError(f"{month} was closed together with a later month.")
            with tqdm(total=len(run.steps), desc=f"{options['slug']} {month}", disable=None) as bar:
                run = self._followed(run.id, bar, options)
            self._report(run)

    def _started(self, month: Month) -> CloseRunFacts:
        run = services.start_close(month=month, actor=self.actor, now=timezone.now())
        enqueue(run.id)
        return run

    def _followed(self, id: UUID, bar: Any, options: dict[str, Any]) -> CloseRunFacts:
        """Watch a close until it is over or waits for somebody else."""
        seen: object = None
        silent_since = time.monotonic()
        while True:
            run = selectors.close_run(id)
            bar.n = run.progress[0]
            bar.set_postfix_str(run.current.title if run.current else "")
            if run.state is RunState.WAITING and options["approve_as"]:
                self._approve(run, options["approve_as"])
                continue
            if run.state is not RunState.RUNNING:
                return run
            if (run.state, run.steps) != seen:
                seen, silent_since = (run.state, run.steps), time.monotonic()
            elif time.monotonic() - silent_since > options["timeout"]:
                raise CommandError(
                    "No worker has moved the close; start one (make run, or celery -A "
                    "celery_worker worker) and try again. Nothing is lost."
                )
            time.sleep(_GLANCE)

    def _approve(self, run: CloseRunFacts, email: str) -> None:
        """Approve as a person, through the shell, which the audit log names.

        Another caller may have been first; the close then goes on by itself.
        """
        try:
            services.approve(
                run=run.id,
                approver=accounts.actor_of_person(email),
                comment="Approved from the command line.",
                now=timezone.now(),
                through=self.actor,
            )
        except services.CloseState:
            if selectors.close_run(run.id).state is RunState.WAITING:
                raise
        else:
            enqueue(run.id)

    def _report(self, run: CloseRunFacts) -> None:
        for step in run.steps:
            self.stdout.write(f"{step.state.value:<8} {step.title}: {step.message}".rstrip(": "))
        if run.state is RunState.FAILED:
            failed = run.current
            remedy = failed.remedy if failed is not None else ""
            raise CommandError(f"The close failed. {remedy}")
        if run.state is RunState.WAITING:
            self.stdout.write(
                f"{run.month} waits for another person than {run.prepared_by}: approve it at "
                f"/month/{run.month}/ or with --approve-as EMAIL."
            )
        if run.state is RunState.FINISHED:
            self.stdout.write(f"{run.month} is closed, result {run.result_hash}.")
