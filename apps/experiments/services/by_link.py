"""Decides as a link in a message offers: once, by the person it was written to."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction

from apps.core.domain.access import Actor
from apps.core.domain.errors import Conflict, Forbidden
from apps.core.tokens import LinkInvalid, open_link
from apps.experiments.domain.states import StepState, Verdict
from apps.experiments.models import LinkUse, Step
from apps.experiments.services.deciding import Ballot, cast
from apps.experiments.services.links import CHANNEL, LIFETIME, PURPOSE


class LinkUsed(Conflict):
    """The link has done its work."""

    default_code = "link_used"


@dataclass(frozen=True, slots=True)
class OpenedLink:
    """What a link is good for: a verdict on the step of a request, by whom it was written to."""

    request: UUID
    step: UUID
    verdict: Verdict
    reader: str
    digest: str


def opened(*, token: str, actor: Actor) -> OpenedLink:
    """Return what a link is good for; nothing is decided yet.

    :raises LinkInvalid: when it was altered, is another tenant's, or has expired.
    :raises LinkUsed: when it was used, or what it was about waits no more.
    :raises Forbidden: when it was written to somebody else.
    """
    value = open_link(purpose=PURPOSE, token=token, lifetime=LIFETIME)
    step, verdict, reader = value.split("|", 2)
    found = Step.objects.select_related("submission__request").filter(public_id=step).first()
    if found is None:
        raise LinkInvalid("This link does not work or has expired; open your inbox instead.")
    if not reader.startswith(CHANNEL) and reader.lower() != actor.label.lower():
        raise Forbidden(
            "This link was written to somebody else; open your own inbox.", code="link_not_yours"
        )
    digest = hashlib.sha256(token.encode()).hexdigest()
    if LinkUse.objects.filter(digest=digest).exists():
        raise LinkUsed("This link has been used; open your inbox to see what waits.")
    if found.state != StepState.OPEN.value:
        raise LinkUsed("What this link was about is decided; open your inbox to see what waits.")
    return OpenedLink(
        found.submission.request.public_id, found.public_id, Verdict(verdict), reader, digest
    )


@transaction.atomic
def decide_by_link(*, token: str, comment: str, actor: Actor, now: datetime) -> UUID:
    """Decide as a link offers, once; return the request.

    :raises LinkUsed: when it was used, also by somebody at the same moment.
    :raises Refusal: whatever `decide` refuses, and what `opened` does.
    """
    link = opened(token=token, actor=actor)
    ballot = Ballot(request=link.request, verdict=link.verdict, comment=comment, via="link")
    facts, decision = cast(ballot=ballot, actor=actor, now=now)
    if decision.step.public_id != link.step:
        raise LinkUsed("What this link was about is decided; open your inbox to see what waits.")
    try:
        with transaction.atomic():
            LinkUse.objects.create(digest=link.digest, decision=decision, used_at=now)
    except IntegrityError:
        raise LinkUsed("Somebody has used this link just now; open your inbox.") from None
    return facts.id
