"""Mail that people wait for; enqueued by doors, never sent inside a request."""

from __future__ import annotations

from celery import shared_task
from django_tenants.utils import schema_context

from apps.accounts import services
from apps.accounts.adapters.mail import mail_link
from apps.accounts.selectors import Person
from apps.core.db import current_schema
from apps.tenants import selectors as tenants


@shared_task(
    autoretry_for=(OSError,),
    retry_backoff=True,
    retry_backoff_max=300,
    max_retries=8,
    queue="notify",
)
def mail_password_link(*, schema: str, email: str, purpose: str) -> None:
    """Mail a fresh link to set a password; nothing happens when nobody there has the address.

    A second run mails a second link; both work until one is used.
    """
    with schema_context(schema):
        reason = services.LinkPurpose(purpose)
        link = services.password_link(email=email, purpose=reason)
        if link is not None:
            organization = "" if tenants.on_public() else tenants.current().name
            mail_link(link, purpose=reason, organization=organization)


def send_invitation(person: Person) -> None:
    """Enqueue the mail that lets an invited person choose a password."""
    mail_password_link.delay_on_commit(
        schema=current_schema(), email=person.email, purpose=services.LinkPurpose.INVITE.value
    )
