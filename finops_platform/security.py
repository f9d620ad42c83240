"""The Content-Security-Policy: strict everywhere, with exceptions on the paths of the admin."""

from __future__ import annotations

from functools import cache
from typing import Final

from csp.constants import HEADER
from csp.middleware import CSPMiddleware, PolicyParts
from csp.utils import build_policy
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

PROGRAM_PATHS: Final = ("/api/v1/usage/", "/api/v1/events", "/api/v1/ingest/", "/v1/traces")


class ContentSecurityPolicyMiddleware(CSPMiddleware):
    """Sends the site's policy; under `ADMIN_PATHS`, `ADMIN_POLICY` replaces some directives.

    To programs, whose answers no view adorns with a policy of its own, the same text goes every
    time: making it anew took a tenth of a request.
    """

    def process_request(self, request: HttpRequest) -> None:
        """Offer pages a nonce; a program's request is spared what would keep it alive in a ring."""
        if not request.path_info.startswith(PROGRAM_PATHS):
            super().process_request(request)

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        if not request.path_info.startswith(PROGRAM_PATHS) or settings.DEBUG:
            return super().process_response(request, response)
        response.headers.setdefault(HEADER, _policy_for_programs())
        return response

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        parts = super().get_policy_parts(request, response, report_only)
        if not report_only and request.path_info.startswith(settings.ADMIN_PATHS):
            parts.replace = {**settings.ADMIN_POLICY, **(parts.replace or {})}
        return parts


@cache
def _policy_for_programs() -> str:
    return build_policy()
