"""Sets the terms under which statements are issued."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from apps.audit import services as audit
from apps.chargeback.domain.facts import Terms
from apps.chargeback.domain.results import TermsInvalid
from apps.chargeback.models import StatementTerms
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import FieldError


def set_terms(*, terms: Terms, actor: Actor, now: datetime) -> None:
    """Put other terms in force for statements drafted from now on; issued ones keep theirs.

    :raises Forbidden: when the actor may not write billing.
    :raises TermsInvalid: when a field is missing or the days are out of range.
    """
    actor.require(Scope.BILLING_WRITE)
    problems = tuple(_problems(terms))
    if problems:
        raise TermsInvalid(problems[0].message, errors=problems)
    with transaction.atomic():
        StatementTerms.objects.create(
            dispute_contact=terms.dispute_contact,
            dispute_days=terms.dispute_days,
            recovery_account=terms.recovery_account,
            recovery_name=terms.recovery_name,
            created_at=now,
            created_by=actor.label,
        )
        audit.record(
            actor=actor,
            action="statement_terms.set",
            subject="statement_terms",
            subject_id="",
            detail={
                "dispute_contact": terms.dispute_contact,
                "dispute_days": terms.dispute_days,
                "recovery_account": terms.recovery_account,
            },
            at=now,
        )


def _problems(terms: Terms) -> list[FieldError]:
    texts = (
        ("dispute_contact", terms.dispute_contact, 254),
        ("recovery_account", terms.recovery_account, 64),
        ("recovery_name", terms.recovery_name, 200),
    )
    found = [
        FieldError(name, "text", f"{name} must have 1 to {most} characters.")
        for name, text, most in texts
        if not text.strip() or len(text) > most or "\x00" in text
    ]
    if not 1 <= terms.dispute_days <= 90:
        found.append(FieldError("dispute_days", "range", "dispute_days must be 1 to 90."))
    return found
