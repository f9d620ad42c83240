"""URLs of the home page."""

from __future__ import annotations

from django.urls import path

from apps.insights.web.views import Home

app_name = "insights"
urlpatterns = [path("", Home.as_view(), name="home")]
