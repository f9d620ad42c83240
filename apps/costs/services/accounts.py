"""Declare provider accounts, and say whose amounts count."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction

from apps.audit import services as audit
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Conflict, FieldError, Missing, Unprocessable
from apps.core.domain.months import Month
from apps.costs.domain.accounts import AccountDraft, AccountFacts, Feed, Truth, refusals_of_account
from apps.costs.models import AccountTruth, ModelFeed, ProviderAccount
from apps.costs.selectors.accounts import account_facts
from apps.periods import selectors as periods
from apps.periods import services as calendar
from apps.periods.domain.calendar import NoOpenPeriod


class AccountRefused(Unprocessable):
    """A field of the account cannot be right."""

    default_code = "provider_account_refused"


class AccountExists(Conflict):
    """The code is taken, or other usage of the same name has an account already."""

    default_code = "provider_account_exists"


@transaction.atomic
def declare_account(*, draft: AccountDraft, actor: Actor, now: datetime) -> AccountFacts:
    """Declare a provider account; it counts from the first open month on.

    :raises AccountRefused: when a field cannot be right; names it.
    :raises AccountExists: when the code or the usage it stands for is taken.
    :raises NoOpenPeriod: when no month is open.
    """
    actor.require(Scope.BILLING_WRITE)
    errors = refusals_of_account(draft)
    if errors:
        raise AccountRefused(errors[0].message, errors=errors)
    since = _held(_first_open())
    _refuse_taken(draft)
    row = _create(draft, now)
    _say(row, draft, since=since, actor=actor, now=now)
    _record(actor, "declared", draft, since, now)
    return account_facts(row, draft.truth, draft.feed)


def ensure_account(*, draft: AccountDraft, actor: Actor, now: datetime) -> AccountFacts:
    """Declare the account when its code is new; else return what is declared, unchanged."""
    row = ProviderAccount.objects.filter(code=draft.code).first()
    if row is None:
        return declare_account(draft=draft, actor=actor, now=now)
    said = AccountTruth.objects.filter(provider_account=row).order_by("pk").last()
    if said is None:
        raise AccountRefused(f"The account {row.code} has no truth.", code="no_truth")
    return account_facts(row, Truth(said.truth), Feed(said.feed))


@transaction.atomic
def change_truth(
    *, code: str, truth: Truth, feed: Feed, since: Month, actor: Actor, now: datetime
) -> AccountFacts:
    """Say whose amounts count from an open month on; closed months keep what they had.

    :raises Missing: when the account is not declared.
    :raises PeriodNotOpen: when `since` is not open.
    """
    actor.require(Scope.BILLING_WRITE)
    _held(since)
    row = ProviderAccount.objects.select_for_update().filter(code=code).first()
    if row is None:
        raise Missing(f"There is no provider account {code}.", code="provider_account_not_found")
    draft = AccountDraft(row.code, row.name, row.provider, row.account, truth, feed)
    _say(row, draft, since=since, actor=actor, now=now)
    _record(actor, "changed", draft, since, now)
    return account_facts(row, truth, feed)


@transaction.atomic
def say_model_feed(
    *,
    code: str,
    model: str,
    feed: Feed | None,
    since: Month,
    reason: str,
    actor: Actor,
    now: datetime,
) -> None:
    """Say which feed of one model of an account counts from an open month on; None: the account's.

    It goes over what is said of the account, and holds until something else is said of the model.
    Closed months keep what they had. Both feeds stay stored and are shown.

    :raises Missing: when the account is not declared.
    :raises AccountRefused: when the model or the reason is empty; names it.
    :raises PeriodNotOpen: when `since` is not open.
    """
    actor.require(Scope.BILLING_WRITE)
    refusals = model_feed_refusals(model, reason)
    if refusals:
        raise AccountRefused(refusals[0].message, errors=refusals)
    _held(since)
    row = ProviderAccount.objects.select_for_update().filter(code=code).first()
    if row is None:
        raise Missing(f"There is no provider account {code}.", code="provider_account_not_found")
    if not row.provider:
        message = f"The account {code} stands for no metered usage, so no feed of it counts."
        raise AccountRefused(message, errors=(FieldError("code", "no_usage", message),))
    said = "as the account" if feed is None else feed.value
    ModelFeed.objects.create(
        provider_account=row,
        model=model.strip(),
        from_month=since.first_day,
        feed="" if feed is None else feed.value,
        reason=reason.strip(),
        recorded_at=now,
        recorded_by=actor.label,
    )
    audit.record(
        actor=actor,
        action="provider_account.model_feed",
        subject="provider_account",
        subject_id=code,
        detail={
            "model": model.strip(),
            "feed": said,
            "from_month": str(since),
            "reason": reason.strip(),
        },
        at=now,
    )


def model_feed_refusals(model: str, reason: str) -> tuple[FieldError, ...]:
    """Return what is wrong with a model or a reason."""
    found = []
    if not model.strip() or len(model) > 200 or not model.isprintable():
        found.append(FieldError("model", "required", "Name the model, in 1 to 200 characters."))
    if not reason.strip() or len(reason) > 500 or not reason.isprintable():
        found.append(FieldError("reason", "required", "Say why, in at most 500 characters."))
    return tuple(found)


def _first_open() -> Month:
    open_months = periods.open_months()
    if not open_months:
        raise NoOpenPeriod("No month is open; an account counts from an open month on.")
    return open_months[0]


def _held(month: Month) -> Month:
    if calendar.hold_open(months=[month])[month].value != "open":
        raise calendar.PeriodNotOpen(f"{month} is not open; choose a later month.")
    return month


def _create(draft: AccountDraft, now: datetime) -> ProviderAccount:
    try:
        with transaction.atomic():
            return ProviderAccount.objects.create(
                code=draft.code,
                name=draft.name.strip(),
                provider=draft.provider,
                account=draft.account,
                created_at=now,
            )
    except IntegrityError as error:
        raise AccountExists(
            "An account of this code or for this usage was declared at this moment."
        ) from error


def _refuse_taken(draft: AccountDraft) -> None:
    if ProviderAccount.objects.filter(code=draft.code).exists():
        message = f"The code {draft.code} is taken."
        raise AccountExists(message, errors=(FieldError("code", "exists", message),))
    same = ProviderAccount.objects.filter(provider=draft.provider, account=draft.account)
    if draft.provider and (other := same.first()) is not None:
        message = f"Usage of {draft.provider} {draft.account} belongs to {other.code} already."
        raise AccountExists(message, errors=(FieldError("account", "exists", message),))


def _say(
    row: ProviderAccount, draft: AccountDraft, *, since: Month, actor: Actor, now: datetime
) -> None:
    AccountTruth.objects.create(
        provider_account=row,
        from_month=since.first_day,
        truth=draft.truth.value,
        feed=draft.feed.value,
        recorded_at=now,
        recorded_by=actor.label,
    )


def _record(actor: Actor, verb: str, draft: AccountDraft, since: Month, now: datetime) -> None:
    audit.record(
        actor=actor,
        action=f"provider_account.{verb}",
        subject="provider_account",
        subject_id=draft.code,
        detail={
            "name": draft.name,
            "provider": draft.provider,
            "account": draft.account,
            "truth": draft.truth.value,
            "feed": draft.feed.value,
            "from_month": str(since),
        },
        at=now,
    )
