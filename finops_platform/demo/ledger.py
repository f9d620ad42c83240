"""Hands the demo's closed months over to the ledger: terms, accounts, journals, one posted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from apps.chargeback import selectors, services
from apps.chargeback.domain.facts import Terms
from apps.chargeback.domain.journal import AccountOf, MappingKind
from apps.core.domain.access import Actor
from apps.core.domain.months import Month
from finops_platform.demo.script import Script


def set_up_ledger(*, script: Script, first: Month, actor: Actor, now: datetime) -> None:
    """State the terms of statements and the accounts that cost centers do not name, once."""
    row = script["terms"]
    wanted = Terms(
        dispute_contact=row["contact"],
        dispute_days=row["days"],
        recovery_account=row["account"],
        recovery_name=row["name"],
    )
    if selectors.terms(actor) != wanted:
        services.set_terms(terms=wanted, actor=actor, now=now)
    mapped = {one.key for one in selectors.mappings()}
    for key, account in script["ledger"]["accounts"].items():
        if key not in mapped:
            mapping = AccountOf(
                kind=MappingKind.COST_CENTER, key=key, account=account, valid_from=first
            )
            services.map_account(mapping=mapping, actor=actor, now=now)


def hand_over(
    *, script: Script, months: Sequence[Month], index: int, actor: Actor, now: datetime
) -> None:
    """Make the journal of a closed month, and say that the ledger took it where the script does."""
    journal = services.prepare_journal(month=months[index], actor=actor, now=now)
    posted = script["ledger"]["posted"]
    if posted["month"] == index:
        services.confirm_posting(
            batch=journal.batch,
            reference=posted["reference"],
            posted_on=now.date(),
            actor=actor,
            now=now,
        )
