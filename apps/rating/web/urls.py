"""URLs of the price pages."""

from __future__ import annotations

from django.urls import path

from apps.rating.web import views

app_name = "rating"
urlpatterns = [
    path("prices/", views.Prices.as_view(), name="prices"),
    path("prices/new/", views.NewContractPrice.as_view(), name="new"),
    path("prices/preview/", views.Preview.as_view(), name="preview"),
    path("prices/contract/<uuid:price>/", views.ContractPricePage.as_view(), name="contract_price"),
    path("prices/contract/<uuid:price>/end/", views.EndContractPrice.as_view(), name="end"),
    path(
        "prices/contract/<uuid:price>/withdraw/",
        views.WithdrawContractPrice.as_view(),
        name="withdraw",
    ),
    path("prices/model/<str:provider>/<path:model>/", views.ModelPrices.as_view(), name="model"),
]
