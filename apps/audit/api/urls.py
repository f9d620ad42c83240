"""URLs of the audit API, under /api/v1/."""

from __future__ import annotations

from django.urls import path

from apps.audit.api import views

urlpatterns = [
    path("audit", views.Trail.as_view()),
    path("audit/verification", views.Verification.as_view()),
]
