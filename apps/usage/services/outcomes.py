"""Records what came of uses: with their events, or later by event, trace or experiment."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from hashlib import blake2b

from apps.core.domain.canonical import canonical_json
from apps.usage.domain.placed import Placed
from apps.usage.models import Outcome


@dataclass(frozen=True, slots=True)
class OutcomeDraft:
    """An outcome and what it refers to: an event, a trace, or an experiment.

    Without `occurred_at` it became known when it was received.
    """

    name: str
    occurred_at: datetime | None = None
    success: bool | None = None
    value: Decimal | None = None
    source: str = ""
    event_id: str = ""
    trace_id: str = ""
    experiment: str = ""

    @property
    def digest(self) -> bytes:
        """Return what makes two sendings the same outcome: everything it says."""
        said = (
            self.name,
            self.occurred_at,
            self.success,
            self.value,
            self.source,
            self.event_id,
            self.trace_id,
            self.experiment,
        )
        return blake2b(canonical_json(said), digest_size=16).digest()


def record_outcomes(*, outcomes: Sequence[OutcomeDraft], received_at: datetime) -> int:
    """Keep the outcomes that are not known yet; return their number. Repeating it adds none."""
    new = {outcome.digest: outcome for outcome in outcomes}
    before = set(Outcome.objects.filter(digest__in=list(new)).values_list("digest", flat=True))
    known = {bytes(digest) for digest in before}
    rows = [
        _row(outcome, digest, received_at)
        for digest, outcome in sorted(new.items())
        if digest not in known
    ]
    Outcome.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)


def record_sent_outcomes(*, events: Iterable[Placed], received_at: datetime) -> None:
    """Keep the outcomes that came with new events."""
    drafts = [_of_event(item) for item in events if item.draft.outcome is not None]
    Outcome.objects.bulk_create(
        [_row(draft, draft.digest, received_at) for draft in drafts],
        ignore_conflicts=True,
        batch_size=2_000,
    )


def _of_event(item: Placed) -> OutcomeDraft:
    sent = item.draft.outcome
    assert sent is not None
    return OutcomeDraft(
        name=sent.name,
        occurred_at=item.draft.time,
        success=sent.success,
        value=sent.value,
        source=item.source,
        event_id=item.event_id,
        trace_id=item.draft.trace_id or "",
    )


def _row(draft: OutcomeDraft, digest: bytes, received_at: datetime) -> Outcome:
    return Outcome(
        public_id=uuid.uuid4(),
        digest=digest,
        source=draft.source,
        event_id=draft.event_id,
        trace_id=draft.trace_id,
        experiment=draft.experiment,
        name=draft.name,
        success=draft.success,
        value=draft.value,
        occurred_at=draft.occurred_at or received_at,
        received_at=received_at,
    )
