"""Links in messages by which an approver decides: signed, theirs, once, after signing in."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from apps.core.tokens import sign_link
from apps.experiments.domain.states import Verdict
from apps.tenants import selectors as tenants

PURPOSE: Final = "experiments.decide"
LIFETIME: Final = timedelta(days=7)
CHANNEL: Final = "channel:"


def link_for(*, step: str, reader: str, verdict: Verdict) -> str:
    """Return the address that offers one verdict to one reader: a mail address or a channel.

    What it signs names the reader; it opens nothing without that person's session, and nothing
    is decided before they confirm.
    """
    token = sign_link(purpose=PURPOSE, value=f"{step}|{verdict.value}|{reader}")
    return f"{tenants.base_url(slug=tenants.current().slug)}/approvals/link/{token}/"
