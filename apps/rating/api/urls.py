"""URLs of the API about prices, under /api/v1/."""

from __future__ import annotations

from django.urls import path

from apps.rating.api import views

urlpatterns = [
    path("prices", views.Prices.as_view()),
    path("prices/<uuid:price>", views.ContractPrice.as_view()),
    path("prices/<uuid:price>/end", views.EndPrice.as_view()),
    path("prices/<uuid:price>/withdraw", views.WithdrawPrice.as_view()),
    path("price-book", views.PriceBookInForce.as_view()),
]
