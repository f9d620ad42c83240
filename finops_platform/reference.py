"""The API reference: the committed OpenAPI document, and a page to browse it.

Both hold nothing of any tenant, so they are open to everybody, on every host that serves the API
(`settings.OPEN_API_PATHS` lets them past the door for keys of the bare host).
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import path
from django.utils.decorators import method_decorator
from django.views.decorators.http import condition
from django.views.generic import TemplateView
from django.views.generic.base import View

MEDIA_TYPE: Final = "application/vnd.oai.openapi; charset=utf-8"


@cache
def document() -> tuple[bytes, str]:
    """Return the OpenAPI document (YAML) and its ETag; a test holds it to what the code says."""
    text = Path(settings.OPENAPI_DOCUMENT).read_bytes()
    return text, f'"{sha256(text).hexdigest()[:32]}"'


def _etag(_request: HttpRequest) -> str:
    return document()[1]


class SchemaDocument(View):
    """The OpenAPI document."""

    http_method_names = ["get", "head"]

    @method_decorator(condition(etag_func=_etag))
    def get(self, request: HttpRequest) -> HttpResponseBase:
        """Return the document, or 304 to whoever has it."""
        text, _etag_of_it = document()
        return HttpResponse(text, content_type=MEDIA_TYPE)


class ReferencePage(TemplateView):
    """The OpenAPI document as a page, drawn in the browser from bundled assets."""

    http_method_names = ["get", "head"]
    template_name = "reference/page.html"


urlpatterns = [
    path("api/v1/schema/", SchemaDocument.as_view(), name="schema"),
    path("api/v1/docs/", ReferencePage.as_view(), name="reference"),
]
