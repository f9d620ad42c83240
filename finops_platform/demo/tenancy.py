"""Makes a demo tenant: people, keys, organization, rates and rules. Done again, it adds nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

from django_tenants.utils import schema_context

from apps.accounts import selectors as people
from apps.accounts import services as accounts
from apps.accounts.domain.keys import KeyKind
from apps.allocation import selectors as allocation_questions
from apps.allocation import services as allocation
from apps.core.domain.access import Actor, Role, Scope
from apps.core.domain.months import Month
from apps.directory import services as directory
from apps.periods import services as periods
from apps.periods.domain.fx import RateKind
from apps.tenants import selectors as tenants
from apps.tenants.selectors import TenantFacts
from finops_platform.demo.access import Access
from finops_platform.demo.script import Script
from finops_platform.provisioning import provision_tenant

OPERATOR = "operator@platform.example"

_KEY_SCOPES = frozenset(
    {
        Scope.USAGE_WRITE,
        Scope.USAGE_READ,
        Scope.USAGE_CORRECT,
        Scope.COSTS_READ,
        Scope.BILLING_READ,
        Scope.BUDGETS_READ,
    }
)


def ensure_tenant(
    *, script: Script, months: Sequence[Month], actor: Actor, access: Access, now: datetime
) -> TenantFacts:
    """Return the demo tenant, made and filled with its people and settings where it lacks them."""
    slug = script["slug"]
    with schema_context("public"):
        known = slug in {tenant.slug for tenant in tenants.active()}
    if not known:
        _provision(script, actor=actor, access=access, now=now)
    with schema_context("public"):
        facts = tenants.by_slug(slug=slug)
    with schema_context(facts.schema):
        _ensure_people(script, actor=actor, access=access, now=now)
        directory.ensure_entries(actor=actor, now=now, **script.organization)
        _ensure_rates(script, months=months, actor=actor, now=now)
        _ensure_rules(script, first=months[0], actor=actor, now=now)
        if slug not in access.keys:
            issued = accounts.issue_key(
                actor=actor,
                request=accounts.KeyRequest(KeyKind.SERVICE, "Demo integration", _KEY_SCOPES),
                now=now,
            )
            access.keep_key(slug, issued.text)
    return facts


def ensure_operator(*, actor: Actor, access: Access, now: datetime) -> None:
    """Make the person who operates the platform, who signs in on the bare host."""
    with schema_context("public"):
        if OPERATOR not in {person.email for person in people.people()}:
            accounts.found_owner(
                actor=actor,
                email=OPERATOR,
                name="Platform operator",
                password=access.password_of(OPERATOR),
                is_operator=True,
                now=now,
            )


def _provision(script: Script, *, actor: Actor, access: Access, now: datetime) -> None:
    owner = next(person for person in script["people"] if person["role"] == "owner")
    done = provision_tenant(
        actor=actor,
        slug=script["slug"],
        name=script["name"],
        base_currency=script["currency"],
        timezone=script["timezone"],
        locale=script["locale"],
        admin_email=owner["email"],
        now=now,
    )
    access.keep_password(done.admin_email, done.admin_password)


def _ensure_people(script: Script, *, actor: Actor, access: Access, now: datetime) -> None:
    known = {person.email for person in people.people()}
    for row in script["people"]:
        if row["email"] in known:
            continue
        accounts.invite(
            actor=actor,
            email=row["email"],
            name=row["name"],
            role=Role(row["role"]),
            teams=row.get("teams", ()),
            now=now,
        )
        _accept_invitation(row["email"], password=access.password_of(row["email"]), now=now)


def _accept_invitation(email: str, *, password: str, now: datetime) -> None:
    """Do what the invited person does: follow the link and choose a password."""
    purpose = accounts.LinkPurpose.INVITE
    link = accounts.password_link(email=email, purpose=purpose)
    if link is None:
        raise LookupError(f"{email} was invited and yet is not there")
    token = link.url.rstrip("/").rsplit("/", 1)[-1]
    accounts.set_password(token=token, purpose=purpose, password=password, now=now)


def _ensure_rates(script: Script, *, months: Sequence[Month], actor: Actor, now: datetime) -> None:
    """Enter the budget rate of every demo month, and the rate each complete one freezes at."""
    last = len(months) - 1
    for base, quote, budget, source, frozen in script.rates:
        for index, month in enumerate(months):
            rates = [(RateKind.BUDGET, budget, month.first_day)]
            if index < last:
                rates.append((RateKind.FROZEN, frozen[index], month.last_day))
            for kind, rate, rate_on in rates:
                _ensure_rate(month, base, quote, rate, kind, source, rate_on, actor, now)


def _ensure_rate(  # noqa: PLR0917 - one row of the table
    month: Month,
    base: str,
    quote: str,
    rate: Decimal,
    kind: RateKind,
    source: str,
    rate_on: date,
    actor: Actor,
    now: datetime,
) -> None:
    from apps.periods import selectors
    from apps.periods.domain.calendar import State

    if selectors.period(month).state is not State.OPEN:
        return
    periods.set_rate(
        month=month, base=base, quote=quote, rate=rate, kind=kind, source=source,
        rate_on=rate_on, actor=actor, now=now,
    )  # fmt: skip


def _ensure_rules(script: Script, *, first: Month, actor: Actor, now: datetime) -> None:
    known = {rule.rule.code for rule in allocation_questions.latest_rules()}
    for rule in script.rules(first):
        if rule.code not in known:
            allocation.save_rule(rule=rule, actor=actor, now=now)
