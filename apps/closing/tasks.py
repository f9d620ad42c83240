"""Drives closes in the background: one step a task, one document a task."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from celery import shared_task, signature
from django.db import transaction
from django.utils import timezone
from django_tenants.utils import schema_context

from apps.closing import selectors, services
from apps.core.db import current_schema
from apps.core.domain.errors import Refusal, Unavailable
from apps.core.domain.months import Month
from apps.tenants import selectors as tenants

SILENCE: Final = timedelta(seconds=90)
"""A running close without a sign of life for this long is taken up again."""

REFRESH_REOPENED: Final = "apps.ingest.tasks.refresh_reopened"
"""Rates an opened month with the prices in force; another app's task, known by name."""

ROLL_UP: Final = "apps.chargeback.tasks.roll_up"
"""Puts the issued statements together by parent, product and customer; known by name too."""


def enqueue(run: UUID) -> None:
    """Ask for a close of the present schema to be advanced, once the transaction commits.

    A broker that does not answer is logged: the close is taken up when it is seen to be silent.
    """
    order = {"schema": current_schema(), "run": str(run)}

    def send() -> None:  # a function, as Django logs it by its qualified name
        advance.delay(**order)

    transaction.on_commit(send, robust=True)


def enqueue_refresh(month: Month) -> None:
    """Ask, once the transaction commits, for a month that takes entries again to be rated anew.

    A broker that does not answer is logged, and the month keeps its prices until asked again.
    """
    order = {"schema": current_schema(), "month": str(month)}

    def send() -> None:  # a function, as Django logs it by its qualified name
        signature(REFRESH_REOPENED, kwargs=order, immutable=True).apply_async()

    transaction.on_commit(send, robust=True)


@shared_task(queue="close", acks_late=True)
def advance(*, schema: str, run: str) -> None:
    """Do the next step of a close and enqueue what follows; doing it twice does it once."""
    with schema_context(schema):
        result = services.advance(run=UUID(run), now=timezone.now())
    if result.next is services.Next.AGAIN:
        advance.delay(schema=schema, run=run)
    for document in result.documents:
        render_document.delay(schema=schema, run=run, document=str(document))
    if result.documents:  # they are issued; what is made of them delays no close
        order = {"schema": schema, "month": str(result.run.month)}
        signature(ROLL_UP, kwargs=order, immutable=True).apply_async()


@shared_task(
    bind=True, queue="render", acks_late=True, max_retries=5, retry_backoff=True, throws=(Refusal,)
)
def render_document(self: Any, *, schema: str, run: str, document: str) -> None:
    """Render one statement of a close; the last one finishes it. A refusal fails the step."""
    with schema_context(schema):
        try:
            services.render_document(run=UUID(run), document=UUID(document), now=timezone.now())
        except Refusal as refusal:
            waits = isinstance(refusal, Unavailable) and not refusal.permanent
            if waits and self.request.retries < self.max_retries:
                raise self.retry(exc=refusal, countdown=2**self.request.retries) from refusal
            services.fail_rendering(run=UUID(run), message=refusal.message, now=timezone.now())
            raise
        except Exception:
            services.fail_rendering(
                run=UUID(run),
                message="A statement could not be rendered; the operator's log says why.",
                now=timezone.now(),
            )
            raise


@shared_task(queue="close")
def follow_schedule(*, schema: str) -> None:
    """Do what one tenant's schedule of closes says now; doing it twice does it once."""
    with schema_context(schema):
        begun = services.follow_schedule(now=timezone.now())
    for run in begun:
        advance.delay(schema=schema, run=str(run))


@shared_task(queue="close")
def follow_schedules_everywhere() -> None:
    """Follow the schedule of closes of every active tenant, each by a task of its own."""
    for tenant in tenants.active():
        follow_schedule.delay(schema=tenant.schema)


@shared_task(queue="close")
def take_up_stalled_everywhere() -> None:
    """Advance every running close of every tenant whose worker seems to have died."""
    for tenant in tenants.active():
        with schema_context(tenant.schema):
            stalled = selectors.stalled(now=timezone.now(), after=SILENCE)
        for run in stalled:
            advance.delay(schema=tenant.schema, run=str(run))
