"""URLs of the API about periods and exchange rates, under /api/v1/."""

from __future__ import annotations

from django.urls import path

from apps.periods.api import views

urlpatterns = [
    path("periods", views.Periods.as_view()),
    path("periods/<str:month>", views.OnePeriod.as_view()),
    path("fx-rates", views.FxRates.as_view()),
]
