"""URLs of the bare host: the operator's site, and the shared API for keys."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver

urlpatterns: list[URLPattern | URLResolver] = []
