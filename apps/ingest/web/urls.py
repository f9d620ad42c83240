"""URLs of the usage pages."""

from __future__ import annotations

from django.urls import path

from apps.ingest.web import views

app_name = "usage"
urlpatterns = [
    path("usage/", views.Log.as_view(), name="log"),
]
