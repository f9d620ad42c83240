"""The Content-Security-Policy: strict everywhere, with exceptions on the paths of the admin."""

from __future__ import annotations

from csp.middleware import CSPMiddleware, PolicyParts
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase


class ContentSecurityPolicyMiddleware(CSPMiddleware):
    """Sends the site's policy; under `ADMIN_PATHS`, `ADMIN_POLICY` replaces some directives."""

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        parts = super().get_policy_parts(request, response, report_only)
        if not report_only and request.path_info.startswith(settings.ADMIN_PATHS):
            parts.replace = {**settings.ADMIN_POLICY, **(parts.replace or {})}
        return parts
