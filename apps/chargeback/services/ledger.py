"""What the ledger needs and says: accounts, columns, the confirmation of a posting."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from django.db import IntegrityError, transaction

from apps.audit import services as audit
from apps.chargeback.domain.journal import (
    AccountOf,
    JournalFacts,
    JournalPosted,
    MappingInvalid,
    MappingKind,
)
from apps.chargeback.domain.journal_layout import Layout, text_of
from apps.chargeback.models import (
    Journal,
    JournalLayout,
    JournalMapping,
    JournalPosting,
    Statement,
)
from apps.chargeback.selectors import booking as books
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import FieldError
from apps.core.domain.months import Month
from apps.directory import selectors as directory


def confirm_posting(
    *, batch: str, reference: str, posted_on: date, actor: Actor, now: datetime
) -> JournalFacts:
    """Note under which reference the ledger took a journal; the same one twice is once.

    :raises Forbidden: when the actor may not write billing.
    :raises JournalMissing: when there is no such journal.
    :raises JournalPosted: when it was confirmed under another reference.
    :raises MappingInvalid: when the reference is empty or too long, or the day cannot be.
    """
    actor.require(Scope.BILLING_WRITE)
    words = reference.strip()
    if not 0 < len(words) <= 100 or "\x00" in words:
        raise _wrong("reference", "Give the ledger's reference, 1 to 100 characters.")
    facts = books.journal(batch=batch, actor=actor)
    if facts.posting is None:
        _check_day(posted_on, facts.month, now)
        _post(facts, words, posted_on, actor, now)
        facts = books.journal(batch=batch, actor=actor)
    if facts.posting is None or facts.posting.reference != words:
        other = facts.posting.reference if facts.posting else ""
        raise JournalPosted(f"{batch} was confirmed as {other} already.")
    return facts


def map_account(*, mapping: AccountOf, actor: Actor, now: datetime) -> None:
    """Give a cost center or a provider an account from a month on; journals made stay as they are.

    :raises Forbidden: when the actor may not write billing.
    :raises MappingInvalid: when the key or the account cannot be taken.
    """
    actor.require(Scope.BILLING_WRITE)
    for name, text, least in (
        ("key", mapping.key, 1),
        ("account", mapping.account, 0),
        ("target", mapping.target, 0),
    ):
        if not least <= len(text.strip()) <= 64 or "\x00" in text:
            raise _wrong(name, f"{name} must have {least} to 64 characters.")
    if mapping.kind is MappingKind.COST_CENTER:
        _check_center(mapping.key.strip())
    with transaction.atomic():
        JournalMapping.objects.create(
            kind=mapping.kind.value,
            key=mapping.key.strip(),
            account=mapping.account.strip(),
            target=mapping.target.strip() if mapping.kind is MappingKind.COST_CENTER else "",
            valid_from=mapping.valid_from.first_day,
            created_at=now,
            created_by=actor.label,
        )
        audit.record(
            actor=actor,
            action="journal_mapping.set",
            subject="journal_mapping",
            subject_id=mapping.key.strip(),
            detail={
                "kind": mapping.kind.value,
                "account": mapping.account.strip(),
                "target": mapping.target.strip(),
                "valid_from": str(mapping.valid_from),
            },
            at=now,
        )


def set_layout(*, layout: Layout, actor: Actor, now: datetime) -> None:
    """Write journal files with other columns from now on; files handed out stay as they are.

    :raises Forbidden: when the actor may not write billing.
    """
    actor.require(Scope.BILLING_WRITE)
    with transaction.atomic():
        JournalLayout.objects.create(
            preset=layout.preset,
            company=layout.company,
            columns=text_of(layout.columns),
            created_at=now,
            created_by=actor.label,
        )
        audit.record(
            actor=actor,
            action="journal_layout.set",
            subject="journal_layout",
            subject_id="",
            detail={"preset": layout.preset, "company": layout.company},
            at=now,
        )


def _check_day(posted_on: date, month: Month, now: datetime) -> None:
    """Pass when a ledger may have posted on the day, on whatever clock it runs."""
    if posted_on > now.date() + timedelta(days=1):
        raise _wrong("posted_on", f"{posted_on} is still to come; give the day it was posted on.")
    if posted_on < month.first_day:
        raise _wrong("posted_on", f"{posted_on} lies before {month}, which the journal books.")


def _check_center(key: str) -> None:
    known = any(center.code == key for center in directory.cost_centers())
    if not known and not Statement.objects.filter(cost_center=key).exists():
        raise _wrong("key", f"There is no cost center {key}; see Settings, Organization.")


def _post(
    facts: JournalFacts, reference: str, posted_on: date, actor: Actor, now: datetime
) -> None:
    try:
        with transaction.atomic():
            JournalPosting.objects.create(
                journal=Journal.objects.get(batch=facts.batch),
                reference=reference,
                posted_on=posted_on,
                created_at=now,
                created_by=actor.label,
            )
            audit.record(
                actor=actor,
                action="journal.posted",
                subject="period",
                subject_id=str(facts.month),
                detail={"batch": facts.batch, "reference": reference, "posted_on": posted_on},
                at=now,
            )
    except IntegrityError as error:
        if "chargeback_journalposting_journal_id" not in str(error):
            raise


def _wrong(field: str, message: str) -> MappingInvalid:
    return MappingInvalid(message, errors=(FieldError(field, "invalid", message),))
