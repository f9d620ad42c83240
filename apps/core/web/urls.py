"""URLs of the pages that belong to no app."""

from __future__ import annotations

from django.urls import path

from apps.core.web import views

urlpatterns = [path("", views.StylePage.as_view(), name="style")]
