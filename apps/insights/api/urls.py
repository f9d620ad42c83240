"""URLs of the API of insights, under /api/v1/."""

from __future__ import annotations

from django.urls import path

from apps.insights.api import views

urlpatterns = [
    path("prices/what-if", views.WhatIf.as_view()),
    path("prices/commitments/<uuid:commitment>/shortfall", views.Shortfall.as_view()),
]
