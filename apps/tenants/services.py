"""Registers, suspends and resumes tenants; making the schema itself is provisioning's part."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction

from apps.audit import services as audit
from apps.core.domain.access import Actor, Scope
from apps.core.domain.errors import Conflict, FieldError, Unprocessable
from apps.core.domain.limits import Limits
from apps.tenants.domain.facts import TenantFacts, TenantStatus
from apps.tenants.domain.names import TenantDraft, TenantNotValid, is_host
from apps.tenants.models import Domain, Tenant
from apps.tenants.selectors import NoTenant

__all__ = [
    "LimitsNotValid",
    "TenantDraft",
    "TenantExists",
    "activate",
    "add_domain",
    "limit",
    "register",
    "resume",
    "suspend",
]


class LimitsNotValid(Unprocessable):
    """A limit is no whole number that a tenant can be held to."""

    default_code = "limits_not_valid"


class TenantExists(Conflict):
    """The slug, its schema or the host is taken."""

    default_code = "tenant_exists"


@transaction.atomic
def register(*, actor: Actor, draft: TenantDraft, host: str, now: datetime) -> TenantFacts:
    """Insert a tenant that is still `provisioning`, and its first host.

    Repeating it while it is provisioning, after a start that broke off, returns the same tenant.

    :raises TenantNotValid: when a field is wrong.
    :raises TenantExists: when the slug or the host is taken.
    """
    actor.require(Scope.ADMIN)
    draft.check()
    begun = Tenant.objects.select_for_update().filter(slug=draft.slug).first()
    if begun is not None:
        return _resumable(begun, draft)
    _check_host(host)
    tenant = _inserted(draft, now=now)
    Domain(tenant=tenant, domain=host, is_primary=True).save()
    audit.record(
        actor=actor,
        action="tenant.registered",
        subject="tenant",
        subject_id=draft.slug,
        detail={"schema": draft.schema, "host": host, "currency": draft.currency},
        at=now,
    )
    return tenant.facts()


@transaction.atomic
def activate(*, actor: Actor, slug: str, now: datetime) -> TenantFacts:
    """Serve a tenant whose schema is complete.

    :raises NoTenant: when there is no such tenant.
    :raises Conflict: when it is not provisioning.
    """
    actor.require(Scope.ADMIN)
    return _switch(
        actor=actor,
        slug=slug,
        step=(TenantStatus.PROVISIONING, TenantStatus.ACTIVE, "activated"),
        reason="",
        now=now,
    )


@transaction.atomic
def suspend(*, actor: Actor, slug: str, reason: str, now: datetime) -> TenantFacts:
    """Stop serving a tenant; its data, keys and sessions stay as they are.

    :raises NoTenant: when there is no such tenant.
    :raises Conflict: when it is suspended already.
    """
    actor.require(Scope.ADMIN)
    if not reason.strip():
        raise Unprocessable(
            "Say why the tenant is suspended.",
            code="reason_required",
            errors=(FieldError("reason", "required", "Say why the tenant is suspended."),),
        )
    return _switch(
        actor=actor,
        slug=slug,
        step=(TenantStatus.ACTIVE, TenantStatus.SUSPENDED, "suspended"),
        reason=reason.strip(),
        now=now,
    )


@transaction.atomic
def resume(*, actor: Actor, slug: str, now: datetime) -> TenantFacts:
    """Serve a suspended tenant again.

    :raises NoTenant: when there is no such tenant.
    :raises Conflict: when it is not suspended.
    """
    actor.require(Scope.ADMIN)
    return _switch(
        actor=actor,
        slug=slug,
        step=(TenantStatus.SUSPENDED, TenantStatus.ACTIVE, "resumed"),
        reason="",
        now=now,
    )


@transaction.atomic
def add_domain(*, actor: Actor, slug: str, host: str, primary: bool, now: datetime) -> None:
    """Let a tenant answer on one more host name.

    :raises NoTenant: when there is no such tenant.
    :raises TenantNotValid: when the text is no host name.
    :raises TenantExists: when another tenant answers there.
    """
    actor.require(Scope.ADMIN)
    _check_host(host)
    tenant = _locked(slug)
    if Domain.objects.filter(domain=host).exists():
        raise TenantExists(f"The host {host!r} is taken.")
    if primary:
        Domain.objects.filter(tenant=tenant).update(is_primary=False)
    Domain(tenant=tenant, domain=host, is_primary=primary).save()
    audit.record(
        actor=actor,
        action="tenant.domain_added",
        subject="tenant",
        subject_id=slug,
        detail={"host": host, "primary": primary},
        at=now,
    )


@transaction.atomic
def restart(*, actor: Actor, slug: str, now: datetime) -> TenantFacts:
    """Note that a provisioning that broke off is started again.

    :raises NoTenant: when there is no such tenant.
    :raises Conflict: when it is not provisioning.
    """
    actor.require(Scope.ADMIN)
    return _switch(
        actor=actor,
        slug=slug,
        step=(TenantStatus.PROVISIONING, TenantStatus.PROVISIONING, "restarted"),
        reason="",
        now=now,
    )


@transaction.atomic
def limit(*, actor: Actor, slug: str, limits: Limits, now: datetime) -> TenantFacts:
    """Hold a tenant's keys together to other limits; other processes follow within 30 seconds.

    :raises NoTenant: when there is no such tenant.
    :raises LimitsNotValid: when a limit is no whole number from 1 to a million.
    """
    actor.require(Scope.ADMIN)
    if wrong := tuple(limits.problems()):
        raise LimitsNotValid(wrong[0].message, errors=wrong)
    tenant = _locked(slug)
    if tenant.facts().limits != limits:
        tenant.limit(limits)
        audit.record(
            actor=actor,
            action="tenant.limited",
            subject="tenant",
            subject_id=slug,
            detail={
                "requests_per_second": limits.requests_per_second,
                "events_per_second": limits.events_per_second,
            },
            at=now,
        )
    return tenant.facts()


def note_failure(*, slug: str, reason: str) -> None:
    """Keep what broke a provisioning off, for the operator to see; it can be started again."""
    provisioning = Tenant.objects.filter(slug=slug, status=TenantStatus.PROVISIONING.value)
    provisioning.update(status_reason=reason[:500])


def _switch(
    *,
    actor: Actor,
    slug: str,
    step: tuple[TenantStatus, TenantStatus, str],
    reason: str,
    now: datetime,
) -> TenantFacts:
    before, after, verb = step
    tenant = _locked(slug)
    if tenant.status != before.value:
        raise Conflict(f"{slug!r} is {tenant.status}, not {before.value}.", code="tenant_state")
    tenant.switch(after, reason=reason, now=now)
    audit.record(
        actor=actor,
        action=f"tenant.{verb}",
        subject="tenant",
        subject_id=slug,
        detail={"reason": reason} if reason else {},
        at=now,
    )
    return tenant.facts()


def _inserted(draft: TenantDraft, *, now: datetime) -> Tenant:
    try:
        with transaction.atomic():
            return Tenant.from_draft(draft, now=now)
    except IntegrityError as error:
        raise TenantExists(f"The slug {draft.slug!r} is taken.") from error


def _resumable(begun: Tenant, draft: TenantDraft) -> TenantFacts:
    if begun.status != TenantStatus.PROVISIONING.value or begun.draft() != draft:
        raise TenantExists(f"The slug {draft.slug!r} is taken.")
    return begun.facts()


def _locked(slug: str) -> Tenant:
    tenant: Tenant | None = Tenant.objects.select_for_update().filter(slug=slug).first()
    if tenant is None:
        raise NoTenant(f"There is no tenant {slug!r}.")
    return tenant


def _check_host(host: str) -> None:
    if not is_host(host):
        wrong = FieldError("host", "host", "Use a lower-case host name without port.")
        raise TenantNotValid(wrong.message, errors=(wrong,))
    if Domain.objects.filter(domain=host).exists():
        raise TenantExists(f"The host {host!r} is taken.")
