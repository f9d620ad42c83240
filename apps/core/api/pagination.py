"""Cursor pagination for every list."""

from __future__ import annotations

from rest_framework import pagination


class CursorPagination(pagination.CursorPagination):
    """Pages by cursor; `page_size` up to 500, ordered by the view's unique ordering."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 500
    ordering = "-id"
