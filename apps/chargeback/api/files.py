"""Answers with a document's file, as every address of one does."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils.cache import get_conditional_response
from rest_framework.request import Request

from apps.documents.selectors import DocumentFile


def file_answer(request: Request, file: DocumentFile) -> HttpResponse:
    """Return the bytes, or 304 when the client has them; the ETag is their SHA-256."""
    etag = f'"{file.sha256}"'
    unchanged = get_conditional_response(request._request, etag=etag)
    response = unchanged or HttpResponse(file.content, content_type=file.media_type)
    response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"
    response["Content-Disposition"] = f'attachment; filename="{file.filename}"'
    return response
