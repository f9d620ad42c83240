"""Opens a statement by a signed link, without a sign-in."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.generic.base import View

from apps.chargeback import services
from apps.core.domain.access import Actor, Scope
from apps.core.tokens import open_link
from apps.documents.domain.states import Format
from apps.tenants import selectors as tenants


class SharedStatement(View):
    """Answers with the PDF that a mailed link names; the link is the permission."""

    http_method_names = ["get", "head", "options"]

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        value = open_link(
            purpose=services.LINK_PURPOSE, token=token, lifetime=services.LINK_LIFETIME
        )
        statement, _, recipient = value.partition("|")
        reader = Actor("system", f"link:{recipient}", frozenset({Scope.COSTS_READ}))
        file = services.hand_out(
            id=UUID(statement),
            format=Format.PDF,
            locale=tenants.current().locale,
            actor=reader,
            now=timezone.now(),
        )
        response = HttpResponse(file.content, content_type=file.media_type)
        response["Content-Disposition"] = f'inline; filename="{file.filename}"'
        response["Cache-Control"] = "private, no-store"
        response["Referrer-Policy"] = "no-referrer"
        response["X-Robots-Tag"] = "noindex"
        return response
