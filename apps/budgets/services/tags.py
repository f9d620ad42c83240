"""Tags of experiments, and whether their requests are approved: guardrails ask before money."""

from __future__ import annotations

from datetime import datetime

from apps.budgets.domain.tags import TagState
from apps.budgets.models import ExperimentTag
from apps.budgets.services import counters


def announce_tag(*, experiment: str, state: TagState, now: datetime) -> bool:
    """Say whether use under a request's tag is approved; tells whether that is news.

    Called by whoever changes the request, under the lock of its row and in that transaction, before
    anything is audited. The registry moves, so that every process asks the tags anew; saying the
    same again moves nothing.
    """
    known = ExperimentTag.objects.filter(experiment=experiment).values_list("state", flat=True)
    if known.first() == state.value:
        return False
    counters.move_registry()
    ExperimentTag.objects.update_or_create(
        experiment=experiment, defaults={"state": state.value, "changed_at": now}
    )
    return True
