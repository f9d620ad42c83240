"""URLs of the exchange rates."""

from __future__ import annotations

from django.urls import path

from apps.periods.web import views

app_name = "periods"
urlpatterns = [
    path("settings/fx/", views.Rates.as_view(), name="rates"),
    path("settings/fx/new/", views.NewRate.as_view(), name="new_rate"),
]
