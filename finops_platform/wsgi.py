"""The WSGI application that granian serves."""

from __future__ import annotations

import os

# ruff: noqa: E402 - the door needs the settings and the apps
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "finops_platform.settings.embedded")
_django = get_wsgi_application()

from finops_platform.door import EventsDoor

application = EventsDoor(_django)


def _load_urls() -> None:
    """Import every view before the first request, which would wait for it; errors show at start."""
    from django.conf import settings
    from django.urls import get_resolver

    for urlconf in (settings.PUBLIC_SCHEMA_URLCONF, settings.ROOT_URLCONF):
        get_resolver(urlconf).url_patterns  # noqa: B018 (reading it imports them)


_load_urls()
