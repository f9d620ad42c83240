"""Closes a demo month the way finance does: one person starts it, another approves it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Final
from uuid import UUID

from apps.accounts import selectors as accounts
from apps.closing import selectors as closes
from apps.closing import services as closing
from apps.closing import tasks
from apps.closing.domain.steps import CloseRunFacts, RunState
from apps.core.db import current_schema
from apps.core.domain.access import Actor
from apps.core.domain.months import Month

PATIENCE_SECONDS: Final = 300
_GLANCE_SECONDS: Final = 0.2


class CloseStuck(Exception):
    """A close of the demo did not come to its end."""


def close_month(
    *,
    month: Month,
    preparer: str,
    approver: str,
    shell: Actor,
    clock: Callable[[], datetime],
    glance: Callable[[CloseRunFacts], None],
) -> CloseRunFacts:
    """Close a month through the workers; return the finished close.

    `glance` sees the close several times a second. Starting again takes up where it stopped.

    :raises CloseStuck: when a step fails or nothing moves for five minutes.
    """
    done = closes.latest(month)
    if done is not None and done.state is RunState.FINISHED:
        return done
    run = closing.start_close(month=month, actor=accounts.actor_of_person(preparer), now=clock())
    _advance(run.id)
    run = _wait(run.id, until=(RunState.WAITING, RunState.FINISHED), glance=glance)
    if run.state is RunState.WAITING:
        closing.approve(
            run=run.id,
            approver=accounts.actor_of_person(approver),
            comment="Agrees with the preview.",
            now=clock(),
            through=shell,
        )
        _advance(run.id)
    return _wait(run.id, until=(RunState.FINISHED,), glance=glance)


def _advance(run: UUID) -> None:
    tasks.advance.delay(schema=current_schema(), run=str(run))


def _wait(
    run: UUID, *, until: tuple[RunState, ...], glance: Callable[[CloseRunFacts], None]
) -> CloseRunFacts:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        facts = closes.close_run(run)
        glance(facts)
        if facts.state in until:
            return facts
        if facts.state in (RunState.FAILED, RunState.CANCELLED):
            step = facts.current
            raise CloseStuck(f"{facts.month}: {facts.state}: {step.message if step else ''}")
        time.sleep(_GLANCE_SECONDS)
    raise CloseStuck(f"{run}: nothing moved for {PATIENCE_SECONDS} seconds; does a worker run?")
