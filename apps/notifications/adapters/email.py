"""Hands a message to the mail server."""

from __future__ import annotations

import smtplib
from typing import Final

from django.core.mail import EmailMessage
from django.core.mail.message import BadHeaderError

from apps.core.domain.errors import Unavailable

_HOPELESS: Final = 500
"""SMTP replies from here on will not change by trying again."""


def send(*, recipient: str, subject: str, text: str) -> None:
    """Send one plain-text mail from the platform's address.

    :raises Unavailable: when the server does not take it; `permanent` when it never will.
    """
    try:
        EmailMessage(subject=subject, body=text, to=[recipient]).send()
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        raise _unavailable(error, permanent=min(codes, default=0) >= _HOPELESS) from error
    except smtplib.SMTPResponseException as error:
        raise _unavailable(error, permanent=error.smtp_code >= _HOPELESS) from error
    except BadHeaderError as error:
        raise _unavailable(error, permanent=True) from error
    except (smtplib.SMTPException, OSError) as error:
        raise _unavailable(error, permanent=False) from error


def _unavailable(error: Exception, *, permanent: bool) -> Unavailable:
    return Unavailable(f"{type(error).__name__}: {error}", permanent=permanent, code="mail")
