"""Accepts what a door made of payloads of another form."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from django.db import InterfaceError, OperationalError

from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import TooLarge, Unavailable
from apps.ingest.domain.receipt import Receipt
from apps.ingest.domain.translated import Taken
from apps.ingest.services.accept import accept_events
from apps.usage.domain.checks import MOST_EVENTS


def accept_translated(*, taken: Taken, actor: Actor, received_at: datetime) -> Receipt:
    """Store the uses that are new; errors name the place of their payload in the request.

    :raises TooLarge: when there are more than 10,000 uses.
    :raises Unavailable: when the database does not answer; sending the same again is safe.
    :raises Forbidden: when the actor lacks usage:write.
    """
    actor.require(Scope.USAGE_WRITE)
    if len(taken.drafts) > MOST_EVENTS:
        raise TooLarge(
            f"{len(taken.drafts):,} uses are more than {MOST_EVENTS:,} a request; send them in "
            "parts.",
            code="too_many_events",
        )
    try:
        receipt = accept_events(drafts=taken.drafts, actor=actor, received_at=received_at)
    except (OperationalError, InterfaceError) as error:
        raise Unavailable(
            "The database did not answer. Send the same again: what was stored counts once.",
            code="database_unavailable",
        ) from error
    errors = tuple(replace(error, index=taken.places[error.index]) for error in receipt.errors)
    return replace(receipt, errors=errors)
