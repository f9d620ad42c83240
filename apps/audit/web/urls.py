"""URLs of the audit pages."""

from __future__ import annotations

from django.urls import path

from apps.audit.web import views

app_name = "audit"
urlpatterns = [
    path("settings/audit/", views.Trail.as_view(), name="trail"),
    path("settings/audit/verify/", views.Verify.as_view(), name="verify"),
]
