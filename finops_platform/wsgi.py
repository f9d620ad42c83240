"""The WSGI application that granian serves."""

from __future__ import annotations

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "finops_platform.settings.embedded")
_ordinary = get_wsgi_application()

from django.conf import settings  # noqa: E402
from django.urls import get_resolver  # noqa: E402

from finops_platform.doors import ShortWays  # noqa: E402 - it needs the apps

application = ShortWays(_ordinary)


def _load_urls() -> None:
    """Import every view before the first request, which would wait for it; errors show at start."""
    for urlconf in (settings.PUBLIC_SCHEMA_URLCONF, settings.ROOT_URLCONF):
        get_resolver(urlconf).url_patterns  # noqa: B018 (reading it imports them)


if settings.WEB_ROLE == "all":
    _load_urls()
gc.collect()
gc.freeze()  # what is loaded stays: collections need not go through it
