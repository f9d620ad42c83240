"""Mails the links with which people set their passwords."""

from __future__ import annotations

from django.core.mail import send_mail
from django.template.loader import render_to_string

from apps.accounts.tokens import LinkPurpose, PasswordLink

_TEMPLATES = {LinkPurpose.INVITE: "accounts/invite", LinkPurpose.RESET: "accounts/password_reset"}


def mail_link(link: PasswordLink, *, purpose: LinkPurpose, organization: str) -> None:
    """Send one plain-text mail.

    :raises OSError: when the mail server does not take it; the task is then tried again.
    """
    context = {
        "email": link.email,
        "name": link.name,
        "reset_url": link.url,
        "tenant_name": organization,
    }
    template = _TEMPLATES[purpose]
    subject = render_to_string(f"{template}_subject.txt", context).strip()
    body = render_to_string(f"{template}_email.txt", context)
    send_mail(subject, body, None, [link.email])
