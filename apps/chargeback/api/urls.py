"""URLs of the API about statements, under /api/v1/."""

from __future__ import annotations

from django.urls import path, re_path

from apps.chargeback.api import views

_ID = r"(?P<id>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"

urlpatterns = [
    path("statements", views.Statements.as_view()),
    path("statements/<uuid:id>", views.StatementView.as_view()),
    path("statements/<uuid:id>/lines/<int:position>", views.StatementLine.as_view()),
    re_path(
        rf"^statements/{_ID}\.(?P<suffix>pdf|csv|xlsx)$",
        views.StatementFile.as_view(),
        name="statement_file",
    ),
]
