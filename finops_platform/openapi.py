"""Tells the API document how callers identify themselves."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Keys: `Authorization: Bearer fp_...`, on the tenant's host or on the shared one."""

    target_class = "apps.accounts.api.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "description": self.__doc__}


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The session cookie of somebody signed in on the tenant's host; writes need the CSRF token."""

    target_class = "apps.accounts.api.authentication.SessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        # The embedded name, whichever settings write the document: it must not drift with them.
        name = settings.SESSION_COOKIE_NAME.removeprefix("__Host-")
        return {"type": "apiKey", "in": "cookie", "name": name, "description": self.__doc__}
